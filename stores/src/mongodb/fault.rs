//! Errors of MongoDB, without any stored value. The messages of the server quote documents and
//! keys: that of a duplicate key holds the key. The messages of the driver quote those of the
//! server. None of them is passed on: a message is made of codes and of names in the manifest.

use mongodb::error::{Error, ErrorKind as Kind, WriteFailure};

use crate::{ErrorKind, Fault};

/// Error codes of the server after which a retry may succeed, with their kind and meaning.
const TRANSIENT: &[(i32, ErrorKind, &str)] = &[
    (6, ErrorKind::Unreachable, "the server can't reach the others of its set"),
    (7, ErrorKind::Unreachable, "the server can't find the others of its set"),
    (24, ErrorKind::Busy, "a lock was not free in time"),
    (46, ErrorKind::Busy, "the server waits for a lock"),
    (50, ErrorKind::Timeout, "the server did not finish in time"),
    (64, ErrorKind::Timeout, "a write did not reach a majority in time"),
    (89, ErrorKind::Timeout, "the servers of the set did not answer each other in time"),
    (91, ErrorKind::Unreachable, "the server is shutting down"),
    (100, ErrorKind::Unreachable, "too few members of the set are up for a majority"),
    (112, ErrorKind::Busy, "two writes met; the later one is to be tried again"),
    (133, ErrorKind::Unreachable, "no member of the set can be read from"),
    (134, ErrorKind::Busy, "the read concern can't be met at the moment"),
    (189, ErrorKind::Unreachable, "the primary stepped down"),
    (202, ErrorKind::Busy, "the server is over its limit of connections or memory"),
    (262, ErrorKind::Timeout, "the server did not finish in time"),
    (314, ErrorKind::Busy, "the disk of the server is full; free some space"),
    (317, ErrorKind::Busy, "the server is over its limits"),
    (358, ErrorKind::Busy, "the servers of the set differ in version at the moment"),
    (462, ErrorKind::Busy, "the server takes no more work at the moment"),
    (9001, ErrorKind::Unreachable, "the connection broke"),
    (10058, ErrorKind::Unreachable, "the server is no primary any more"),
    (10107, ErrorKind::Unreachable, "the server is no primary"),
    (11600, ErrorKind::Unreachable, "the server is shutting down"),
    (11601, ErrorKind::Busy, "the server interrupted the command"),
    (11602, ErrorKind::Unreachable, "the set chose another primary"),
    (13388, ErrorKind::Busy, "the shard map of the cluster changed"),
    (13435, ErrorKind::Unreachable, "the server is no primary"),
    (13436, ErrorKind::Unreachable, "the server is still starting"),
    (14031, ErrorKind::Busy, "the disk of the server is full; free some space"),
    (63, ErrorKind::Busy, "the shard map of the cluster changed"),
    (150, ErrorKind::Busy, "the shard map of the cluster changed"),
];

/// Converts an error code of the server. `doing` names the command and its collection.
pub(super) fn of_code(code: i32, name: &str, doing: &str) -> Fault {
    if let Some((_, kind, meaning)) = TRANSIENT.iter().find(|(known, ..)| *known == code) {
        return Fault::new(*kind, format!("{meaning} (code {code}, {doing})"));
    }
    match code {
        13 | 8000 => Fault::new(
            ErrorKind::Rights,
            format!("the user may not {doing}; give it the role readWrite on that database, or log in as another user"),
        ),
        18 | 11 => wrong_login(),
        85 | 86 => {
            Fault::mismatch(format!("an index of the same name or keys is there with other options ({doing}); drop it"))
        }
        _ => Fault::new(ErrorKind::Refused, format!("the server answered {} to {doing}", shown(code, name))),
    }
}

/// Returns a code with its name, if the name is a single word and so can't quote data.
fn shown(code: i32, name: &str) -> String {
    let is_word = !name.is_empty() && name.len() < 60 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { format!("{name} (code {code})") } else { format!("code {code}") }
}

fn wrong_login() -> Fault {
    Fault::new(
        ErrorKind::Login,
        "the server refused the login; look at username and password of the Secret that the DataStore's \
         mongodb.credentials.secretRef names, and at authSource, the database that holds the user"
            .to_owned(),
    )
}

/// Converts an error of the driver.
pub(super) fn of_driver(error: &Error, doing: &str) -> Fault {
    match &*error.kind {
        Kind::Command(command) => of_code(command.code, &command.code_name, doing),
        Kind::Write(WriteFailure::WriteConcernError(concern)) => of_code(concern.code, &concern.code_name, doing),
        // A server that stopped while it checked the password has not refused it.
        Kind::Authentication { .. } if is_caused_by_io(error) => broken(doing),
        Kind::Authentication { .. } => wrong_login(),
        Kind::InvalidTlsConfig { .. } => {
            tls("the certificates or the key of the DataStore's mongodb.tls can't be used")
        }
        Kind::IncompatibleServer { .. } => {
            Fault::mismatch("the server is too old for this driver; MongoDB 4.4 is the oldest that works")
        }
        Kind::ServerSelection { message, .. } | Kind::ConnectionPoolCleared { message, .. } => {
            // A server without TLS may wait for more bytes. The driver then has no error to report.
            of_topology(message).unwrap_or_else(|| {
                Fault::new(
                    ErrorKind::Handshake,
                    "no server answers as a primary; look at mongodb.hosts, and at mongodb.tls: it belongs where the \
                     server speaks TLS, and only there",
                )
            })
        }
        Kind::Io(io) => {
            let error = io.get_ref().and_then(|inner| inner.downcast_ref());
            error.and_then(of_tls).unwrap_or_else(|| broken(doing))
        }
        Kind::DnsResolve { .. } => Fault::new(ErrorKind::Dns, "a name of its hosts can't be resolved"),
        Kind::InvalidResponse { .. } => Fault::internal(format!("the server's answer to {doing} can't be read")),
        Kind::InvalidArgument { .. }
        | Kind::BsonSerialization(_)
        | Kind::BsonDeserialization(_)
        | Kind::Internal { .. } => Fault::internal(format!("the driver can't send {doing}")),
        // The driver's enum is non-exhaustive. A raw command returns none of the other variants.
        _ => Fault::internal(format!("the driver failed at {doing}")),
    }
}

fn broken(doing: &str) -> Fault {
    Fault::new(ErrorKind::Unreachable, format!("the connection broke ({doing})"))
}

fn tls(message: &str) -> Fault {
    Fault::new(ErrorKind::Tls, message)
}

/// Returns whether a broken connection is among the causes of an error.
fn is_caused_by_io(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let driver = error.downcast_ref::<Error>().or_else(|| error.downcast_ref::<Box<Error>>().map(|error| &**error));
        if driver.is_some_and(|error| matches!(*error.kind, Kind::Io(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

const OTHER_NAME: &str = "the server's certificate is for another name than the one in the DataStore's mongodb.hosts; write the \
                          name that is in the certificate";
const UNKNOWN_AUTHORITY: &str = "the server's certificate was signed by an authority that isn't trusted; put its certificate \
                                 into the Secret that the DataStore's mongodb.tls.caSecretRef names";
const EXPIRED: &str = "the server's certificate has expired";
const UNTRUSTED: &str = "the server's certificate can't be trusted";
const ENDED: &str = "the server ended the TLS handshake; it may want a client certificate (mongodb.tls.clientSecretRef) from \
                     an authority it knows";
const NO_TLS: &str = "the server speaks no TLS on this port; remove mongodb.tls, or name the TLS port";

/// Returns why TLS failed; `None` if the error does not explain it.
fn of_tls(error: &rustls::Error) -> Option<Fault> {
    use rustls::{CertificateError, Error};
    let message = match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => OTHER_NAME,
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => UNKNOWN_AUTHORITY,
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => EXPIRED,
        Error::InvalidCertificate(_) => UNTRUSTED,
        Error::AlertReceived(_) => ENDED,
        Error::InvalidMessage(_) => NO_TLS,
        _ => return None,
    };
    Some(tls(message))
}

/// Returns why no server of the set can be used; `None` if the text holds no known cause. The
/// driver offers the cause only as text, in words of rustls or its own. This is the only place here
/// where a text decides the kind of an error.
fn of_topology(text: &str) -> Option<Fault> {
    const CLUES: &[(&str, ErrorKind, &str)] = &[
        ("not valid for name", ErrorKind::Tls, OTHER_NAME),
        ("NotValidForName", ErrorKind::Tls, OTHER_NAME),
        ("UnknownIssuer", ErrorKind::Tls, UNKNOWN_AUTHORITY),
        ("certificate expired", ErrorKind::Tls, EXPIRED),
        ("invalid peer certificate", ErrorKind::Tls, UNTRUSTED),
        ("received fatal alert", ErrorKind::Tls, ENDED),
        ("InvalidContentType", ErrorKind::Tls, NO_TLS),
        ("corrupt message", ErrorKind::Tls, NO_TLS),
        (
            "replica set name",
            ErrorKind::Mismatch,
            "the servers belong to another replica set than the DataStore's mongodb.replicaSet says",
        ),
    ];
    let (_, kind, message) = CLUES.iter().find(|(clue, ..)| text.contains(clue))?;
    Some(Fault::new(*kind, *message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_whether_another_try_may_help() {
        for code in [91, 189, 10107, 11602, 64, 50, 14031, 112] {
            assert!(of_code(code, "", "update shop.people").kind.is_transient(), "{code}");
        }
        let rights = of_code(13, "Unauthorized", "update shop.people");
        assert!(rights.kind == ErrorKind::Rights && rights.message.contains("readWrite"));
        let login = of_code(18, "AuthenticationFailed", "x");
        assert!(login.kind == ErrorKind::Login && login.message.contains("secretRef"));
        let other = Fault::new(ErrorKind::Refused, "the server answered BadValue (code 2) to update shop.people");
        assert_eq!(of_code(2, "BadValue", "update shop.people"), other);
    }

    #[test]
    fn a_name_that_is_no_word_is_not_repeated() {
        let fault = of_code(2, "dup key: { email: \"anna@example.com\" }", "update shop.people");
        assert!(!fault.to_string().contains("anna"), "{fault}");
    }

    #[test]
    fn the_reason_of_a_tls_failure_is_read_from_the_topology() {
        let text = "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { Address: \
                    db:27017, Type: Unknown, Error: Kind: I/O error: invalid peer certificate: UnknownIssuer } ] }";
        assert!(
            of_topology(text)
                .is_some_and(|fault| fault.kind == ErrorKind::Tls && fault.message.contains("caSecretRef"))
        );
        assert!(of_topology("connection refused").is_none());
    }

    #[test]
    fn a_type_of_rustls_and_its_text_lead_to_the_same_answer() {
        use rustls::{AlertDescription, CertificateError, Error as Tls, InvalidMessage, pki_types::UnixTime};
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        for error in [
            Tls::InvalidCertificate(CertificateError::NotValidForName),
            Tls::InvalidCertificate(CertificateError::UnknownIssuer),
            Tls::InvalidCertificate(CertificateError::ExpiredContext { time: at(2), not_after: at(1) }),
            Tls::InvalidCertificate(CertificateError::BadSignature),
            Tls::AlertReceived(AlertDescription::CertificateRequired),
            Tls::InvalidMessage(InvalidMessage::InvalidContentType),
        ] {
            let by_text = of_topology(&error.to_string());
            let io = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            assert_eq!(Some(of_driver(&Error::from(io), "hello")), by_text);
        }
    }
}
