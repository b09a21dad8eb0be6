//! Fields of a spec that are taken, as the companion takes them, and change nothing. Pure.

use crate::crd::{AgentIso, AgentIsoType, VMwareNodePoolTemplateSpec};

/// Each field that is given and ignored, with the reason.
pub fn ignored(spec: &VMwareNodePoolTemplateSpec) -> Vec<&'static str> {
    let test_mode = spec.test_mode == Some(true);
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
    ];
    let rows = rows.into_iter().chain(of_iso(&spec.agent_iso));
    rows.filter_map(|(ignored, field)| ignored.then_some(field))
        .collect()
}

/// Fields of sources of other types, and of fetching where nothing is fetched.
fn of_iso(iso: &AgentIso) -> [(bool, &'static str); 8] {
    use AgentIsoType as T;
    let is = |type_| iso.type_ == type_;
    let lies = is(T::Datastore);
    let secret = iso.request_secret.as_ref();
    [
        (
            !lies && is_given(iso.datastore_path.as_ref()),
            "spec.agentISO.datastorePath, as the type is not datastore",
        ),
        (
            !is(T::Url) && is_given(iso.url.as_ref()),
            "spec.agentISO.url, as the type is not url",
        ),
        (
            !is(T::InfraEnv) && iso.infra_env.is_some(),
            "spec.agentISO.infraEnv, as the type is not infraEnv",
        ),
        (
            lies && is_given(iso.uploaded_iso_name.as_ref()),
            "spec.agentISO.uploadedISOName, as no ISO is fetched",
        ),
        (
            lies && is_given(iso.ca_bundle.as_ref()),
            "spec.agentISO.caBundle, as no ISO is fetched",
        ),
        (
            lies && is_given(iso.proxy.as_ref()),
            "spec.agentISO.proxy, as no ISO is fetched",
        ),
        (
            lies && is_given(iso.sha256.as_ref()),
            "spec.agentISO.sha256, as no ISO is fetched",
        ),
        (
            lies && secret.is_some_and(|it| is_given(it.name.as_ref())),
            "spec.agentISO.requestSecret, as no ISO is fetched",
        ),
    ]
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
                json!({"agentISO": {"type": "url", "datastorePath": "", "url": "https://iso.example",
                       "uploadedISOName": "a.iso", "proxy": "http://p", "caBundle": "PEM",
                       "requestSecret": {"name": "s"}}}),
                None,
            ),
            (
                json!({"agentISO": {"type": "url", "url": "https://iso.example"}}),
                Some("spec.agentISO.datastorePath, "),
            ),
            (
                json!({"agentISO": {"type": "infraEnv", "datastorePath": "", "url": "https://iso"}}),
                Some("spec.agentISO.url, "),
            ),
            (
                json!({"agentISO": {"infraEnv": {"name": "workers"}}}),
                Some("spec.agentISO.infraEnv, "),
            ),
            (
                json!({"agentISO": {"requestSecret": {"name": "s"}}}),
                Some("spec.agentISO.requestSecret, "),
            ),
            (json!({"agentISO": {"requestSecret": {}}}), None),
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
