//! The set-up of log lines: to standard error, without personal data by construction.
//!
//! Lethe's own lines hold none at any level. Those of drivers do: Cassandra's driver puts the key
//! of a partition and the text of a statement into its spans, and logs warnings of the server,
//! which quote both. So the level of a driver's lines has a ceiling that no option lifts.

use std::{
    error::Error,
    fmt,
    io::{IsTerminal, stderr},
};

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{ParseError, filter_fn},
    fmt::{MakeWriter, layer},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{GlobalOptions, LogFormat};

/// The value of `--log` is no filter.
#[derive(Debug)]
pub struct FilterError {
    filter: String,
    source: ParseError,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, source } = self;
        write!(f, "--log {filter:?} is no filter ({source}); try error, warn, info, debug or trace")
    }
}

impl Error for FilterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes log lines to standard error from now on.
pub fn start(options: &GlobalOptions) -> Result<(), FilterError> {
    subscriber(&options.log, options.log_format, stderr, stderr().is_terminal())?.init();
    Ok(())
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync, FilterError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let wanted =
        EnvFilter::try_new(directives(filter)).map_err(|source| FilterError { filter: filter.to_owned(), source })?;
    let lines = layer().with_writer(writer).with_ansi(colours);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    Ok(tracing_subscriber::registry().with(wanted).with(filter_fn(may_be_logged)).with(lines))
}

/// Expands a filter: a level without a target is Lethe's own. Drivers log warnings at most until
/// one is named: `info,librdkafka=info`.
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

/// Whether a line or span can't hold personal data, judged by its target, level and fields.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target.starts_with("lethe_") {
        return true;
    }
    // librdkafka logs brokers, groups, topics and offsets, never records.
    let ceiling = if target.starts_with("librdkafka") {
        Level::INFO
    } else if target.starts_with("scylla::policies") {
        // It warns of a keyspace's strategy at every statement.
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
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(filter, format, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Logs as drivers do about a person called zxqvbyjk.
    fn drivers_about_a_person() {
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
    fn no_filter_makes_a_driver_log_personal_data() {
        for filter in
            ["trace", "trace,scylla=trace,mongodb=trace,hyper=trace,librdkafka=trace", "scylla[Request]=trace"]
        {
            for format in [LogFormat::Text, LogFormat::Json] {
                let out = logged(filter, format, drivers_about_a_person);
                assert!(!out.contains("zxqvbyjk"), "{out}");
                assert!(out.contains("a connection broke"), "{out}");
            }
        }
        assert!(logged("trace", LogFormat::Text, drivers_about_a_person).contains("ours"));
    }

    #[test]
    fn a_level_is_that_of_lethe_and_drivers_log_warnings_at_most() {
        let all = || {
            tracing::info!(target: "lethe_worker::run", "ours");
            tracing::warn!(target: "librdkafka", "broker down");
            tracing::info!(target: "librdkafka", "broker known");
        };
        let lines = |filter| logged(filter, LogFormat::Text, all).lines().count();
        assert_eq!(lines("info"), 2);
        assert_eq!(lines("error"), 0);
        assert_eq!(lines("info,librdkafka=info"), 3);
        assert_eq!(lines("lethe_worker=debug"), 2);
        assert_eq!(lines("off"), 0);
    }

    #[test]
    fn an_invalid_filter_is_an_error_that_quotes_it() {
        let error = subscriber("lethe=loud", LogFormat::Text, io::sink, false).err().unwrap();
        assert!(error.to_string().contains("\"lethe=loud\" is no filter"), "{error}");
    }
}
