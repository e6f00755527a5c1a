//! Where a stream goes: standard output, a file, or a topic.

use std::{
    fmt,
    fs::{self, File},
    io,
    num::NonZeroU64,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::Failure;

/// The value of --to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    File(PathBuf),
    Kafka,
}

impl From<&str> for Destination {
    fn from(text: &str) -> Self {
        if text == "kafka" { Destination::Kafka } else { Destination::File(PathBuf::from(text)) }
    }
}

/// The value of --rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Records in a thousand seconds.
    pub(super) milli: NonZeroU64,
}

/// The value of --rate is no rate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRate;

impl fmt::Display for NoRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate is a number of records a second, 0.001 to 1000000000: 500/s, 0.2/s")
    }
}

impl std::error::Error for NoRate {}

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let number: f64 = text.strip_suffix("/s").unwrap_or(text).trim_end().parse().map_err(|_| NoRate)?;
        // Written so that NaN fails.
        if !(0.001..=1e9).contains(&number) {
            return Err(NoRate);
        }
        NonZeroU64::new((number * 1000.0).round() as u64).map(|milli| Self { milli }).ok_or(NoRate)
    }
}

/// Opens the file to write. An existing regular file is an error unless `force` is set; a pipe or a
/// device is opened as it is.
pub(super) fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let mut options = File::options();
    options.write(true);
    if force || special {
        options.create(true).truncate(!special);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Usage(format!("{} is there already; overwrite it with --force", path.display()))
        }
        _ => Failure::Other(format!("failed to open {}: {error}", path.display())),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_called_kafka_is_named_with_its_folder() {
        assert_eq!(Destination::from("kafka"), Destination::Kafka);
        assert_eq!(Destination::from("./kafka"), Destination::File("./kafka".into()));
        assert_eq!(Destination::from("kafka.ndjson"), Destination::File("kafka.ndjson".into()));
    }

    #[test]
    fn a_rate_may_be_less_than_one_a_second() {
        let milli = |text: &str| text.parse::<Rate>().map(|rate| rate.milli.get());
        assert_eq!([milli("500/s"), milli("500"), milli("0.2/s")], [Ok(500_000), Ok(500_000), Ok(200)]);
        for wrong in ["", "0", "-1/s", "NaN", "0.0001", "5/m", "many", "1e12"] {
            assert_eq!(milli(wrong), Err(NoRate), "{wrong}");
        }
    }
}
