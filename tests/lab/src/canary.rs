//! Canaries: the secrets of a lab, searched for in everything that a run of it said.
//!
//! What the services log, serve as metrics, write into statuses and events and answer to calls is looked
//! through when the lab ends. A secret in it ends the test that ran the lab; what was looked through is
//! noted under `target/canary`, so that `cargo lab canary` can tell that the search was one.

mod forms;
mod note;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Doing as _, Result};
use forms::forms;

pub(crate) use note::write;
pub use note::{Summary, clear, sum_up};

/// Shorter secrets would be found by chance.
const SHORTEST: usize = 12;

/// What one lab said, and what must not be in it.
#[derive(Debug, Default)]
pub struct Canary {
    secrets: Mutex<Vec<Secret>>,
    said: Mutex<Vec<Said>>,
}

/// A secret, by a name that may be told.
#[derive(Clone)]
struct Secret {
    name: String,
    value: String,
}

/// Something that was said to others.
#[derive(Debug, Clone)]
struct Said {
    origin: String,
    bytes: Vec<u8>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// How much was looked through.
    pub bytes_searched: usize,
    /// Where it came from: `driver.log`, `metrics of the driver`.
    pub origins: Vec<String>,
    /// How many secrets were looked for.
    pub secrets: usize,
    /// Each secret that was found: its name, its form, and where.
    pub hits: Vec<String>,
}

impl Canary {
    /// Looks for one more secret.
    ///
    /// # Panics
    /// It is so short that it would be found by chance.
    pub fn secret(&self, name: &str, value: &str) {
        assert!(value.len() >= SHORTEST, "{name} is too short for a canary");
        let (name, value) = (name.to_owned(), value.to_owned());
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.push(Secret { name, value });
    }

    /// Looks for the keys in a folder of PEM files: each line of each is enough to know one by.
    pub(crate) fn keys(&self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).doing("listing", folder)? {
            let path = entry.doing("listing", folder)?.path();
            if path.extension().is_none_or(|extension| extension != "key") {
                continue;
            }
            let text = fs::read_to_string(&path).doing("reading", &path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let lines = text.lines().filter(|line| !line.starts_with("-----"));
            for line in lines.filter(|line| line.len() >= SHORTEST) {
                self.secret(&name, line);
            }
        }
        Ok(())
    }

    /// Notes something that was said.
    pub fn said(&self, origin: &str, bytes: impl Into<Vec<u8>>) {
        let (origin, bytes) = (origin.to_owned(), bytes.into());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push(Said { origin, bytes });
    }

    /// Notes the logs in a folder.
    pub(crate) fn logs(&self, folder: &Path) -> Result<()> {
        for path in logs(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.said(&name, fs::read(&path).doing("reading", &path)?);
        }
        Ok(())
    }

    /// Looks for all secrets in all that was said.
    pub fn search(&self) -> Found {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Found {
            secrets: secrets.len(),
            ..Found::default()
        };
        for Said { origin, bytes } in said.iter() {
            found.bytes_searched += bytes.len();
            if !found.origins.contains(origin) {
                found.origins.push(origin.clone());
            }
            for Secret { name, value } in secrets.iter() {
                for (form, value) in forms(value) {
                    if contains(bytes, value.as_bytes()) {
                        found.hits.push(format!("{name} ({form}) in {origin}"));
                    }
                }
            }
        }
        found
    }
}

fn logs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).doing("listing", folder)? {
        let path = entry.doing("listing", folder)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    Ok(logs)
}

/// By the first byte, then the rest: a log is megabytes long, and there are many secrets.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some((first, rest)) = wanted.split_first() else {
        return false;
    };
    let mut left = bytes;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

// === impl Secret ===

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct-horse&battery<staple";

    fn found_in(said: &str) -> Vec<String> {
        let canary = Canary::default();
        canary.secret("password", PASSWORD);
        canary.said("a.log", "nothing here");
        canary.said("b.log", said);
        let found = canary.search();
        assert_eq!(found.bytes_searched, 12 + said.len());
        assert_eq!((found.origins.len(), found.secrets), (2, 1));
        found.hits
    }

    #[test]
    fn a_secret_is_found_in_each_form_that_it_may_take_on_its_way() {
        for (form, said) in [
            ("plain", PASSWORD),
            (
                "XML",
                "<password>correct-horse&amp;battery&lt;staple</password>",
            ),
            ("percent-encoded", "?p=correct-horse%26battery%3Cstaple"),
            ("percent-encoded", "?p=correct-horse%26battery%3cstaple"),
            ("JSON", r#"{"p":"correct-horse\u0026battery\u003cstaple"}"#),
            // user:correct-horse&battery<staple
            (
                "base64",
                "Basic dXNlcjpjb3JyZWN0LWhvcnNlJmJhdHRlcnk8c3RhcGxl",
            ),
            ("base64", "Y29ycmVjdC1ob3JzZSZiYXR0ZXJ5PHN0YXBsZQ=="),
            (
                "hexadecimal",
                "636f72726563742d686f7273652662617474657279 3c737461706c65",
            ),
        ] {
            let said = format!("before {} after", said.replace(' ', ""));
            let hits = found_in(&said);
            let hit = format!("password ({form}) in b.log");
            assert!(hits.contains(&hit), "{form}: {hits:?}");
        }
    }

    #[test]
    fn a_log_without_the_secret_has_no_hit() {
        assert_eq!(found_in("correct-horse&battery"), [""; 0]);
    }
}
