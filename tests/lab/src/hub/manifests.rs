//! Manifests for the hub.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command;
use crate::error::{Doing as _, Result};

/// How long a CRD may take to be served.
const ESTABLISHED: Duration = Duration::from_secs(30);

/// Applies those manifests of `folder` that a hub needs before anything runs on it.
pub(super) async fn apply(kubectl: &Path, kubeconfig: &Path, folder: &Path) -> Result<()> {
    let files = manifests(folder)?;
    if files.is_empty() {
        return Ok(());
    }
    let mut apply = command(kubectl);
    apply
        .env("KUBECONFIG", kubeconfig)
        .args(["apply", "--server-side"]);
    for file in &files {
        apply.arg("-f").arg(file);
    }
    crate::run(apply).await?;
    let mut wait = command(kubectl);
    wait.env("KUBECONFIG", kubeconfig)
        .args(["wait", "--for=condition=Established", "crd", "--all"])
        .arg(format!("--timeout={}s", ESTABLISHED.as_secs()));
    crate::run(wait).await.map(drop)
}

/// Takes away what the lab before may have left: all templates, and what holds them.
pub(super) async fn clear(kubectl: &Path, kubeconfig: &Path) -> Result<()> {
    let kubectl = |arguments: &[&str]| {
        let mut command = command(kubectl);
        command.env("KUBECONFIG", kubeconfig).args(arguments);
        crate::run(command)
    };
    let columns = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{\"\\n\"}{end}";
    let kind = "vmwarenodepooltemplates";
    let left = kubectl(&["get", kind, "--all-namespaces", "--output", columns]).await?;
    for (namespace, name) in left.lines().filter_map(|line| line.split_once(' ')) {
        let patch = r#"{"metadata":{"finalizers":null}}"#;
        let template = ["--namespace", namespace, kind, name];
        kubectl(
            &[
                &["patch", "--type", "merge", "--patch", patch],
                &template[..],
            ]
            .concat(),
        )
        .await?;
        kubectl(&[&["delete", "--ignore-not-found"], &template[..]].concat()).await?;
    }
    Ok(())
}

/// The manifests of a folder, in the order of their names.
fn manifests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).doing("reading", folder)? {
        let path = entry.doing("reading", folder)?.path();
        if is_manifest(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A kustomization lists manifests, and is none: no hub knows its kind.
fn is_manifest(path: &Path) -> bool {
    let kustomization = path.file_stem().is_some_and(|name| name == "kustomization");
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) && !kustomization
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_hub_takes_is_applied() {
        for (name, applied) in [
            ("crd.yaml", true),
            ("crd.json", true),
            ("kustomization.yaml", false),
            ("notes.md", false),
        ] {
            assert_eq!(is_manifest(Path::new(name)), applied, "{name}");
        }
    }
}
