//! Opens and checks the SQLite file, and runs transactions on it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{ErrorKind, Fault, StoreError, embedded::schema};

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Checkpoint threshold of the write-ahead log, in pages of 4 KiB: 32 MiB. It is large so that a
/// page that many batches change is copied into the file once, not once per batch.
const CHECKPOINT_PAGES: i64 = 8192;

/// Page cache, in KiB.
const CACHE_KIB: i64 = 65_536;

/// How often the log is truncated at most while data is deleted, and how long each attempt waits
/// for readers. Writers wait, too.
const TRUNCATE_EVERY: Duration = Duration::from_secs(10);
const TRUNCATE_TIMEOUT: Duration = Duration::from_millis(200);

/// An open SQLite file. Clones of its `Arc` share one connection. Two DataStores of the same path
/// in one process should share one `EmbeddedStore`: two stores of one file work, but wait for each
/// other's locks.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// Name of the DataStore.
    name: String,
    path: PathBuf,
    database: Mutex<Database>,
}

struct Database {
    connection: Connection,
    /// Whether the write-ahead log may hold copies of deleted data. So it may in a file that was
    /// just opened: an earlier process can have been killed.
    stale_log: bool,
    /// When the log was last truncated, or the attempt failed.
    truncated: Instant,
}

impl EmbeddedStore {
    /// Opens the file. Creates it, readable by this user only, if it is absent. `name` is the name
    /// of the DataStore, for error messages. Commits are durable when a call returns (WAL,
    /// `synchronous=FULL`). Deleted data is overwritten (`secure_delete`); the write-ahead log holds
    /// older copies of it until it is truncated: [`EmbeddedStore::delete`].
    pub fn open(name: &str, path: &Path) -> Result<Arc<Self>, StoreError> {
        let connection = connect(path).map_err(|fault| fault.at(name))?;
        let database = Database { connection, stale_log: true, truncated: Instant::now() };
        let shared = Shared { name: name.to_owned(), path: path.to_owned(), database: Mutex::new(database) };
        Ok(Arc::new(Self { shared: Arc::new(shared) }))
    }

    /// Returns the name of the DataStore.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the path that the file was opened with.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Runs `work` in one transaction on a blocking thread. The transaction is durable when this
    /// returns. It completes even if the returned future is dropped.
    pub(super) async fn transact<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.transact(work)).await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Like [`EmbeddedStore::transact`], for work that deletes data. Within [`TRUNCATE_EVERY`], a
    /// later transaction or [`EmbeddedStore::truncate_stale_log`] also removes the copies in the log.
    pub(super) async fn delete<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            let answer = shared.transact(work)?;
            shared.with(|database| {
                database.stale_log = true;
                database.truncate_in_time()
            })?;
            Ok(answer)
        });
        done.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Runs `work`, which must only read, on a blocking thread.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.with(|database| work(&database.connection)))
            .await
            .unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Like [`EmbeddedStore::transact`], but on the calling thread.
    pub(super) fn transact_blocking<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.shared.transact(work)
    }

    /// Copies the write-ahead log into the file and truncates the log, so that no older copy of an
    /// overwritten page is left in it. Returns false if a reader prevented that.
    pub async fn checkpoint(&self) -> Result<bool, StoreError> {
        self.truncate_log(BUSY_TIMEOUT, true).await
    }

    /// Like [`EmbeddedStore::checkpoint`], but only if data was deleted since the last one. Returns
    /// false if a reader prevented it; the next call tries again.
    pub async fn truncate_stale_log(&self) -> Result<bool, StoreError> {
        self.truncate_log(TRUNCATE_TIMEOUT, false).await
    }

    async fn truncate_log(&self, timeout: Duration, always: bool) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            shared.with(|database| {
                database.stale_log |= always;
                if database.stale_log {
                    database.truncate(timeout)?;
                }
                Ok(!database.stale_log)
            })
        });
        done.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    fn stopped(&self) -> StoreError {
        Fault::internal("the work on the file was cut short").at(self.name())
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        // A panic inside a transaction rolls it back while it unwinds, so the connection is still
        // usable.
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut database).map_err(|fault| fault.at(&self.name))
    }

    fn transact<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.with(|database| {
            // Immediate: wait for the write lock here. In the middle of a transaction SQLite does
            // not wait for it but fails at once.
            let transaction = database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            database.truncate_in_time()?;
            Ok(answer)
        })
    }
}

impl Database {
    /// Truncates the log if it may hold copies of deleted data, unless that was tried just now.
    fn truncate_in_time(&mut self) -> Result<(), Fault> {
        if self.stale_log && self.truncated.elapsed() >= TRUNCATE_EVERY {
            self.truncate(TRUNCATE_TIMEOUT)
        } else {
            Ok(())
        }
    }

    fn truncate(&mut self, timeout: Duration) -> Result<(), Fault> {
        self.connection.busy_timeout(timeout)?;
        let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        self.truncated = Instant::now();
        self.stale_log = match busy {
            Ok(busy) => busy != 0,
            // Another process holds the lock of checkpoints. What was committed stays committed.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => true,
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    prepare_path(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    schema::check_owner(&connection)?;
    connection.pragma_update(None, "secure_delete", true)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Err(Fault::mismatch(
            "the file system can't keep a write-ahead log (a network share?); name a path on a local disk".to_owned(),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", CHECKPOINT_PAGES * 4096)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(128);
    schema::build(&mut connection)?;
    Ok(connection)
}

/// Creates the file. Distinguishes failures that SQLite would all report as "unable to open", so
/// that the user can fix the right one.
fn prepare_path(path: &Path) -> Result<(), Fault> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Fault::mismatch(format!("{shown} is a directory; name a file in it")));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Fault::mismatch(format!("the directory {} does not exist; make it", parent.display())));
    }
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Fault::new(ErrorKind::Rights, format!("this user may not write {shown}; change its owner or its mode")))
        }
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Err(Fault::new(ErrorKind::Rights, format!("{shown} is on a file system that is mounted read-only")))
        }
        Err(error) => Err(Fault::new(ErrorKind::Refused, format!("failed to open {shown}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refusal(path: &Path) -> StoreError {
        EmbeddedStore::open("profiles", path).err().unwrap()
    }

    #[test]
    fn an_absent_file_is_created_and_can_be_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        drop(EmbeddedStore::open("profiles", &path).unwrap());
        let again = EmbeddedStore::open("profiles", &path).unwrap();
        assert_eq!((again.name(), again.path()), ("profiles", path.as_path()));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        let _store = EmbeddedStore::open("profiles", &path).unwrap();
        for name in ["lethe.db", "lethe.db-wal"] {
            assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn an_error_names_a_missing_directory() {
        let dir = tempfile::tempdir().unwrap();
        let error = refusal(&dir.path().join("absent/lethe.db"));
        assert!(error.kind == ErrorKind::Mismatch);
        assert!(error.to_string().contains("absent does not exist; make it"), "{error}");
    }

    #[test]
    fn a_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(dir.path()).to_string().contains("is a directory"));
    }

    #[test]
    fn a_text_file_is_refused_and_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        let text = "not a database, but long enough to be looked at as if it were one. ".repeat(20);
        fs::write(&path, &text).unwrap();
        let error = refusal(&path);
        assert!(error.kind == ErrorKind::Mismatch, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_database_of_another_program_is_refused_and_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        let before = fs::read(&path).unwrap();
        let error = refusal(&path);
        assert!(error.kind == ErrorKind::Mismatch, "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        drop(EmbeddedStore::open("profiles", &path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(refusal(&path).kind == ErrorKind::Mismatch);
    }

    #[test]
    fn a_damaged_file_is_reported_as_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lethe.db");
        drop(EmbeddedStore::open("profiles", &path).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes[100..].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        let error = refusal(&path);
        assert!(error.kind == ErrorKind::Refused && error.message.contains("damaged"), "{error}");
    }

    #[tokio::test]
    async fn a_full_disk_is_a_transient_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let fill = |limit: i64| {
            store.transact(move |tx| {
                tx.query_row(&format!("PRAGMA max_page_count = {limit}"), [], |_| Ok(()))?;
                tx.execute("INSERT INTO lethe_audit (line) VALUES (hex(zeroblob(1000000)))", [])?;
                Ok(())
            })
        };
        let error = fill(1).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("disk is full"), "{error}");
        fill(1_000_000).await.unwrap();
    }

    #[tokio::test]
    async fn a_failed_transaction_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let failed: Result<(), _> = store
            .transact(|tx| {
                tx.execute("INSERT INTO lethe_audit (line) VALUES ('{}')", [])?;
                Err(Fault::internal("on purpose".to_owned()))
            })
            .await;
        failed.unwrap_err();
        let lines: i64 =
            store.read(|c| Ok(c.query_row("SELECT count(*) FROM lethe_audit", [], |row| row.get(0))?)).await.unwrap();
        assert_eq!(lines, 0);
    }
}
