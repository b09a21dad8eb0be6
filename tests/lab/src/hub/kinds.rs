//! The kinds of HyperShift, the assisted installer and Cluster API, as far as we read or write them.
//!
//! The lab's own manifests are written from what those projects document, never from our types: a
//! wrong field name of ours would not be seen otherwise. Those of a real hub can take their place.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::manifests;
use crate::command;
use crate::error::{Doing as _, Error, Result};

/// Where manifests lie that take the place of the lab's own.
const FOLDER: &str = "HCP_LAB_CRDS";

/// API groups of these kinds: what is in another one is never taken away.
const GROUPS: [&str; 4] = [
    "hypershift.openshift.io",
    "agent-install.openshift.io",
    "capi-provider.agent-install.openshift.io",
    "cluster.x-k8s.io",
];

/// The manifests that are applied where nobody names others.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds"),
        PathBuf::from,
    )
}

/// Applies the CRDs of `folder`, and waits until they are served.
///
/// They may be what `kubectl get crd --output yaml` prints of a real hub; what only that hub can
/// know, and the webhooks that only it runs, are left out.
pub(crate) async fn apply(
    kubectl: &Path,
    kubeconfig: &Path,
    folder: &Path,
    aside: &Path,
) -> Result<()> {
    let mut read = command(kubectl);
    read.env("KUBECONFIG", kubeconfig)
        .args(["create", "--dry-run=client", "--validate=false"])
        .args(["--output", "json", "--filename"])
        .arg(folder);
    let read = crate::run(read).await?;
    let kinds = crds(&read)?;
    if kinds.is_empty() {
        return Err(Error::Refused(format!(
            "there is no CustomResourceDefinition in {}",
            folder.display()
        )));
    }
    std::fs::create_dir_all(aside).doing("making", aside)?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": kinds});
    let file = aside.join("kinds.json");
    std::fs::write(&file, list.to_string()).doing("writing", &file)?;
    manifests::apply(kubectl, kubeconfig, aside).await
}

/// Takes the kinds away that [`apply`] applied, with all their objects.
pub(crate) async fn remove(kubectl: &Path, kubeconfig: &Path) -> Result<()> {
    let kubectl = |arguments: &[&str]| {
        let mut command = command(kubectl);
        command.env("KUBECONFIG", kubeconfig).args(arguments);
        crate::run(command)
    };
    let names = kubectl(&["get", "crd", "--output", "name"]).await?;
    let ours = names.lines().filter(|name| is_one_of_these(name));
    let ours: Vec<_> = ours.collect();
    if ours.is_empty() {
        return Ok(());
    }
    kubectl(&[&["delete", "--wait=false"], &ours[..]].concat())
        .await
        .map(drop)
}

/// Whether `customresourcedefinition…/<plural>.<group>` names one of these kinds.
fn is_one_of_these(name: &str) -> bool {
    let group = name.split_once('/').and_then(|(_, it)| it.split_once('.'));
    group.is_some_and(|(_, group)| GROUPS.contains(&group))
}

/// The CRDs in what kubectl printed: one object after the other, or lists of them.
fn crds(printed: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(printed).into_iter::<Value>() {
        let document = document.map_err(|_| Error::Unreadable {
            program: "kubectl".to_owned(),
            said: printed.chars().take(200).collect(),
        })?;
        match document["items"].as_array() {
            Some(items) => found.extend(items.iter().filter_map(portable)),
            None => found.extend(portable(&document)),
        }
    }
    Ok(found)
}

/// A CRD without what belongs to the hub that it is of.
fn portable(object: &Value) -> Option<Value> {
    if object["kind"] != "CustomResourceDefinition" {
        return None;
    }
    let mut spec = object["spec"].clone();
    // Versions would be converted by a webhook, which nobody serves here.
    spec.as_object_mut()?.remove("conversion");
    Some(json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"]},
        "spec": spec,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crd_of_a_real_hub_loses_what_only_that_hub_can_serve() {
        let of_a_hub = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "agents.agent-install.openshift.io", "uid": "of the hub",
                "resourceVersion": "7", "labels": {"a": "b"},
            },
            "spec": {"group": "agent-install.openshift.io", "conversion": {"strategy": "Webhook"}},
            "status": {"conditions": []},
        });
        let list = json!({"kind": "List", "items": [of_a_hub, {"kind": "ConfigMap"}]});
        let kept = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "agents.agent-install.openshift.io", "labels": {"a": "b"}},
            "spec": {"group": "agent-install.openshift.io"},
        });
        let printed = format!("{list}\n{of_a_hub}\n");
        assert_eq!(crds(&printed).unwrap(), [kept.clone(), kept]);
        assert!(crds("not JSON").is_err());
    }

    #[test]
    fn only_kinds_of_these_groups_are_taken_away() {
        let crd = "customresourcedefinition.apiextensions.k8s.io/";
        for (name, ours) in [
            ("nodepools.hypershift.openshift.io", true),
            ("machines.cluster.x-k8s.io", true),
            (
                "vmwarenodepooltemplates.vmware.hcp.open-cluster-management.io",
                false,
            ),
            ("machines.machine.openshift.io", false),
        ] {
            assert_eq!(is_one_of_these(&format!("{crd}{name}")), ours, "{name}");
        }
    }
}
