//! Looks for secrets where none may be.

use std::path::Path;

use anyhow::Context as _;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Logs that hold a secret.
    pub(super) logs: Vec<String>,
    /// How much was read.
    pub(super) bytes: usize,
}

/// Reads all logs of a folder for a secret.
pub(super) fn search(folder: &Path, secret: &str) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|kind| kind != "log") {
            continue;
        }
        let log = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        found.bytes += log.len();
        if log.windows(secret.len()).any(|it| it == secret.as_bytes()) {
            found.logs.push(path.display().to_string());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_log_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("clean.log", "nothing");
        write("dirty.log", "password=hunter2\n");
        write("driver.toml", "hunter2");
        let found = search(folder.path(), "hunter2").unwrap();
        assert_eq!(found.bytes, 24);
        assert_eq!(found.logs.len(), 1);
        assert!(found.logs[0].ends_with("dirty.log"));
    }
}
