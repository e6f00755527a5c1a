//! The one set-up of log lines: to standard error, without personal data by construction.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use super::{Failure, LogFormat};

pub(super) fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::Usage(format!("--log {filter:?} is no filter ({error}); try error, warn, info, debug or trace"))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
