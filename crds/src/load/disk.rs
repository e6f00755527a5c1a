//! Manifests from files, directories and standard input.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Loader, mistake::LoadError, resources::Resources};

/// Most bytes of a file.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// Loads the manifests of files, of directories (every `*.yaml`, `*.yml` and `*.json` in them,
/// ordered by name, without subdirectories), and of standard input (`-`). An object may refer to
/// one in another file.
///
/// # Errors
/// All mistakes in all of them at once.
pub fn read_paths<P: AsRef<Path>>(paths: &[P]) -> Result<Resources, LoadError> {
    let mut loader = Loader::default();
    for path in paths {
        let path = path.as_ref();
        if path == Path::new("-") {
            read(&mut loader, "standard input", io::stdin().lock());
        } else if path.is_dir() {
            match manifests(path) {
                Ok(files) if files.is_empty() => {
                    loader.fail(&path.display().to_string(), "holds no *.yaml, *.yml or *.json file");
                }
                Ok(files) => files.iter().for_each(|file| read_file(&mut loader, file)),
                Err(error) => {
                    loader.fail(&path.display().to_string(), format!("failed to list the directory: {error}"));
                }
            }
        } else {
            read_file(&mut loader, path);
        }
    }
    loader.finish()
}

/// Returns the manifests of a directory, ordered by name.
fn manifests(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let manifest = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if manifest && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(loader: &mut Loader, path: &Path) {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read(loader, &name, file),
        Err(error) => loader.fail(&name, format!("failed to open: {error}")),
    }
}

fn read(loader: &mut Loader, name: &str, input: impl Read) {
    let mut bytes = Vec::new();
    match input.take(MAX_FILE + 1).read_to_end(&mut bytes) {
        Err(error) => loader.fail(name, format!("failed to read: {error}")),
        Ok(_) if bytes.len() as u64 > MAX_FILE => {
            loader.fail(name, "has more than 32 MiB; manifests are smaller than that");
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => loader.add(name, &text),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..good].split(|b| *b == b'\n').count();
                loader.fail(name, format!("line {line} is not UTF-8; save the file as UTF-8"));
            }
        },
    }
}
