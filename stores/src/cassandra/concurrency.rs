//! Runs requests concurrently, with a bound on how many are in flight.
//!
//! The cost of each future in a set grows with the size of the set, and one task uses at most one
//! core. The work is therefore split among a few tasks, each with a small set of futures. The tasks
//! are spawned on tokio: they complete even if the caller's future is dropped, so no future of the
//! driver is dropped half-way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{StreamExt, stream};

use crate::Fault;

/// Maximum number of tasks. There is one connection per node, so more tasks would only wait for it.
const MAX_TASKS: usize = 4;
/// Minimum number of items per task.
const ITEMS_PER_TASK: usize = 64;

/// Runs `work` on each item, at most `in_flight` at once, in any order. Returns the results in any
/// order. After the first failure no further item is started, and started items are awaited.
pub(super) async fn run<I, T, F, W>(items: Vec<I>, in_flight: usize, work: W) -> Result<Vec<T>, Fault>
where
    I: Send + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
    W: Fn(I) -> F + Send + Sync + 'static,
{
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    let tasks = workers.min(MAX_TASKS).min(items.len().div_ceil(ITEMS_PER_TASK)).max(1);
    let (share, width) = (items.len().div_ceil(tasks), in_flight.div_ceil(tasks));
    let (work, failed) = (Arc::new(work), Arc::new(AtomicBool::new(false)));
    let mut count = items.len();
    let mut items = items.into_iter();
    let mut running = Vec::with_capacity(tasks);
    while count > 0 {
        let chunk: Vec<I> = items.by_ref().take(share).collect();
        count -= chunk.len();
        running.push(tokio::spawn(run_task(chunk, width, Arc::clone(&work), Arc::clone(&failed))));
    }
    let mut answers = Vec::new();
    let mut fault = None;
    for task in running {
        match task.await {
            Ok(Ok(done)) => answers.extend(done),
            Ok(Err(error)) => fault = Some(more_severe(fault, error)),
            Err(_) => fault = Some(Fault::internal("the work on a batch was cut short")),
        }
    }
    fault.map_or(Ok(answers), Err)
}

async fn run_task<I, T, F, W>(
    items: Vec<I>,
    width: usize,
    work: Arc<W>,
    failed: Arc<AtomicBool>,
) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<T, Fault>>,
    W: Fn(I) -> F,
{
    let mut answers = Vec::with_capacity(items.len());
    let mut fault = None;
    let started = stream::iter(items).take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)));
    let mut done = started.map(|item| work(item)).buffer_unordered(width);
    while let Some(answer) = done.next().await {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                fault = Some(more_severe(fault, error));
            }
        }
    }
    fault.map_or(Ok(answers), Err)
}

/// Returns the more severe of two failures: a permanent one before a transient one.
fn more_severe(one: Option<Fault>, other: Fault) -> Fault {
    match one {
        Some(one) if !one.kind.is_transient() => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::ErrorKind;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_item_is_processed_and_the_number_in_flight_is_bounded() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (a, b) = (Arc::clone(&now), Arc::clone(&most));
        let mut done = run((0..1000).collect(), 192, move |item: usize| {
            let (now, most) = (Arc::clone(&a), Arc::clone(&b));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(std::time::Duration::from_micros(200)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok(item)
            }
        })
        .await
        .unwrap();
        done.sort_unstable();
        assert!(done == (0..1000).collect::<Vec<_>>());
        assert!((2..=192).contains(&most.load(Ordering::Relaxed)), "{most:?}");
    }

    #[tokio::test]
    async fn after_a_failure_no_item_is_started_and_started_items_finish() {
        let (started, finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (a, b) = (Arc::clone(&started), Arc::clone(&finished));
        let answer = run((0..100_000).collect(), 192, move |item: usize| {
            let (started, finished) = (Arc::clone(&a), Arc::clone(&b));
            async move {
                started.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                finished.fetch_add(1, Ordering::Relaxed);
                if item == 10 { Err(Fault::new(ErrorKind::Unreachable, "down")) } else { Ok(()) }
            }
        })
        .await;
        assert_eq!(answer, Err(Fault::new(ErrorKind::Unreachable, "down")));
        let (started, finished) = (started.load(Ordering::Relaxed), finished.load(Ordering::Relaxed));
        assert!(started == finished && started < 1000, "{started} {finished}");
    }

    #[test]
    fn a_permanent_failure_takes_precedence_over_a_transient_one() {
        let permanent = || Fault::internal("permanent");
        assert_eq!(more_severe(Some(Fault::new(ErrorKind::Unreachable, "down")), permanent()), permanent());
        assert_eq!(more_severe(Some(permanent()), Fault::new(ErrorKind::Unreachable, "down")), permanent());
    }
}
