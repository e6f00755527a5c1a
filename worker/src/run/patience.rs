//! Waiting for stores: a store that is down is asked again, at growing intervals, for as long as it
//! takes; an error that time won't cure, or a wish to stop, ends the waiting.

use std::time::Duration;

use lethe_stores::StoreError;

use super::Watch;

/// The first pause after a store did not answer; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A call that takes longer is shown as a stall.
const SLOW: Duration = Duration::from_secs(5);

/// How long one store is waited for.
pub(super) struct Patience<'w> {
    name: &'w str,
    watch: &'w Watch,
    pause: Duration,
}

impl<'w> Patience<'w> {
    pub(super) fn new(name: &'w str, watch: &'w Watch) -> Self {
        Self { name, watch, pause: FIRST_PAUSE }
    }

    /// Waits for a call, however long it takes: a driver's future is never dropped half-way.
    pub(super) async fn watched<A>(&self, call: impl Future<Output = A>) -> A {
        tokio::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return answer,
                () = tokio::time::sleep(SLOW) => self.watch.shown.slow(self.name),
            }
        }
    }

    /// It answered.
    pub(super) fn resumed(&self) {
        self.watch.shown.answered(self.name);
    }

    /// Waits before the next try, unless there is none.
    pub(super) async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !error.is_transient() || self.watch.stops() {
            return Err(error);
        }
        self.watch.shown.failed(self.name, &error, self.pause);
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Asks a store again and again while it is not available.
pub(super) async fn patiently<T, F>(name: &str, watch: &Watch, mut ask: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut patience = Patience::new(name, watch);
    loop {
        match patience.watched(ask()).await {
            Ok(answer) => {
                patience.resumed();
                return Ok(answer);
            }
            Err(error) => patience.wait(error).await?,
        }
    }
}
