//! Fields of a spec that are taken, as the companion takes them, and change nothing. Pure.

use crate::crd::{AgentIsoType, VMwareNodePoolTemplateSpec};

/// Each field that is given and ignored, with the reason.
pub fn ignored(spec: &VMwareNodePoolTemplateSpec) -> Vec<&'static str> {
    let test_mode = spec.test_mode == Some(true);
    let iso = &spec.agent_iso;
    let labels = spec.agent_label_selector.iter().flatten().next();
    let rows = [
        (
            test_mode && spec.spares.is_some_and(|spares| spares > 0),
            "spec.spares, which are a NodePool's",
        ),
        (
            test_mode && labels.is_some(),
            "spec.agentLabelSelector, as Agents are left alone in test mode",
        ),
        (
            iso.type_ == AgentIsoType::Datastore && is_given(iso.url.as_ref()),
            "spec.agentISO.url, as the type is datastore",
        ),
        (
            is_given(iso.uploaded_iso_name.as_ref()),
            "spec.agentISO.uploadedISOName, as no ISO is uploaded",
        ),
    ];
    rows.into_iter()
        .filter_map(|(ignored, field)| ignored.then_some(field))
        .collect()
}

fn is_given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::template;
    use serde_json::json;

    #[test]
    fn what_changes_nothing_is_named() {
        for (change, field) in [
            (json!({}), None),
            (
                json!({"testMode": true, "spares": 2}),
                Some("spec.spares, "),
            ),
            (json!({"testMode": true, "spares": 0}), None),
            (json!({"testMode": false, "spares": 2}), None),
            (
                json!({"testMode": true, "agentLabelSelector": {"a": "b"}}),
                Some("spec.agentLabelSelector, "),
            ),
            (
                json!({"testMode": false, "agentLabelSelector": {"a": "b"}}),
                None,
            ),
            (
                json!({"agentISO": {"type": "datastore", "url": "https://iso.example"}}),
                Some("spec.agentISO.url, "),
            ),
            (
                json!({"agentISO": {"type": "url", "url": "https://iso.example"}}),
                None,
            ),
            (
                json!({"agentISO": {"uploadedISOName": "agent.iso"}}),
                Some("spec.agentISO.uploadedISOName, "),
            ),
        ] {
            let found = ignored(&template(&change).spec);
            let as_expected = match field {
                None => found.is_empty(),
                Some(field) => found.len() == 1 && found[0].starts_with(field),
            };
            assert!(as_expected, "{change}: {found:?}");
        }
    }
}
