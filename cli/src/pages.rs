//! Completions and manual pages, made from a program's `--help`.

use std::{fs, io, path::Path};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Returns the completions of a program for a shell.
pub fn completions(shell: Shell, mut program: Command) -> Vec<u8> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    script
}

/// Returns the manual page of a program.
pub fn manual(program: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(program).render(&mut page)?;
    Ok(page)
}

/// Writes the manual pages of a program and of each of its commands into a directory, which is
/// created if absent. Existing pages are overwritten.
pub fn write_manuals(program: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(program, directory)
}
