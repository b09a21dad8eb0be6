//! Where a tool may already be.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Error, Tool};

/// What the environment says about tools, read once.
#[derive(Debug)]
pub(super) struct Surroundings {
    variable: fn(&'static str) -> Option<OsString>,
}

impl Surroundings {
    /// The process's own.
    pub(super) fn read() -> Self {
        Self {
            variable: |name| std::env::var_os(name),
        }
    }

    /// The tool that the person in front of the lab has given it.
    pub(super) fn given(&self, tool: Tool) -> Result<Option<PathBuf>, Error> {
        let variable = tool.variable();
        if let Some(path) = self.path(variable) {
            // A wrong path is an error, and no reason to take another tool than the one asked for.
            return if path.is_file() {
                Ok(Some(path))
            } else {
                Err(Error::NotThere { variable, path })
            };
        }
        let assets = self
            .path("KUBEBUILDER_ASSETS")
            .filter(|_| tool.is_in_envtest());
        let asset = assets.map(|folder| folder.join(tool.name()));
        Ok(asset.filter(|path| path.is_file()))
    }

    /// The folder of the cache.
    pub(super) fn cache(&self) -> Result<PathBuf, Error> {
        let user = || {
            let home = || self.path("HOME").map(|home| home.join(".cache"));
            let caches = self.path("XDG_CACHE_HOME").or_else(home)?;
            Some(caches.join("hcp-vsphere").join("lab-tools"))
        };
        self.path("HCP_LAB_TOOLS")
            .or_else(user)
            .ok_or(Error::NoCache)
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        (self.variable)(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(tool: Tool, variable: fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
        Surroundings { variable }.given(tool).unwrap()
    }

    /// A file that is sure to be there; it stands for a tool.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/etcd/go.mod");
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/etcd");

    #[test]
    fn a_variable_names_the_tool() {
        let found = given(Tool::Etcd, |name| {
            (name == "HCP_LAB_ETCD").then(|| FILE.into())
        });
        assert_eq!(found, Some(PathBuf::from(FILE)));
    }

    #[test]
    fn a_variable_that_names_no_file_is_an_error() {
        let variable = |name| (name == "HCP_LAB_ETCD").then(|| FOLDER.into());
        let error = Surroundings { variable }.given(Tool::Etcd).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NotThere {
                    variable: "HCP_LAB_ETCD",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn an_empty_variable_is_none() {
        assert_eq!(given(Tool::Etcd, |_| Some(OsString::new())), None);
    }

    #[test]
    fn a_folder_of_envtest_without_the_tool_is_passed_over() {
        let found = given(Tool::Etcd, |name| {
            (name == "KUBEBUILDER_ASSETS").then(|| FOLDER.into())
        });
        assert_eq!(found, None);
    }

    #[test]
    fn the_cache_is_where_the_user_keeps_caches() {
        let cache = |variable| Surroundings { variable }.cache().ok();
        let home: fn(&str) -> Option<OsString> = |name| (name == "HOME").then(|| "/home/me".into());
        assert_eq!(
            cache(home),
            Some("/home/me/.cache/hcp-vsphere/lab-tools".into())
        );
        let moved: fn(&str) -> Option<OsString> = |name| match name {
            "HCP_LAB_TOOLS" => Some("/elsewhere".into()),
            _ => Some("/home/me".into()),
        };
        assert_eq!(cache(moved), Some("/elsewhere".into()));
        assert_eq!(cache(|_| None), None);
    }
}
