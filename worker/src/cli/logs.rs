//! The one set-up of log lines: to standard error, without personal data by construction.
//!
//! Lethe's own lines hold none at any level. Those of drivers do: Cassandra's driver puts the key of
//! a partition and the text of a statement into its spans, and passes on warnings of the server,
//! which quote both. So what a driver may say has a ceiling that no option lifts.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::filter_fn,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::{Failure, LogFormat};

pub(super) fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    subscriber(filter, format, stderr, stderr().is_terminal())?.init();
    Ok(())
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync, Failure>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(directives(filter)).map_err(|error| {
        Failure::Usage(format!("--log {filter:?} is no filter ({error}); try error, warn, info, debug or trace"))
    })?;
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(wanted).with(filter_fn(may_be_said)).with(lines))
}

/// A level that stands alone is that of Lethe. Drivers keep to warnings, whatever it is, until one
/// is named: `info,librdkafka=info`.
fn directives(filter: &str) -> String {
    let level = |directive: &str| directive.trim().parse::<LevelFilter>().ok();
    let ours = filter.split(',').filter_map(level).next_back();
    let drivers = ours.unwrap_or(LevelFilter::WARN).min(LevelFilter::WARN);
    let mut all = vec![drivers.to_string()];
    all.extend(filter.split(',').map(|directive| match level(directive) {
        Some(level) => format!("lethe={level}"),
        None => directive.to_owned(),
    }));
    all.join(",")
}

/// Whether a line or span can't hold personal data, by what it is and whose it is.
fn may_be_said(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target.starts_with("lethe_") {
        return true;
    }
    // librdkafka speaks of brokers, groups, topics and offsets, never of records.
    let ceiling = if target.starts_with("librdkafka") {
        Level::INFO
    } else if target.starts_with("scylla::policies") {
        // It warns of a keyspace's strategy at every single statement.
        Level::ERROR
    } else {
        Level::WARN
    };
    !metadata.is_span() && *metadata.level() <= ceiling && metadata.fields().field("warning").is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(filter: &str, format: LogFormat, say: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(filter, format, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, say);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// What drivers say about a person called zxqvbyjk.
    fn drivers_about_somebody() {
        let span = tracing::trace_span!(target: "scylla::observability", "Request", partition_key = "zxqvbyjk");
        let _entered = span.enter();
        tracing::warn!(target: "scylla::network::connection", warning = "read 5000 rows for id = 'zxqvbyjk'", "warned");
        tracing::warn!(target: "scylla::network::connection", "a connection broke");
        tracing::warn!(target: "scylla::policies::load_balancing::default", "zxqvbyjk at every statement");
        tracing::debug!(target: "scylla::client", "zxqvbyjk");
        tracing::info!(target: "mongodb::command", command = "{insert: zxqvbyjk}", "started");
        tracing::trace!(target: "hyper", "zxqvbyjk");
        tracing::debug!(target: "librdkafka", "zxqvbyjk");
        tracing::info!(target: "lethe_worker", "ours");
    }

    #[test]
    fn no_filter_makes_a_driver_say_what_it_knows_of_somebody() {
        for filter in
            ["trace", "trace,scylla=trace,mongodb=trace,hyper=trace,librdkafka=trace", "scylla[Request]=trace"]
        {
            for format in [LogFormat::Text, LogFormat::Json] {
                let out = said(filter, format, drivers_about_somebody);
                assert!(!out.contains("zxqvbyjk"), "{out}");
                assert!(out.contains("a connection broke"), "{out}");
            }
        }
        assert!(said("trace", LogFormat::Text, drivers_about_somebody).contains("ours"));
    }

    #[test]
    fn a_level_is_that_of_lethe_and_drivers_keep_to_warnings() {
        let all = || {
            tracing::info!(target: "lethe_worker::run", "ours");
            tracing::warn!(target: "librdkafka", "broker down");
            tracing::info!(target: "librdkafka", "broker known");
        };
        let lines = |filter| said(filter, LogFormat::Text, all).lines().count();
        assert_eq!(lines("info"), 2);
        assert_eq!(lines("error"), 0);
        assert_eq!(lines("info,librdkafka=info"), 3);
        assert_eq!(lines("lethe_worker=debug"), 2);
        assert_eq!(lines("off"), 0);
    }

    #[test]
    fn what_is_no_filter_is_said() {
        let refused = subscriber("lethe=loud", LogFormat::Text, io::sink, false).err();
        assert!(matches!(refused, Some(Failure::Usage(message)) if message.contains("\"lethe=loud\" is no filter")));
    }
}
