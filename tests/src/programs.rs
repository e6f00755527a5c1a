//! The programs of this workspace, which Cargo builds beside the tests.
//!
//! `cargo test --workspace` and `make` targets build them. A test that is run by itself uses the
//! program that is there, unless it is older than one of its sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A source of every program with drivers for stores: `make demo` builds some without them.
const DRIVER: &str = "stores/src/kafka/mod.rs";

/// Returns the path of `lethe-worker`. Panics if it has to be built first.
#[track_caller]
pub fn worker_program() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("lethe-worker", Some(DRIVER)))
}

/// Returns the path of `lethe-operator`. Panics if it has to be built first.
#[track_caller]
pub fn operator_program() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("lethe-operator", None))
}

/// Returns the path of `lethe-generate`. Panics if it has to be built first.
#[track_caller]
pub fn generator_program() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("lethe-generate", Some(DRIVER)))
}

#[track_caller]
fn program(name: &str, needed: Option<&str>) -> String {
    // A test is in `deps/`, in the folder of the programs of its profile.
    let test = env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    let why = match check(&program, needed) {
        Ok(()) => return program.into_os_string().into_string().unwrap(),
        Err(why) => why,
    };
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    panic!("{} {why}; build it: cargo build{profile} --workspace --all-targets", program.display());
}

/// Fails if a program is not one of the current sources, or was built without a source that tests
/// need.
fn check(program: &Path, needed: Option<&str>) -> Result<(), String> {
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let Ok(built) = written(program) else { return Err("does not exist".to_owned()) };
    let list = program.with_extension("d");
    let list =
        fs::read_to_string(&list).map_err(|error| format!("has no list of sources {}: {error}", list.display()))?;
    let sources = sources(&list);
    if needed.is_some_and(|needed| !sources.iter().any(|source| source.ends_with(needed))) {
        return Err("was built without drivers".to_owned());
    }
    match sources.iter().find(|source| written(source).is_ok_and(|written| written > built)) {
        Some(newer) => Err(format!("is older than {}", newer.display())),
        None => Ok(()),
    }
}

/// Returns the files that Cargo's list (`program: source source ...`) names. A backslash escapes a
/// blank.
fn sources(list: &str) -> Vec<PathBuf> {
    let Some((_, list)) = list.split_once(": ") else { return Vec::new() };
    let list = list.trim_end().replace("\\ ", "\0");
    list.split(' ').map(|source| source.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_sources_is_read() {
        let list = "/t/debug/worker: /work/a.rs /with\\ a/blank.rs\n";
        assert_eq!(sources(list), [Path::new("/work/a.rs"), Path::new("/with a/blank.rs")]);
    }

    #[test]
    fn a_program_that_is_absent_or_older_than_a_source_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (program, list) = (folder.path().join("program"), folder.path().join("program.d"));
        let driver = folder.path().join(DRIVER);
        let refusal = || check(&program, Some(DRIVER)).unwrap_err();
        assert!(refusal().contains("does not exist"));
        fs::create_dir_all(driver.parent().unwrap()).unwrap();
        fs::write(&driver, "").unwrap();
        fs::write(&program, "").unwrap();
        assert!(refusal().contains("has no list of sources"));
        fs::write(&list, format!("{}: /work/a.rs\n", program.display())).unwrap();
        assert!(refusal().contains("without drivers"));
        fs::write(&list, format!("{}: {}\n", program.display(), driver.display())).unwrap();
        let set = |path: &Path, second| {
            let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        };
        set(&driver, 5);
        set(&program, 6);
        check(&program, Some(DRIVER)).unwrap();
        set(&driver, 7);
        assert!(refusal().contains("is older than"));
    }
}
