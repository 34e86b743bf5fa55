//! The table of README that says what is spoken names a test for everything, and every test it names exists.

use std::fs;
use std::path::{Path, PathBuf};

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `a/{b,c}/d` as `a/b/d` and `a/c/d`.
fn expanded(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (choices, after) = rest.split_once('}').expect("a brace that closes");
    choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
}

/// The places a name of a test may stand for.
fn places(name: &str) -> Vec<String> {
    match name.split_once("::") {
        Some((binary, module)) => vec![format!("tests/{binary}/{module}.rs")],
        None if name.contains('/') => vec![name.to_owned(), format!("{name}.rs")],
        None => vec![format!("tests/{name}.rs")],
    }
}

/// Everything below a path, or what its last part with a `*` stands for.
fn files(place: &str) -> Vec<PathBuf> {
    let path = root().join(place);
    if let Some((start, _)) = place.rsplit('/').next().and_then(|last| last.split_once('*')) {
        let folder = fs::read_dir(path.parent().expect("a folder")).into_iter().flatten().flatten();
        let starts =
            |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
        return folder.map(|entry| entry.path()).filter(starts).collect();
    }
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries
            .flat_map(|entry| files(&format!("{place}/{}", entry.file_name().to_string_lossy())))
            .collect();
    }
    if path.is_file() { vec![path] } else { Vec::new() }
}

/// Tells whether a file has tests: its own, those next to it, a script, or scenarios somebody else runs.
fn tests(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let runs = file.extension().is_some_and(|extension| extension == "txt")
        || ["#[test]", "#[tokio::test", "mod tests;", "proptest! {"].iter().any(|mark| text.contains(mark));
    runs || is_scenario(file)
}

/// Tells whether the list of scenarios of `tests/interop` names something of a file.
fn is_scenario(file: &Path) -> bool {
    let main = fs::read_to_string(root().join("tests/interop/main.rs")).expect("the list of scenarios");
    let module = file.file_stem().unwrap_or_default().to_string_lossy();
    file.parent().is_some_and(|folder| folder.ends_with("interop"))
        && main.lines().any(|line| line.trim_start().starts_with(&format!("{module}::{{")))
}

#[test]
fn every_test_the_table_of_rfcs_names_exists() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README");
    let table = readme.split("## What it speaks").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows: Vec<_> =
        table.expect("the table").lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "{} rows are not the table", rows.len());
    for row in rows {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last column");
        let names: Vec<_> = quoted(shown).flat_map(expanded).collect();
        assert!(!names.is_empty(), "nothing shows: {row}");
        for name in names {
            let found: Vec<_> = places(&name).iter().flat_map(|place| files(place)).collect();
            assert!(found.iter().any(|file| tests(file)), "README names {name}, which is no test: {row}");
        }
    }
}
