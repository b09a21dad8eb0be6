//! Agents that are withdrawn and deleted, against a hub that answers as told.

use super::*;

/// An Agent on which we have applied these labels and spec, beside a label of somebody else.
fn agent(labels: &Value, spec: &Value) -> DynamicObject {
    let fields = |object: &Value| {
        let keys = object.as_object().unwrap().keys();
        keys.map(|key| (format!("f:{key}"), json!({})))
            .collect::<Map<_, _>>()
    };
    let mut all = labels.clone();
    all["theirs"] = "x".into();
    serde_json::from_value(json!({
        "apiVersion": "agent-install.openshift.io/v1beta1", "kind": "Agent",
        "metadata": {
            "name": "agent-1", "namespace": "agents", "uid": "uid-1", "resourceVersion": "7",
            "labels": all, "finalizers": ["theirs", AGENT_FINALIZER],
            "managedFields": [{
                "manager": CONTROLLER, "operation": "Apply", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": fields(labels)}, "f:spec": fields(spec),
                },
            }],
        },
        "spec": spec,
    }))
    .unwrap()
}

#[test]
fn a_withdrawn_agent_keeps_its_marks_and_what_was_chosen_for_its_host() {
    let labels = json!({"zone": "a", MANAGED_BY_LABEL: "pool"});
    let agent = agent(&labels, &json!({"approved": true, "hostname": "pool-n01"}));
    assert!(is_offered(&agent));
    let body = withdrawn(&agent);
    assert_eq!(
        body["metadata"],
        json!({
            "name": "agent-1", "namespace": "agents", "uid": "uid-1", "resourceVersion": "7",
            "labels": {MANAGED_BY_LABEL: "pool"}, "finalizers": [AGENT_FINALIZER],
        })
    );
    assert_eq!(
        body["spec"],
        json!({"approved": false, "hostname": "pool-n01"})
    );
}

#[test]
fn an_approval_that_somebody_took_back_is_not_taken_over() {
    let labels = json!({"zone": "a"});
    for (why, approved, ours, expected) in [
        ("ours", true, true, Some(false)),
        ("somebody else's", true, false, Some(false)),
        ("withdrawn by us", false, true, Some(false)),
        ("taken back", false, false, None),
    ] {
        let applied = if ours {
            json!({"approved": true})
        } else {
            json!({})
        };
        let mut agent = agent(&labels, &applied);
        agent.data["spec"]["approved"] = approved.into();
        assert!(is_offered(&agent), "{why}");
        assert_eq!(
            withdrawn(&agent)["spec"]["approved"].as_bool(),
            expected,
            "{why}"
        );
    }
}

#[test]
fn what_is_being_deleted_gets_no_finalizer_that_it_does_not_have() {
    let ours = json!([AGENT_FINALIZER]);
    for (why, deleting, held, expected) in [
        ("it stays, and is not held yet", false, false, &ours),
        ("it goes, and waits for us", true, true, &ours),
        ("it goes, and waits for others", true, false, &json!([])),
    ] {
        let mut agent = agent(&json!({}), &json!({"approved": true}));
        agent.metadata.deletion_timestamp =
            deleting.then(|| serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        agent
            .finalizers_mut()
            .retain(|it| held || it != AGENT_FINALIZER);
        assert_eq!(
            &withdrawn(&agent)["metadata"]["finalizers"],
            expected,
            "{why}"
        );
    }
}

#[test]
fn an_agent_is_offered_until_it_is_neither_approved_nor_labelled_by_us() {
    let (marked, labelled) = (json!({MANAGED_BY_LABEL: "pool"}), json!({"zone": "a"}));
    for (labels, approved, expected) in [
        (&marked, true, true),
        (&labelled, false, true),
        (&marked, false, false),
    ] {
        let agent = agent(labels, &json!({"approved": approved}));
        assert_eq!(is_offered(&agent), expected, "{labels} {approved}");
    }
}

#[test]
fn a_cluster_without_a_name_is_a_cluster() {
    let mut seen = agent(&json!({}), &json!({"clusterDeploymentName": {}}));
    assert!(view(&seen).is_tied());
    seen.data["spec"]["clusterDeploymentName"] = Value::Null;
    assert!(!view(&seen).is_tied());
    seen.labels_mut()
        .insert(AGENT_MACHINE_REF.into(), "m".into());
    assert!(view(&seen).is_tied());
}
