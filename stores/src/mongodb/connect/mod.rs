//! The connection to MongoDB: one client, raw commands and a timeout for each of them.

mod tls;

use std::{sync::Arc, time::Duration};

use mongodb::{
    Client,
    bson::{Document, RawDocumentBuf, doc},
    options::{AuthMechanism, ClientOptions, Credential, ServerAddress, Tls},
};

use crate::{
    ErrorKind, Fault, StoreError,
    contract::MongodbConnection,
    mongodb::{
        encode::buffer::Buffer,
        fault::{of_code, of_driver},
    },
};

/// Timeout for finding a primary, and for opening a connection to one server.
const SELECTION: Duration = Duration::from_secs(5);
/// How long a write may wait for a majority, in milliseconds.
const MAJORITY_MILLIS: i64 = 5_000;
/// How long the server may work on a command, in milliseconds.
const SERVER_MILLIS: i64 = 8_000;
/// How long to wait for the answer to a command. It is longer than the three limits above, because
/// the server may still execute a command that times out here.
const ANSWER: Duration = Duration::from_secs(14);
/// How long the server may take to build an index over the existing documents.
const BUILD: Duration = Duration::from_secs(60);

/// A connection to MongoDB. Clones of its `Arc` share one client and its connection pool.
pub struct MongodbStore {
    name: String,
    client: Client,
    version: String,
    /// Held as long as the client: the driver reads the certificates again for each server that it
    /// finds.
    _tls: tls::Files,
}

impl MongodbStore {
    /// Connects, logs in and reads the version of the server.
    pub async fn connect(connection: &MongodbConnection) -> Result<Arc<Self>, StoreError> {
        let name = connection.store.clone();
        connect(connection).await.map(Arc::new).map_err(|fault| fault.at(&name))
    }

    /// Returns the name of the DataStore.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version that the server reports, such as `8.0.4`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs a command. `doing` describes it in errors and starts with the name of the command.
    pub(crate) async fn run(&self, database: &str, command: Document, doing: &str) -> Result<Document, Fault> {
        let raw = RawDocumentBuf::try_from(&command).map_err(|_| unsendable(doing))?;
        self.run_raw(database, raw, doing, ANSWER).await
    }

    /// Same as [`MongodbStore::run`], for a command that was written to a [`Buffer`].
    pub(crate) async fn run_buffer(&self, database: &str, command: Buffer, doing: &str) -> Result<Document, Fault> {
        let raw = RawDocumentBuf::from_bytes(command.into_bytes()).map_err(|_| unsendable(doing))?;
        self.run_raw(database, raw, doing, ANSWER).await
    }

    /// Same as [`MongodbStore::run`], with a longer timeout for a command that may read all
    /// documents.
    pub(crate) async fn run_long(&self, database: &str, command: Document, doing: &str) -> Result<Document, Fault> {
        let raw = RawDocumentBuf::try_from(&command).map_err(|_| unsendable(doing))?;
        self.run_raw(database, raw, doing, BUILD).await
    }

    async fn run_raw(
        &self,
        database: &str,
        command: RawDocumentBuf,
        doing: &str,
        limit: Duration,
    ) -> Result<Document, Fault> {
        let database = self.client.database(database);
        bounded(async move { database.run_raw_command(command).await }, doing, limit).await
    }

    /// Returns all results of a `find` or a `list…` command. The pages are read in one session,
    /// because a server returns further pages only to the session that requested the first.
    pub(crate) async fn all(&self, database: &str, mut command: Document, doing: &str) -> Result<Vec<Document>, Fault> {
        let session = self.client.start_session().causal_consistency(false).await;
        let mut session = session.map_err(|error| of_driver(&error, doing))?;
        let database = self.client.database(database);
        let mut rows = Vec::new();
        loop {
            let raw = RawDocumentBuf::try_from(&command).map_err(|_| unsendable(doing))?;
            let database = database.clone();
            let page = async move {
                let reply = database.run_raw_command(raw).session(&mut session).await?;
                Ok((reply, session))
            };
            let mut reply;
            (reply, session) = bounded(page, doing, ANSWER).await?;
            let cursor = reply.get_document_mut("cursor").map_err(|_| unreadable(doing))?;
            let id = cursor.get_i64("id").map_err(|_| unreadable(doing))?;
            let collection = cursor
                .get_str("ns")
                .ok()
                .and_then(|place| place.split_once('.'))
                .map(|(_, collection)| collection.to_owned())
                .ok_or_else(|| unreadable(doing))?;
            for page in ["firstBatch", "nextBatch"] {
                if let Ok(batch) = cursor.get_array_mut(page) {
                    for row in batch.drain(..) {
                        match row {
                            mongodb::bson::Bson::Document(row) => rows.push(row),
                            _ => return Err(unreadable(doing)),
                        }
                    }
                }
            }
            if id == 0 {
                return Ok(rows);
            }
            command = doc! {"getMore": id, "collection": collection};
        }
    }
}

/// Waits up to `limit` for an answer of the driver. The command runs in a task of its own and
/// continues after a timeout, because the driver may lose track of a connection whose future is
/// dropped.
async fn bounded<T: Send + 'static>(
    answer: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    doing: &str,
    limit: Duration,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, tokio::spawn(answer)).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(of_driver(&error, doing)),
        Ok(Err(_)) => Err(Fault::internal(format!("the work on {doing} was cut short"))),
        Err(_) => Err(Fault::new(ErrorKind::Timeout, format!("no answer to {doing} in {} s", limit.as_secs()))),
    }
}

/// Returns a write concern: the server answers once a write is durable on a majority.
pub(crate) fn write_concern() -> Document {
    doc! {"w": "majority", "j": true, "wtimeout": MAJORITY_MILLIS}
}

/// Adds the write concern and the time limit at the end of a write command.
pub(crate) fn push_concern(command: &mut Buffer) {
    let concern = command.document("writeConcern");
    command.text("w", "majority");
    command.boolean("j", true);
    command.int64("wtimeout", MAJORITY_MILLIS);
    command.end(concern);
    command.int64("maxTimeMS", SERVER_MILLIS);
}

/// Returns a `find` command that reads what a majority has stored, with a time limit.
pub(crate) fn find(collection: &str, filter: Document) -> Document {
    doc! {"find": collection, "filter": filter, "readConcern": {"level": "majority"}, "maxTimeMS": SERVER_MILLIS}
}

/// Returns an error if a write did not reach a majority. The caller checks the other results of the
/// write.
pub(crate) fn check_concern(reply: &Document, doing: &str) -> Result<(), Fault> {
    match reply.get_document("writeConcernError") {
        Ok(error) => Err(of_code(error.get_i32("code").unwrap_or(64), error.get_str("codeName").unwrap_or(""), doing)),
        Err(_) => Ok(()),
    }
}

pub(crate) fn unreadable(doing: &str) -> Fault {
    Fault::internal(format!("the server's answer to {doing} can't be read"))
}

fn unsendable(doing: &str) -> Fault {
    Fault::internal(format!("the driver can't send {doing}"))
}

async fn connect(connection: &MongodbConnection) -> Result<MongodbStore, Fault> {
    let mut options = ClientOptions::default();
    options.hosts = connection.hosts.iter().map(|host| address(host)).collect::<Result<_, _>>()?;
    options.app_name = Some("lethe".to_owned());
    options.repl_set_name.clone_from(&connection.replica_set);
    options.server_selection_timeout = Some(SELECTION);
    options.connect_timeout = Some(SELECTION);
    let mut files = tls::Files::default();
    if let Some(wanted) = &connection.tls {
        let (tls, held) = tls::options(wanted)?;
        options.tls = Some(Tls::Enabled(tls));
        files = held;
    }
    if let Some(login) = &connection.login {
        let credential = Credential::builder()
            .username(login.username.clone())
            .password(login.password.expose().clone())
            .source(connection.auth_source.clone())
            .mechanism(AuthMechanism::ScramSha256)
            .build();
        options.credential = Some(credential);
    }
    let client = Client::with_options(options).map_err(|error| of_driver(&error, "connect"))?;
    let mut store = MongodbStore { name: connection.store.clone(), client, version: String::new(), _tls: files };
    let reply = store.run("admin", doc! {"buildInfo": 1}, "buildInfo").await?;
    reply.get_str("version").map_err(|_| unreadable("buildInfo"))?.clone_into(&mut store.version);
    Ok(store)
}

fn address(text: &str) -> Result<ServerAddress, Fault> {
    ServerAddress::parse(text)
        .map_err(|_| Fault::mismatch("a host of the DataStore's mongodb.hosts is not written host:port".to_owned()))
}
