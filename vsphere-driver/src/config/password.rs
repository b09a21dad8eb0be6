//! Reads a password from a file.

use crate::secret::Secret;
use std::{fs, io, path::Path};
use zeroize::Zeroizing;

/// Longest password, in characters, as in the contract.
const MAX_PASSWORD: usize = 1_024;

/// A password file that cannot be used. The text never has anything of its contents.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPassword {
    /// It cannot be read, or is no UTF-8.
    #[error("reading the password file {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is empty, or too long to be a password.
    #[error("the password file {0} must have 1 to 1,024 characters")]
    Length(String),
}

/// The password in the file `path`, without a newline at its end.
pub fn read_password(path: &Path) -> Result<Secret, InvalidPassword> {
    let shown = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(source) => {
            return Err(InvalidPassword::Read {
                path: shown,
                source,
            });
        }
    };
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.chars().count() {
        1..=MAX_PASSWORD => Ok(Secret::new(password)),
        _ => Err(InvalidPassword::Length(shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newline_at_the_end_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (contents, password) in [
            ("pass", Some("pass")),
            ("pass\n", Some("pass")),
            ("pass\r\n", Some("pass")),
            (" pass \n\n", Some(" pass \n")),
            ("", None),
            ("\n", None),
            (&"x".repeat(1_025), None),
        ] {
            fs::write(&file, contents).unwrap();
            let read = read_password(&file).ok();
            assert_eq!(read.as_ref().map(Secret::expose), password, "{contents:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_password(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "reading the password file /no/such/file");
    }
}
