//! What each tool is built from.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::error::{Doing as _, Error};
use super::mend::{self, Mend};

/// The Go modules that the tools are built from.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools");

/// A program that a lab runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The store of the hub.
    Etcd,
    /// The hub's API server.
    KubeApiserver,
    /// The hub's client for people.
    Kubectl,
    /// The driver's client for people.
    Grpcurl,
    /// The simulated vCenter.
    Vcsim,
    /// The vCenter's client for people.
    Govc,
    /// The bare client that a bench is compared with.
    Floor,
    /// Prometheus' own parsers of metrics and rules.
    Prometheus,
}

/// How a tool is built.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The tool.
    pub(super) tool: Tool,
    /// The folder with the go.mod file.
    pub(super) folder: PathBuf,
    /// The version of the module that the tool is made of.
    pub(super) version: String,
    /// Everything that decides what the tool will be, as a digest.
    pub(super) digest: String,
}

/// Reads the recipe of `tool` from its Go module.
pub(super) fn read(tool: Tool) -> Result<Recipe, Error> {
    let folder = Path::new(MODULES).join(tool.folder());
    let path = folder.join("go.mod");
    let requirements = fs::read_to_string(&path).doing("reading", &path)?;
    let version = version(&requirements, tool.module())
        .ok_or(Error::NoVersion {
            path,
            module: tool.module(),
        })?
        .to_owned();
    let digest = digest(tool, &folder)?;
    Ok(Recipe {
        tool,
        folder,
        version,
        digest,
    })
}

/// The version of `module` that a go.mod file requires.
fn version<'a>(requirements: &'a str, module: &str) -> Option<&'a str> {
    let requirement = |line: &'a str| {
        let line = line.trim().trim_start_matches("require ");
        line.strip_prefix(module)?
            .strip_prefix(' ')?
            .split_whitespace()
            .next()
    };
    requirements
        .lines()
        .find_map(requirement)
        .filter(|word| word.starts_with('v'))
}

/// A digest of the sources, the versions and the mends.
fn digest(tool: Tool, folder: &Path) -> Result<String, Error> {
    let mut files = vec![folder.join("go.mod"), folder.join("go.sum")];
    if let Some(own) = tool.package().strip_prefix("./") {
        list(&folder.join(own), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(&file).doing("reading", &file)?);
        hash.update([0]);
    }
    for Mend {
        file,
        found,
        instead,
    } in tool.mends()
    {
        hash.update([file, "\0", found, "\0", instead, "\0"].concat());
    }
    hash.update(tool.stamps().join("\0"));
    // Six bytes: enough to tell apart what one person ever builds.
    let digest = hash.finalize();
    let short = digest
        .iter()
        .take(6)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(format!("{short:012x}"))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).doing("listing", folder)? {
        let path = entry.doing("listing", folder)?.path();
        if path.extension().is_some_and(|extension| extension == "go") {
            files.push(path);
        }
    }
    Ok(())
}

// === impl Tool ===

impl Tool {
    /// Its file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::Kubectl => "kubectl",
            Self::Grpcurl => "grpcurl",
            Self::Vcsim => "vcsim",
            Self::Govc => "govc",
            Self::Floor => "floor",
            Self::Prometheus => "prometheus-reader",
        }
    }

    /// The variable by which a person names another program than the lab's own.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Etcd => "HCP_LAB_ETCD",
            Self::KubeApiserver => "HCP_LAB_KUBE_APISERVER",
            Self::Kubectl => "HCP_LAB_KUBECTL",
            Self::Grpcurl => "HCP_LAB_GRPCURL",
            Self::Vcsim => "HCP_LAB_VCSIM",
            Self::Govc => "HCP_LAB_GOVC",
            Self::Floor => "HCP_LAB_FLOOR",
            Self::Prometheus => "HCP_LAB_PROMETHEUS",
        }
    }

    /// Whether it is one of the programs that envtest brings.
    pub(super) fn is_in_envtest(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }

    /// The Go package of its main function.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Grpcurl => "github.com/fullstorydev/grpcurl/cmd/grpcurl",
            Self::Vcsim => "./vcsim",
            Self::Govc => "./govc",
            Self::Floor => "./floor",
            Self::Prometheus => "./reader",
        }
    }

    /// The module whose version is the tool's.
    pub(super) fn module(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver | Self::Kubectl => "k8s.io/kubernetes",
            Self::Grpcurl => "github.com/fullstorydev/grpcurl",
            Self::Vcsim | Self::Govc | Self::Floor => "github.com/vmware/govmomi",
            Self::Prometheus => "github.com/prometheus/prometheus",
        }
    }

    /// What is changed in that module before the tool is built.
    pub(super) fn mends(self) -> &'static [Mend] {
        match self {
            Self::Vcsim => &mend::SIMULATOR,
            Self::Etcd
            | Self::KubeApiserver
            | Self::Kubectl
            | Self::Grpcurl
            | Self::Govc
            | Self::Floor
            | Self::Prometheus => &[],
        }
    }

    /// The variables that say in the program which version it is; a checkout's own build sets them.
    pub(super) fn stamps(self) -> &'static [&'static str] {
        match self {
            Self::KubeApiserver | Self::Kubectl => &["k8s.io/component-base/version.gitVersion"],
            Self::Grpcurl => &["main.version"],
            Self::Etcd | Self::Vcsim | Self::Govc | Self::Floor | Self::Prometheus => &[],
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver | Self::Kubectl => "kube",
            Self::Grpcurl => "grpcurl",
            Self::Vcsim | Self::Govc | Self::Floor => "vcenter",
            Self::Prometheus => "prometheus",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: [Tool; 8] = [
        Tool::Etcd,
        Tool::KubeApiserver,
        Tool::Kubectl,
        Tool::Grpcurl,
        Tool::Vcsim,
        Tool::Govc,
        Tool::Floor,
        Tool::Prometheus,
    ];

    #[test]
    fn the_version_is_the_required_one() {
        let requirements =
            "module m\n\nrequire a.b/c v1.2.3\n\nrequire (\n\ta.b/d v0.4.5 // indirect\n)\n";
        assert_eq!(version(requirements, "a.b/c"), Some("v1.2.3"));
        assert_eq!(version(requirements, "a.b/d"), Some("v0.4.5"));
        assert_eq!(version(requirements, "a.b"), None);
    }

    #[test]
    fn every_tool_has_a_recipe_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for tool in TOOLS {
            let recipe = read(tool).unwrap();
            assert!(
                seen.insert((tool.name(), recipe.version, recipe.digest)),
                "{tool:?}"
            );
        }
    }
}
