//! Mounted Secrets: a directory for each, a file for each of its keys, as a kubelet writes them.
//!
//! They may all be read: the operator mounts only Secrets that Lethe may read.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{
    ALLOW_LABEL, Secret, SecretValue,
    mistake::{LoadError, Mistake, Place},
    resources::Resources,
};

/// Most bytes of a value: a Secret has a mebibyte at most.
const MAX_VALUE: u64 = 1024 * 1024;

impl Resources {
    /// Adds the Secrets that are mounted below a directory, `FOLDER/<secret>/<key>`, to the
    /// namespace of every pipeline. Names that begin with a dot are the kubelet's own and are
    /// ignored.
    ///
    /// # Errors
    /// A file can't be read, or the manifests contain a Secret of the same name.
    pub fn add_mounted(&mut self, folder: &Path) -> Result<(), LoadError> {
        let mut mistakes = Vec::new();
        let namespaces = self.namespaces_of_pipelines();
        match secrets(folder) {
            Err(error) => mistakes.push(mistake(folder, format!("failed to read the mounted Secrets: {error}"))),
            Ok(found) => {
                for (name, data) in found {
                    let place = at(&folder.join(&name));
                    for namespace in &namespaces {
                        let secret = Secret {
                            namespace: namespace.clone(),
                            name: name.clone(),
                            labels: BTreeMap::from([(ALLOW_LABEL.to_owned(), "true".to_owned())]),
                            secret_type: "Opaque".to_owned(),
                            data: data.clone(),
                        };
                        if let Err(first) = self.secrets.add(namespace, &name, secret, place.clone()) {
                            let what = format!("the Secret {name} is in {}, too", first.file);
                            mistakes.push(mistake(&folder.join(&name), what));
                        }
                    }
                }
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(LoadError { mistakes }) }
    }
}

fn at(path: &Path) -> Place {
    Place { file: path.display().to_string(), document: 0, line: None }
}

fn mistake(path: &Path, what: String) -> Mistake {
    Mistake { place: at(path), path: String::new(), what, fix: String::new() }
}

type Data = BTreeMap<String, SecretValue>;

fn secrets(folder: &Path) -> io::Result<Vec<(String, Data)>> {
    let mut found = Vec::new();
    for (name, path) in entries(folder)? {
        let mut data = Data::new();
        for (key, path) in entries(&path)? {
            let size = fs::metadata(&path)?.len();
            if size > MAX_VALUE {
                return Err(io::Error::other(format!("{} has {size} bytes; a Secret has fewer", path.display())));
            }
            data.insert(key, SecretValue::new(fs::read(&path)?));
        }
        found.push((name, data));
    }
    Ok(found)
}

/// Returns the entries of a directory by name.
fn entries(folder: &Path) -> io::Result<BTreeMap<String, std::path::PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.insert(name, entry.path());
        }
    }
    Ok(found)
}
