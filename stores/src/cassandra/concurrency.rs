//! Many requests at once, and a bound on how many.
//!
//! A set of futures costs more for each one the more it holds, and one task fills one core: so the
//! work is split among a few tasks, each with a small set of its own. The tasks are tokio's: a caller
//! that goes away leaves none of the driver's futures half-way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{StreamExt, stream};

use crate::Fault;

/// Lanes at most: the node's connection is one, and more cores than these wait for it.
const MOST_LANES: usize = 4;
/// Items that are worth a lane of their own.
const WORTH: usize = 64;

/// Does `work` on each item, `in_flight` at once, in any order; the answers, in any order. After the first
/// failure nothing more is begun, and what was begun is awaited.
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
    let lanes = workers.min(MOST_LANES).min(items.len().div_ceil(WORTH)).max(1);
    let (share, width) = (items.len().div_ceil(lanes), in_flight.div_ceil(lanes));
    let (work, failed) = (Arc::new(work), Arc::new(AtomicBool::new(false)));
    let mut count = items.len();
    let mut items = items.into_iter();
    let mut running = Vec::with_capacity(lanes);
    while count > 0 {
        let mine: Vec<I> = items.by_ref().take(share).collect();
        count -= mine.len();
        running.push(tokio::spawn(lane(mine, width, Arc::clone(&work), Arc::clone(&failed))));
    }
    let mut answers = Vec::new();
    let mut fault = None;
    for lane in running {
        match lane.await {
            Ok(Ok(done)) => answers.extend(done),
            Ok(Err(error)) => fault = Some(worse(fault, error)),
            Err(_) => fault = Some(Fault::internal("the work on a batch was cut short")),
        }
    }
    fault.map_or(Ok(answers), Err)
}

async fn lane<I, T, F, W>(items: Vec<I>, width: usize, work: Arc<W>, failed: Arc<AtomicBool>) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<T, Fault>>,
    W: Fn(I) -> F,
{
    let mut answers = Vec::with_capacity(items.len());
    let mut fault = None;
    let begun = stream::iter(items).take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)));
    let mut done = begun.map(|item| work(item)).buffer_unordered(width);
    while let Some(answer) = done.next().await {
        match answer {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                fault = Some(worse(fault, error));
            }
        }
    }
    fault.map_or(Ok(answers), Err)
}

/// Of two failures the one that needs a person: waiting cures the other only.
fn worse(one: Option<Fault>, other: Fault) -> Fault {
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
    async fn every_item_is_done_and_few_are_in_flight() {
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
    async fn after_a_failure_nothing_more_is_begun_and_what_was_begun_ends() {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (a, b) = (Arc::clone(&begun), Arc::clone(&ended));
        let answer = run((0..100_000).collect(), 192, move |item: usize| {
            let (begun, ended) = (Arc::clone(&a), Arc::clone(&b));
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                ended.fetch_add(1, Ordering::Relaxed);
                if item == 10 { Err(Fault::new(ErrorKind::Unreachable, "down")) } else { Ok(()) }
            }
        })
        .await;
        assert_eq!(answer, Err(Fault::new(ErrorKind::Unreachable, "down")));
        let (begun, ended) = (begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed));
        assert!(begun == ended && begun < 1000, "{begun} {ended}");
    }

    #[test]
    fn a_failure_that_needs_a_person_is_told_before_one_that_passes() {
        let lasting = || Fault::internal("lasting");
        assert_eq!(worse(Some(Fault::new(ErrorKind::Unreachable, "down")), lasting()), lasting());
        assert_eq!(worse(Some(lasting()), Fault::new(ErrorKind::Unreachable, "down")), lasting());
    }
}
