//! What goes wrong in MongoDB, told without a value. The server's messages quote documents and keys
//! (that of a duplicate key holds the key), the driver's quote the server's: none is passed on. What
//! is said here is made of codes, and of names of the manifest.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::StoreError;

/// A failure before it is known of which store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Trying again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// What is there is not what was declared.
    #[error("{0}")]
    Mismatch(String),
    /// Trying again won't help.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    /// The same, as an answer of the store `store`.
    pub(super) fn at(self, store: &str) -> StoreError {
        let store = store.to_owned();
        match self {
            Fault::Unavailable(message) => StoreError::Unavailable { store, message },
            Fault::Mismatch(message) => StoreError::Mismatch { store, message },
            Fault::Failed(message) => StoreError::Failed { store, message },
        }
    }
}

/// Codes of the server that tell that another try may succeed, with what to say.
const TRANSIENT: &[(i32, &str)] = &[
    (6, "the server can't reach the others of its set"),
    (7, "the server can't find the others of its set"),
    (24, "a lock was not free in time"),
    (46, "the server waits for a lock"),
    (50, "the server did not finish in time"),
    (64, "a write did not reach a majority in time"),
    (89, "the servers of the set did not answer each other in time"),
    (91, "the server is shutting down"),
    (100, "too few members of the set are up for a majority"),
    (112, "two writes met; the later one is to be tried again"),
    (133, "no member of the set can be read from"),
    (134, "the read concern can't be met at the moment"),
    (189, "the primary stepped down"),
    (202, "the server is over its limit of connections or memory"),
    (262, "the server did not finish in time"),
    (314, "the disk of the server is full; free some space"),
    (317, "the server is over its limits"),
    (358, "the servers of the set differ in version at the moment"),
    (462, "the server takes no more work at the moment"),
    (9001, "the connection broke"),
    (10058, "the server is no primary any more"),
    (10107, "the server is no primary"),
    (11600, "the server is shutting down"),
    (11601, "the server interrupted the command"),
    (11602, "the set chose another primary"),
    (13388, "the shard map of the cluster changed"),
    (13435, "the server is no primary"),
    (13436, "the server is still starting"),
    (14031, "the disk of the server is full; free some space"),
    (63, "the shard map of the cluster changed"),
    (150, "the shard map of the cluster changed"),
];

/// What a code of the server means for a command. `doing` names the command and its collection.
pub(super) fn of_code(code: i32, name: &str, doing: &str) -> Fault {
    if let Some((_, meaning)) = TRANSIENT.iter().find(|(known, _)| *known == code) {
        return Fault::Unavailable(format!("{meaning} (code {code}, {doing})"));
    }
    match code {
        13 | 8000 => Fault::Mismatch(format!(
            "the user may not {doing}; give it the role readWrite on that database, or log in as another user"
        )),
        18 | 11 => wrong_login(),
        85 | 86 => {
            Fault::Mismatch(format!("an index of the same name or keys is there with other options ({doing}); drop it"))
        }
        _ => Fault::Failed(format!("the server answered {} to {doing}", shown(code, name))),
    }
}

/// A code with its name, where that is a word.
fn shown(code: i32, name: &str) -> String {
    let is_word = !name.is_empty() && name.len() < 60 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { format!("{name} (code {code})") } else { format!("code {code}") }
}

fn wrong_login() -> Fault {
    Fault::Mismatch(
        "the server refused the login; look at username and password of the Secret that the DataStore's \
         mongodb.credentials.secretRef names, and at authSource, the database that holds the user"
            .to_owned(),
    )
}

/// An error of the driver.
pub(super) fn of_driver(error: &Error, doing: &str) -> Fault {
    match &*error.kind {
        ErrorKind::Command(command) => of_code(command.code, &command.code_name, doing),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => of_code(concern.code, &concern.code_name, doing),
        ErrorKind::Authentication { .. } => match std::error::Error::source(error) {
            // A server that went away while it checked the password has not refused it.
            Some(source) if source.to_string().contains("I/O error") => broken(doing),
            _ => wrong_login(),
        },
        ErrorKind::InvalidTlsConfig { .. } => {
            Fault::Mismatch("the certificates or the key of the DataStore's mongodb.tls can't be used".to_owned())
        }
        ErrorKind::IncompatibleServer { .. } => {
            Fault::Mismatch("the server is too old for this driver; MongoDB 4.4 is the oldest that works".to_owned())
        }
        ErrorKind::ServerSelection { message, .. } | ErrorKind::ConnectionPoolCleared { message, .. } => {
            // A server that speaks no TLS may wait for more, and the driver then has nothing to tell.
            of_topology(message).unwrap_or_else(|| {
                Fault::Unavailable(
                    "no server answers as a primary; look at mongodb.hosts, and at mongodb.tls: it belongs where the \
                     server speaks TLS, and only there"
                        .to_owned(),
                )
            })
        }
        ErrorKind::Io(io) => of_topology(&io.to_string()).unwrap_or_else(|| broken(doing)),
        ErrorKind::DnsResolve { .. } => Fault::Unavailable("a name of its hosts can't be resolved".to_owned()),
        ErrorKind::InvalidResponse { .. } => Fault::Failed(format!("the server's answer to {doing} can't be read")),
        ErrorKind::InvalidArgument { .. }
        | ErrorKind::BsonSerialization(_)
        | ErrorKind::BsonDeserialization(_)
        | ErrorKind::Internal { .. } => Fault::Failed(format!("the driver can't send {doing}")),
        // The driver's own list is open; none of the others comes of a raw command.
        _ => Fault::Failed(format!("the driver failed at {doing}")),
    }
}

fn broken(doing: &str) -> Fault {
    Fault::Unavailable(format!("the connection broke ({doing})"))
}

/// What the driver says of servers that it can't use holds, as text, why TLS failed. Words of rustls.
fn of_topology(text: &str) -> Option<Fault> {
    const CLUES: &[(&str, &str)] = &[
        (
            "not valid for name",
            "the server's certificate is for another name than the one in the DataStore's mongodb.hosts; write the name \
             that is in the certificate",
        ),
        (
            "NotValidForName",
            "the server's certificate is for another name than the one in the DataStore's mongodb.hosts; write the name \
             that is in the certificate",
        ),
        (
            "UnknownIssuer",
            "the server's certificate was signed by an authority that isn't trusted; put its certificate into the Secret \
             that the DataStore's mongodb.tls.caSecretRef names",
        ),
        ("certificate expired", "the server's certificate has expired"),
        ("invalid peer certificate", "the server's certificate can't be trusted"),
        (
            "received fatal alert",
            "the server ended the TLS handshake; it may want a client certificate (mongodb.tls.clientSecretRef) from an \
             authority it knows",
        ),
        ("InvalidContentType", "the server speaks no TLS on this port; remove mongodb.tls, or name the TLS port"),
        ("corrupt message", "the server speaks no TLS on this port; remove mongodb.tls, or name the TLS port"),
        ("replica set name", "the servers belong to another replica set than the DataStore's mongodb.replicaSet says"),
    ];
    let (_, message) = CLUES.iter().find(|(clue, _)| text.contains(clue))?;
    Some(Fault::Mismatch((*message).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_whether_another_try_may_help() {
        for code in [91, 189, 10107, 11602, 64, 50, 14031, 112] {
            assert!(matches!(of_code(code, "", "update shop.people"), Fault::Unavailable(_)), "{code}");
        }
        assert!(
            matches!(of_code(13, "Unauthorized", "update shop.people"), Fault::Mismatch(m) if m.contains("readWrite"))
        );
        assert!(matches!(of_code(18, "AuthenticationFailed", "x"), Fault::Mismatch(m) if m.contains("secretRef")));
        let other = Fault::Failed("the server answered BadValue (code 2) to update shop.people".to_owned());
        assert_eq!(of_code(2, "BadValue", "update shop.people"), other);
    }

    #[test]
    fn a_name_that_is_no_word_is_not_repeated() {
        let fault = of_code(2, "dup key: { email: \"anna@example.com\" }", "update shop.people");
        assert!(!fault.to_string().contains("anna"), "{fault}");
    }

    #[test]
    fn why_tls_failed_is_told_from_what_the_driver_saw() {
        let text = "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { Address: \
                    db:27017, Type: Unknown, Error: Kind: I/O error: invalid peer certificate: UnknownIssuer } ] }";
        assert!(matches!(of_topology(text), Some(Fault::Mismatch(m)) if m.contains("caSecretRef")));
        assert!(of_topology("connection refused").is_none());
    }
}
