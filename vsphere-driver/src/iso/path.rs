//! `[datastore] folder/file.iso`: a path on a datastore, taken strictly.

use std::fmt;

/// Longest path that is taken, in characters.
const MAX_PATH: usize = 1_024;

/// A file on a datastore. Nothing in it leads out of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatastorePath {
    datastore: String,
    folder: String,
    file: String,
}

/// Why a text is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatastorePath {
    /// No `[datastore] ` at its beginning.
    #[error("does not begin with `[datastore] ` in brackets and one space")]
    NoDatastore,
    /// No file after the datastore, or an empty name in the path.
    #[error("has an empty name in it")]
    EmptyName,
    /// A leading slash.
    #[error("begins with a slash; paths begin at the top of the datastore")]
    Absolute,
    /// `.` or `..` as a name.
    #[error("has `.` or `..` as a name in it")]
    LeavesFolder,
    /// A character that does not belong into a path.
    #[error("has a control character, bracket, backslash, percent sign or wildcard in it")]
    BadCharacter,
    /// Does not end with `.iso`.
    #[error("does not end with `.iso`")]
    NotAnIso,
    /// Too long.
    #[error("is longer than 1,024 characters")]
    TooLong,
}

impl DatastorePath {
    /// Takes the path apart, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidDatastorePath> {
        use InvalidDatastorePath as E;
        if text.chars().count() > MAX_PATH {
            return Err(E::TooLong);
        }
        let (datastore, path) = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
            .ok_or(E::NoDatastore)?;
        let bad = |c: char| c.is_control() || "[]\\%*?".contains(c);
        if datastore.chars().any(bad) || path.chars().any(bad) {
            return Err(E::BadCharacter);
        }
        if datastore.is_empty() || datastore.trim() != datastore {
            return Err(E::NoDatastore);
        }
        if path.starts_with('/') {
            return Err(E::Absolute);
        }
        for name in path.split('/') {
            match name {
                "." | ".." => return Err(E::LeavesFolder),
                name if name.trim() != name || name.is_empty() => return Err(E::EmptyName),
                _ => {}
            }
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let is_iso = |c: &str| c.len() > 4 && c.to_ascii_lowercase().ends_with(".iso");
        if !is_iso(file) {
            return Err(E::NotAnIso);
        }
        Ok(Self {
            datastore: datastore.into(),
            folder: folder.into(),
            file: file.into(),
        })
    }

    /// Name of the datastore.
    pub fn datastore(&self) -> &str {
        &self.datastore
    }

    /// Name of the file, without its folder.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// `[datastore] folder`, where a search for the file begins.
    pub fn folder_path(&self) -> String {
        let Self {
            datastore,
            folder,
            file: _,
        } = self;
        if folder.is_empty() {
            format!("[{datastore}]")
        } else {
            format!("[{datastore}] {folder}")
        }
    }
}

impl fmt::Display for DatastorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            datastore,
            folder,
            file,
        } = self;
        let slash = if folder.is_empty() { "" } else { "/" };
        write!(f, "[{datastore}] {folder}{slash}{file}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_path_is_taken_apart_and_put_together() {
        for (text, folder) in [
            ("[ds 1] iso/a/agent.iso", "[ds 1] iso/a"),
            ("[ds] agent.ISO", "[ds]"),
            ("[ds] a b/ü.iso", "[ds] a b"),
        ] {
            let path = DatastorePath::parse(text).expect(text);
            assert_eq!(
                (path.to_string(), path.folder_path()),
                (text.into(), folder.into())
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        use InvalidDatastorePath as E;
        for (text, error) in [
            ("", E::NoDatastore),
            ("iso/a.iso", E::NoDatastore),
            ("[ds]a.iso", E::NoDatastore),
            ("[] a.iso", E::NoDatastore),
            ("[ ds] a.iso", E::NoDatastore),
            ("[ds] ", E::EmptyName),
            ("[ds] a//b.iso", E::EmptyName),
            ("[ds] a/ /b.iso", E::EmptyName),
            ("[ds]  a.iso", E::EmptyName),
            ("[ds] /a.iso", E::Absolute),
            ("[ds] ../a.iso", E::LeavesFolder),
            ("[ds] a/./b.iso", E::LeavesFolder),
            ("[ds] a/..", E::LeavesFolder),
            ("[ds] a\\b.iso", E::BadCharacter),
            ("[ds] a%2e%2e/b.iso", E::BadCharacter),
            ("[ds] [x] a.iso", E::BadCharacter),
            ("[d\ns] a.iso", E::BadCharacter),
            ("[ds] a*.iso", E::BadCharacter),
            ("[ds] a.img", E::NotAnIso),
            ("[ds] .iso", E::NotAnIso),
        ] {
            assert_eq!(DatastorePath::parse(text), Err(error), "{text:?}");
        }
        let long = format!("[ds] {}.iso", "a".repeat(MAX_PATH));
        assert_eq!(DatastorePath::parse(&long), Err(E::TooLong));
    }
}
