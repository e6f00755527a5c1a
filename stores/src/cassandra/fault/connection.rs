//! Errors of connections that could not be made or that broke: host names, logins, TLS.

use std::io;

use scylla::errors::{
    BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
    ConnectionSetupRequestErrorKind, DbError, FrameHeaderParseError,
};

use crate::{
    ErrorKind, Fault,
    cassandra::fault::{ServerMessage, no_node, of_db, of_use_keyspace},
};

pub(crate) fn of_pool(error: &ConnectionPoolError) -> Fault {
    match error {
        ConnectionPoolError::Broken { last_connection_error } => of_connection(last_connection_error),
        ConnectionPoolError::Initializing => Fault::new(ErrorKind::Unreachable, "the connections are not ready yet"),
        _ => no_node(),
    }
}

fn of_connection(error: &ConnectionError) -> Fault {
    match error {
        ConnectionError::ConnectTimeout => Fault::new(ErrorKind::Timeout, "a node didn't take the connection in time"),
        ConnectionError::IoError(error) => of_io(error),
        ConnectionError::BrokenConnection(error) => of_broken(error),
        ConnectionError::ConnectionSetupRequestError(error) => match error.get_error() {
            ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _) => Fault::new(
                ErrorKind::Login,
                "the login was refused; look at the keys username and password of the Secret that the DataStore's \
                 credentials name"
                    .to_owned(),
            ),
            ConnectionSetupRequestErrorKind::DbError(error, message) => of_db(error, message, ServerMessage::Show),
            ConnectionSetupRequestErrorKind::MissingAuthentication => Fault::new(
                ErrorKind::Login,
                "the nodes ask for a login; name a Secret with the keys username and password in the DataStore's \
                 credentials"
                    .to_owned(),
            ),
            ConnectionSetupRequestErrorKind::StartAuthSessionError(_)
            | ConnectionSetupRequestErrorKind::AuthChallengeEvaluationError(_)
            | ConnectionSetupRequestErrorKind::AuthFinishError(_) => Fault::new(
                ErrorKind::Login,
                "the nodes ask for a way to log in that Lethe doesn't know; it knows name and password",
            ),
            ConnectionSetupRequestErrorKind::BrokenConnection(error) => of_broken(error),
            _ => Fault::new(
                ErrorKind::Unreachable,
                "a node doesn't answer as Cassandra does; look at its address, and at tls",
            ),
        },
        ConnectionError::UseKeyspaceError(error) => of_use_keyspace(error),
        _ => no_node(),
    }
}

/// Message for a closed connection. If a node refuses a client's certificate, its TLS alert may be
/// lost with the connection, so the message names that cause too.
const CLOSED: &str = "the connection was closed; a node ended, or one side speaks TLS and the other doesn't, or a node wants \
                      (another) certificate of the client: tls.clientSecretRef";

/// Converts the error of a broken connection. In TLS 1.3 a node refuses a client's certificate only
/// after the client regards the connection as made.
pub(crate) fn of_broken(error: &BrokenConnectionError) -> Fault {
    match error.downcast_ref() {
        Some(
            BrokenConnectionErrorKind::FrameHeaderParseError(FrameHeaderParseError::HeaderIoError(error))
            | BrokenConnectionErrorKind::WriteError(error),
        ) if tls_error(error).is_some() => of_io(error),
        _ => Fault::new(ErrorKind::Handshake, CLOSED),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn of_io(error: &io::Error) -> Fault {
    if let Some(error) = tls_error(error) {
        return of_tls(error);
    }
    let (kind, message) = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            (ErrorKind::Unreachable, "the connection was refused; nothing listens there")
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            (ErrorKind::Handshake, CLOSED)
        }
        io::ErrorKind::TimedOut => (ErrorKind::Timeout, "a node doesn't answer"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            (ErrorKind::Unreachable, "there is no way to a node from here")
        }
        _ => (ErrorKind::Unreachable, "a connection failed"),
    };
    Fault::new(kind, message)
}

fn of_tls(error: &rustls::Error) -> Fault {
    use rustls::{AlertDescription, CertificateError, Error};
    Fault::new(
        ErrorKind::Tls,
        match error {
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => {
                "a node's certificate names neither its address nor a host of contactPoints; name a host that the \
                 certificate names, or make a certificate with the node's address"
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                "a node's certificate isn't signed by an authority that is trusted; name the authority's certificate \
                 in tls.caSecretRef"
            }
            Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                "a node's certificate has expired; renew it"
            }
            Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                "a node's certificate isn't valid yet; look at the clocks"
            }
            Error::InvalidCertificate(_) => "a node's certificate can't be used",
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
                "a node doesn't speak TLS on this port; name its TLS port, or remove tls from the DataStore"
            }
            Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::HandshakeFailure,
            ) => "a node refuses this client's certificate, or the lack of one; look at tls.clientSecretRef",
            _ => return Fault::new(ErrorKind::Handshake, "a TLS connection failed"),
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scylla::errors::NewSessionError;

    use super::*;

    #[test]
    fn a_refused_client_certificate_is_reported_even_after_the_handshake() {
        let refused = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, refused);
        let late = BrokenConnectionErrorKind::FrameHeaderParseError(FrameHeaderParseError::HeaderIoError(io));
        let fault = of_broken(&late.into());
        assert!(fault.kind == ErrorKind::Tls && fault.message.contains("tls.clientSecretRef"), "{fault:?}");
        let ended = BrokenConnectionErrorKind::WriteError(std::io::ErrorKind::BrokenPipe.into());
        assert!(of_broken(&ended.into()).kind.is_transient());
    }

    #[test]
    fn a_wrong_name_in_a_certificate_is_a_tls_error() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName);
        let io = ConnectionError::IoError(Arc::new(std::io::Error::new(std::io::ErrorKind::InvalidData, tls)));
        let error = NewSessionError::MetadataError(ConnectionPoolError::Broken { last_connection_error: io }.into());
        let fault = Fault::from(error);
        assert!(fault.kind == ErrorKind::Tls && fault.message.contains("names neither"), "{fault:?}");
    }
}
