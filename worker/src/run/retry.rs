//! Retries of store calls with exponential backoff. Retries go on until the call succeeds, fails
//! with an error that is not transient, or the run is stopped.

use std::time::Duration;

use lethe_stores::StoreError;

use super::RunHandle;

/// The pause before the first retry. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A call that takes longer is reported as a stall.
const SLOW_CALL: Duration = Duration::from_secs(5);

/// Backoff state of one store.
pub(super) struct Backoff<'w> {
    name: &'w str,
    handle: &'w RunHandle,
    pause: Duration,
}

impl<'w> Backoff<'w> {
    pub(super) fn new(name: &'w str, handle: &'w RunHandle) -> Self {
        Self { name, handle, pause: FIRST_PAUSE }
    }

    /// Awaits a call, however long it takes, since a driver's future must not be dropped half-way.
    /// Reports a slow call.
    pub(super) async fn run<A>(&self, call: impl Future<Output = A>) -> A {
        tokio::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return answer,
                () = tokio::time::sleep(SLOW_CALL) => self.handle.instruments.store_slow(self.name),
            }
        }
    }

    /// Reports that the store answered.
    pub(super) fn succeeded(&self) {
        self.handle.instruments.store_answered(self.name);
    }

    /// Sleeps before the next retry. Returns the error if it is not transient or the run is
    /// stopping.
    pub(super) async fn failed(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !error.is_transient() || self.handle.is_stopping() {
            return Err(error);
        }
        self.handle.instruments.store_failed(self.name, &error, self.pause);
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Calls a store until it succeeds. Returns an error that is not transient, or any error once the
/// run is stopping.
pub(super) async fn with_retries<T, F>(
    name: &str,
    handle: &RunHandle,
    mut call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::new(name, handle);
    loop {
        match backoff.run(call()).await {
            Ok(answer) => {
                backoff.succeeded();
                return Ok(answer);
            }
            Err(error) => backoff.failed(error).await?,
        }
    }
}
