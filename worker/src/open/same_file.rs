//! Finds files that a pipeline would write although they are something else: what it reads, a store,
//! a manifest or the keys. Two paths may name one file, by a link or by another spelling.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use lethe_core::pipeline::{Mistake, Pipeline, Severity, SinkTarget, SourceRules, code};
use lethe_crds::load::{DEFAULT_NAMESPACE, Resources};
use lethe_stores::file::matches;

/// Files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A file that a manifest names.
struct Declared {
    /// Where in the pipeline, and what it is.
    at: String,
    what: String,
    id: PathBuf,
    writes: bool,
}

/// Returns a mistake for each sink and store of a pipeline whose file is something else, too.
pub(super) fn check(resources: &Resources, pipeline: &Pipeline) -> Vec<Mistake> {
    let files = declared(resources, pipeline);
    let mut mistakes = Vec::new();
    for (number, file) in files.iter().enumerate().filter(|(_, file)| file.writes) {
        // Two DataStores may share a database.
        let same = |other: &&Declared| other.id == file.id && other.at != file.at;
        let Some(other) = files[..number].iter().find(same) else { continue };
        mistakes.push(Mistake {
            severity: Severity::Error,
            code: if other.at == SOURCE { code::OWN_SOURCE } else { code::SAME_PLACE },
            path: file.at.clone(),
            message: format!("the file of {} is also {}", file.what, other.what),
            fix: Some("name another path".to_owned()),
        });
    }
    mistakes
}

const SOURCE: &str = "spec.source.file.path";

/// Returns the files of a pipeline, those that it writes last.
fn declared(resources: &Resources, pipeline: &Pipeline) -> Vec<Declared> {
    let mut files = Vec::new();
    let mut add = |at: &str, what: String, path: &Path, writes: bool| {
        files.push(Declared { at: at.to_owned(), what, id: identity(path), writes });
    };
    if let SourceRules::File { path, .. } = &pipeline.source
        && path != "-"
    {
        for name in matches(path).iter().chain([path]) {
            add(SOURCE, "a file of the source".to_owned(), Path::new(name), false);
        }
    }
    let (namespace, secret) = (&pipeline.namespace, &pipeline.keys_secret);
    let manifests = [
        ("the manifest of the pipeline", resources.pipeline_place(namespace, &pipeline.name)),
        ("the file of the keys Secret", resources.secret_place(namespace, secret)),
    ];
    for (what, place) in manifests {
        if let Some(place) = place {
            add("", what.to_owned(), Path::new(&place.file), false);
        }
    }
    for store in resources.data_stores() {
        let of = store.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let name = store.metadata.name.as_deref().unwrap_or_default();
        let Some(embedded) = store.spec.embedded.as_ref().filter(|_| of == namespace) else { continue };
        let what = format!("the database of the DataStore {name}");
        add("spec", what.clone(), Path::new(&embedded.path), true);
        for suffix in BESIDE {
            let mut beside = OsString::from(&embedded.path);
            beside.push(suffix);
            add("spec", what.clone(), Path::new(&beside), false);
        }
    }
    for (number, sink) in pipeline.sinks.iter().enumerate() {
        if let SinkTarget::File { path, .. } = &sink.target {
            let at = format!("spec.sinks[{number}].file.path");
            add(&at, format!("the sink {}", sink.name), Path::new(path), true);
        }
    }
    files
}

/// Returns the path of a file without links. Two paths of one file that exists also have one
/// identity if they are hard links to it.
fn identity(path: &Path) -> PathBuf {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path)
        && metadata.is_file()
    {
        use std::os::unix::fs::MetadataExt;
        return PathBuf::from(format!("inode {} {}", metadata.dev(), metadata.ino()));
    }
    let target = fs::read_link(path).map(|target| path.with_file_name(target));
    let path = target.as_deref().unwrap_or(path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(parent), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        (Ok(_), None) | (Err(_), _) => path.to_owned(),
    }
}
