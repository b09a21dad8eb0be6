//! The templates of a bench, and how far they are.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use lab::Lab;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Who applies.
const MANAGER: &str = "bench";

/// Templates by name, and how many machines each shall have.
pub(super) type Wanted = BTreeMap<String, u32>;

/// So many templates, `bench-01` and so on, with the same number of machines.
pub(super) fn wanted(templates: u32, vms: u32) -> Wanted {
    let name = |number| format!("bench-{number:03}");
    (1..=templates).map(|number| (name(number), vms)).collect()
}

/// Applies all of them.
pub(super) async fn apply(lab: &Lab, wanted: &Wanted) -> anyhow::Result<()> {
    let templates = lab.templates()?;
    let params = PatchParams::apply(MANAGER).force();
    for (name, vms) in wanted {
        let template = lab.template(name, *vms);
        let patch = Patch::Apply(template);
        let applied = templates.patch(name, &params, &patch).await;
        applied.with_context(|| format!("applying {name}"))?;
    }
    Ok(())
}

/// Waits until each has as many machines as wanted, all of them on and in its status.
pub(super) async fn until_ready(
    lab: &Lab,
    wanted: &Wanted,
    within: Duration,
) -> anyhow::Result<()> {
    let mut ready = BTreeMap::new();
    follow(lab, within, |name, status| {
        let vms = wanted.get(name).copied().unwrap_or_default();
        ready.insert(name.to_owned(), is_ready(status, vms));
        wanted.keys().all(|name| ready.get(name) == Some(&true))
    })
    .await
    .with_context(|| {
        let ready = ready.values().filter(|ready| **ready).count();
        format!("{ready} of {} templates were ready", wanted.len())
    })
}

/// Calls `see` with the name and the status of each template, now and whenever one changes, until it
/// has seen enough.
pub(super) async fn follow(
    lab: &Lab,
    within: Duration,
    mut see: impl FnMut(&str, &Value) -> bool,
) -> anyhow::Result<()> {
    let look = async {
        let changes = watcher(lab.templates()?, watcher::Config::default()).applied_objects();
        let mut changes = std::pin::pin!(changes);
        while let Some(template) = changes.try_next().await? {
            if see(&template.name_any(), &status(template)) {
                return Ok(());
            }
        }
        anyhow::bail!("the watch of templates has ended")
    };
    let looked = timeout(within, look).await;
    looked.with_context(|| format!("not within {within:?}"))?
}

/// The status with the generation that it is to be of, so that both are in one value.
fn status(mut template: DynamicObject) -> Value {
    let mut status = template.data["status"].take();
    if let Some(fields) = status.as_object_mut() {
        fields.insert("generation".to_owned(), json!(template.metadata.generation));
    }
    status
}

/// Whether a status says that there are so many machines, all of them on.
pub(super) fn is_ready(status: &Value, vms: u32) -> bool {
    let number = |field: &str| status[field].as_u64().unwrap_or_default();
    let listed = status["vmStatus"].as_array().map_or(0, Vec::len);
    let all = u64::from(vms);
    status["observedGeneration"] == status["generation"]
        && number("readyReplicas") == all
        && number("currentReplicas") == all
        && listed == vms as usize
        && is_connected(status)
}

fn is_connected(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|it| it["type"] == "VSphereConnected" && it["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_ready_with_all_its_machines_in_the_status_of_its_generation() {
        let ready = json!({
            "generation": 2, "observedGeneration": 2, "readyReplicas": 1, "currentReplicas": 1,
            "vmStatus": [{"name": "a"}],
            "conditions": [{"type": "VSphereConnected", "status": "True"}],
        });
        assert!(is_ready(&ready, 1));
        assert!(!is_ready(&ready, 2));
        for field in [
            "observedGeneration",
            "readyReplicas",
            "vmStatus",
            "conditions",
        ] {
            let mut other = ready.clone();
            other[field] = Value::Null;
            assert!(!is_ready(&other, 1), "{field}");
        }
    }

    #[test]
    fn names_sort_as_their_numbers() {
        let names: Vec<_> = wanted(2, 7).into_iter().collect();
        assert_eq!(
            names,
            [("bench-001".to_owned(), 7), ("bench-002".to_owned(), 7)]
        );
    }
}
