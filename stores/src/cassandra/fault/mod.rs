//! Converts the driver's errors into faults without values. Only this module reads these errors;
//! `connection` handles those of connections.
//!
//! A server's message is shown only for statements that carry no values (`ServerMessage::Show`).
//! For other statements it may quote a value.

mod connection;

use scylla::errors::{
    BadQuery, DbError, ExecutionError, MetadataError, MetadataFetchErrorKind, NewSessionError, NextPageError,
    NextRowError, PagerExecutionError, PrepareError, RequestAttemptError, RequestError, SchemaAgreementError,
    UseKeyspaceError,
};

use crate::{
    ErrorKind, Fault,
    cassandra::fault::connection::{of_broken, of_pool},
};

/// Whether a server's message may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServerMessage {
    Show,
    Hide,
}

impl Fault {
    /// Returns the missing right, or another fault, of a statement that a node always refuses after
    /// it has checked the user's rights. Returns `None` if the error is that expected refusal.
    pub(crate) fn of_rights(error: ExecutionError) -> Option<Self> {
        match error {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _)) => None,
            error => Some(error.into()),
        }
    }

    /// Converts the error of a statement without values, which creates or describes tables.
    pub(crate) fn of_schema(error: &ExecutionError) -> Self {
        of_execution(error, ServerMessage::Show)
    }
}

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Self {
        of_execution(&error, ServerMessage::Hide)
    }
}

/// Prepared statements hold placeholders, not values.
impl From<PrepareError> for Fault {
    fn from(error: PrepareError) -> Self {
        of_prepare(&error)
    }
}

impl From<NewSessionError> for Fault {
    fn from(error: NewSessionError) -> Self {
        match error {
            NewSessionError::FailedToResolveAnyHostname(_) => {
                Fault::new(ErrorKind::Dns, "no contact point has an address that DNS knows; look at contactPoints")
            }
            NewSessionError::EmptyKnownNodesList => Fault::mismatch("contactPoints names no node; name one".to_owned()),
            NewSessionError::MetadataError(error) => of_metadata(&error),
            NewSessionError::UseKeyspaceError(error) => of_use_keyspace(&error),
            _ => Fault::internal("the driver refuses its settings"),
        }
    }
}

/// Returns whether a node does not know the table or keyspace yet, or knows it only in part.
pub(crate) fn is_unknown(error: &PrepareError) -> bool {
    let PrepareError::AllAttemptsFailed { first_attempt: RequestAttemptError::DbError(error, message) } = error else {
        return false;
    };
    match error {
        DbError::Invalid => message.contains("does not exist"),
        DbError::ServerError => message.contains("Unknown CF"),
        _ => false,
    }
}

/// Returns the fault of a response without the expected rows.
pub(crate) fn unexpected() -> Fault {
    Fault::internal("the server answered with other rows than were asked for; its tables may be another version's")
}

fn of_execution(error: &ExecutionError, server_message: ServerMessage) -> Fault {
    match error {
        ExecutionError::BadQuery(BadQuery::SerializationError(_)) => Fault::mismatch(
            "a column has another type than when the table was checked; start the worker again".to_owned(),
        ),
        ExecutionError::BadQuery(_) => Fault::internal("the driver can't send a statement"),
        ExecutionError::EmptyPlan => no_node(),
        ExecutionError::PrepareError(error) => of_prepare(error),
        ExecutionError::ConnectionPoolError(error) => of_pool(error),
        ExecutionError::LastAttemptError(error) => of_attempt(error, server_message),
        ExecutionError::RequestTimeout(_) => timed_out(),
        ExecutionError::UseKeyspaceError(error) => of_use_keyspace(error),
        ExecutionError::SchemaAgreementError(error) => of_agreement(error),
        ExecutionError::MetadataError(error) => of_metadata(error),
        _ => Fault::internal("the driver could not carry out a statement"),
    }
}

fn of_prepare(error: &PrepareError) -> Fault {
    match error {
        PrepareError::ConnectionPoolError(error) => of_pool(error),
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(first_attempt, ServerMessage::Show),
        _ => Fault::new(ErrorKind::Busy, "the nodes disagree about a statement; they may be of two versions"),
    }
}

fn of_use_keyspace(error: &UseKeyspaceError) -> Fault {
    match error {
        UseKeyspaceError::RequestError(error) => of_attempt(error, ServerMessage::Show),
        UseKeyspaceError::RequestTimeout(_) => timed_out(),
        _ => Fault::internal("a keyspace can't be used"),
    }
}

fn of_agreement(error: &SchemaAgreementError) -> Fault {
    match error {
        SchemaAgreementError::ConnectionPoolError(error) => of_pool(error),
        SchemaAgreementError::PrepareError(error) => of_prepare(error),
        SchemaAgreementError::RequestError(error) => of_attempt(error, ServerMessage::Show),
        _ => Fault::new(ErrorKind::Busy, "the nodes don't agree on the tables yet; one of them may be down"),
    }
}

fn of_metadata(error: &MetadataError) -> Fault {
    match error {
        MetadataError::ConnectionPoolError(error) => of_pool(error),
        MetadataError::FetchError(fetch) => match &fetch.error {
            MetadataFetchErrorKind::PrepareError(error) => of_attempt(error, ServerMessage::Show),
            MetadataFetchErrorKind::NextRowError(NextRowError::NextPageError(NextPageError::RequestFailure(error))) => {
                of_request(error)
            }
            _ => Fault::new(ErrorKind::Unreachable, format!("the nodes could not be listed from {}", fetch.table)),
        },
        _ => Fault::new(ErrorKind::Unreachable, "the nodes could not be listed"),
    }
}

fn of_request(error: &RequestError) -> Fault {
    match error {
        RequestError::EmptyPlan => no_node(),
        RequestError::ConnectionPoolError(error) => of_pool(error),
        RequestError::RequestTimeout(_) => timed_out(),
        RequestError::LastAttemptError(error) => of_attempt(error, ServerMessage::Hide),
        _ => Fault::new(ErrorKind::Unreachable, "a request failed"),
    }
}

/// Errors of paged reads.
impl From<PagerExecutionError> for Fault {
    fn from(error: PagerExecutionError) -> Self {
        match error {
            PagerExecutionError::PrepareError(error) => of_prepare(&error),
            PagerExecutionError::NextPageError(NextPageError::RequestFailure(error)) => of_request(&error),
            _ => Fault::new(ErrorKind::Unreachable, "a table could not be read to its end"),
        }
    }
}

fn no_node() -> Fault {
    Fault::new(ErrorKind::Unreachable, "no node of the local data centre can be reached")
}

fn timed_out() -> Fault {
    Fault::new(ErrorKind::Timeout, "no answer in time; the nodes are slow or can't be reached")
}

fn of_attempt(error: &RequestAttemptError, server_message: ServerMessage) -> Fault {
    match error {
        RequestAttemptError::DbError(error, message) => of_db(error, message, server_message),
        RequestAttemptError::BrokenConnectionError(error) => of_broken(error),
        RequestAttemptError::UnableToAllocStreamId => Fault::new(ErrorKind::Busy, "too many requests wait for answers"),
        RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_) => {
            Fault::internal("a statement can't be written in the protocol")
        }
        _ => Fault::new(ErrorKind::Unreachable, "a node's answer can't be read"),
    }
}

fn of_db(error: &DbError, message: &str, server_message: ServerMessage) -> Fault {
    if is_too_large(message) {
        return Fault::new(ErrorKind::TooLarge, "the server takes no row of this size");
    }
    let shown = |what: &str| match server_message {
        ServerMessage::Show => format!("{what}: {message}"),
        ServerMessage::Hide => what.to_owned(),
    };
    match error {
        DbError::Unavailable { required, alive, .. } => {
            Fault::new(ErrorKind::Unreachable, format!("{alive} replicas are up of {required} that are needed"))
        }
        DbError::WriteTimeout { received, required, .. } | DbError::ReadTimeout { received, required, .. } => {
            Fault::new(
                ErrorKind::Timeout,
                format!("{received} replicas answered in time of {required} that are needed"),
            )
        }
        DbError::WriteFailure { numfailures, .. } | DbError::ReadFailure { numfailures, .. } => {
            Fault::new(ErrorKind::Busy, format!("{numfailures} replicas failed; their logs say why (a full disk?)"))
        }
        DbError::Overloaded | DbError::RateLimitReached { .. } => {
            Fault::new(ErrorKind::Busy, "the nodes are overloaded")
        }
        DbError::IsBootstrapping => Fault::new(ErrorKind::Busy, "a node is still starting"),
        DbError::TruncateError | DbError::ServerError => {
            Fault::new(ErrorKind::Busy, shown("a node failed at a statement; its log says why"))
        }
        DbError::Unauthorized => Fault::new(ErrorKind::Rights, of_permission(message)),
        DbError::AuthenticationError => Fault::new(ErrorKind::Login, "the login was refused"),
        DbError::Invalid if message.contains("maximum supported expiration date") => Fault::mismatch(
            "rows would expire later than this Cassandra can write (2038-01-19); lower maxAge, or set the nodes' \
             storage_compatibility_mode to NONE"
                .to_owned(),
        ),
        DbError::Invalid | DbError::SyntaxError | DbError::ConfigError | DbError::AlreadyExists { .. } => {
            Fault::mismatch(shown("the server refuses a statement; its tables are not as they were declared"))
        }
        DbError::Unprepared { .. } => Fault::new(ErrorKind::Busy, "a node forgot a statement"),
        _ => Fault::new(
            ErrorKind::Refused,
            format!("the server answered with error {:#06x}", error.code(&<_>::default())),
        ),
    }
}

/// Returns whether the message reports a mutation above `max_mutation_size` or a request above
/// `native_transport_max_message_size`.
fn is_too_large(message: &str) -> bool {
    message.contains("oversized mutation")
        || message.contains("is too large for the maximum size")
        || message.contains("Request is too big")
}

/// Returns the message for a missing right. The server's message has the form `User lethe has no
/// MODIFY permission on <table shop.people> or any of its parents`. The right and its object are
/// not personal data, so they are shown with the `GRANT` statement that fixes it.
fn of_permission(message: &str) -> String {
    let right = message.split_once(" has no ").and_then(|(_, rest)| rest.split_once(" permission on <"));
    let named = right.and_then(|(right, rest)| rest.split_once('>').map(|(what, _)| (right, what)));
    match named {
        Some((right, what)) => {
            let on = match what.split_once(' ') {
                Some(("table" | "keyspace", _)) | None => what.to_owned(),
                Some(_) => what.to_uppercase(),
            };
            format!("the user may not {right} {what}; let an administrator run: GRANT {right} ON {on} TO <the user>")
        }
        None => "the user may not do what is needed; grant it SELECT and MODIFY on the table, and CREATE on its \
                 keyspace where Lethe makes the table"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use scylla::errors::WriteType;

    use super::*;

    fn answered(error: DbError, message: &str) -> Fault {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, message.to_owned())).into()
    }

    #[test]
    fn overload_timeouts_and_missing_replicas_are_transient() {
        let consistency = scylla::statement::Consistency::Quorum;
        for error in [
            DbError::Overloaded,
            DbError::IsBootstrapping,
            DbError::ServerError,
            DbError::Unavailable { consistency, required: 2, alive: 1 },
            DbError::WriteTimeout { consistency, received: 1, required: 2, write_type: WriteType::Simple },
            DbError::WriteFailure {
                consistency,
                received: 1,
                required: 2,
                numfailures: 1,
                write_type: WriteType::Simple,
            },
        ] {
            let fault = answered(error, "secret");
            assert!(!fault.message.contains("secret"), "{fault:?}");
            assert!(fault.at("profiles").is_transient());
        }
    }

    #[test]
    fn a_missing_right_is_reported_with_its_grant_statement() {
        let message = "User lethe has no MODIFY permission on <table shop.people> or any of its parents";
        assert_eq!(
            answered(DbError::Unauthorized, message),
            Fault::new(
                ErrorKind::Rights,
                "the user may not MODIFY table shop.people; let an administrator run: GRANT MODIFY ON table \
                 shop.people TO <the user>"
                    .to_owned()
            )
        );
        let message = "User lethe has no CREATE permission on <all keyspaces> or any of its parents";
        assert!(answered(DbError::Unauthorized, message).to_string().contains("GRANT CREATE ON ALL KEYSPACES TO"));
        assert!(answered(DbError::Unauthorized, "no").to_string().contains("grant it SELECT"));
    }

    #[test]
    fn a_server_message_is_shown_only_for_statements_without_values() {
        let error = || ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, "x@y".into()));
        assert!(!Fault::from(error()).to_string().contains("x@y"));
        assert!(Fault::of_schema(&error()).to_string().contains("x@y"));
    }

    #[test]
    fn a_row_that_is_too_large_has_a_kind_of_its_own() {
        let message = "Rejected an oversized mutation (9437227/8388608) for keyspace: shop";
        assert_eq!(answered(DbError::Invalid, message).kind, ErrorKind::TooLarge);
    }

    #[test]
    fn a_table_that_a_node_does_not_know_yet_differs_from_a_wrong_statement() {
        let is_unknown = |error, message: &str| {
            let first_attempt = RequestAttemptError::DbError(error, message.to_owned());
            is_unknown(&PrepareError::AllAttemptsFailed { first_attempt })
        };
        assert!(is_unknown(DbError::Invalid, "table people does not exist"));
        assert!(is_unknown(DbError::ServerError, "java.lang.IllegalArgumentException: Unknown CF a9c5dab0"));
        assert!(!is_unknown(DbError::Invalid, "Undefined column name plan in table shop.people"));
        assert!(!is_unknown(DbError::Unauthorized, "table people does not exist"));
    }

    #[test]
    fn a_missing_right_differs_from_the_expected_refusal() {
        let of = |error| {
            Fault::of_rights(ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, "no".into())))
        };
        assert_eq!(of(DbError::Invalid), None);
        assert!(of(DbError::Unauthorized).is_some_and(|fault| fault.kind == ErrorKind::Rights));
        assert!(of(DbError::Overloaded).is_some_and(|fault| fault.kind.is_transient()));
    }
}
