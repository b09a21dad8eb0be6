//! What stands in the way of a template is said in its conditions, and nothing is done until then.

use lab::{CREDENTIALS, Lab};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL, condition};
use crate::requests::with;
use crate::zone::PATIENCE;

const PAUSED: &str = "vmware.hcp.open-cluster-management.io/paused";

#[tokio::test]
async fn a_wrong_password_is_told_and_a_rotated_secret_is_used_at_once() {
    let hub = Hub::start().await;
    hub.credentials(&json!({"password": "not-this-Password-0"}))
        .await;
    hub.apply(1).await;
    hub.condition("VSphereConnected", "False", "VCenterBadCredentials")
        .await;
    assert_eq!(hub.machines().await, []);
    hub.credentials(&json!({})).await;
    assert_eq!(hub.ready(1).await, ["pool-n01"]);
    assert!(hub.lab.proxy().counts().of("Login").calls <= 3);
}

#[tokio::test]
async fn a_value_of_the_secret_that_cannot_be_used_is_told_by_its_key() {
    let hub = Hub::start().await;
    hub.credentials(&json!({"cacertificate": "-----BEGIN CERTIFICATE-----\ncut off"}))
        .await;
    hub.apply(1).await;
    hub.says("VSphereConnected", "CredentialsInvalid", "`cacertificate`")
        .await;
    hub.condition("DriverConnected", "True", "Connected").await;
    hub.credentials(&json!({"server": "https://"})).await;
    hub.says("VSphereConnected", "CredentialsInvalid", "`server`")
        .await;
    hub.credentials(&json!({})).await;
    assert_eq!(hub.ready(1).await, ["pool-n01"]);
}

#[tokio::test]
async fn a_secret_that_goes_is_told_and_takes_no_machine_with_it() {
    let hub = Hub::of(Lab::builder()).await;
    hub.lab.upload_iso().await.unwrap();
    hub.apply(1).await;
    hub.condition("VSphereConnected", "False", "CredentialsNotFound")
        .await;
    hub.credentials(&json!({})).await;
    hub.ready(1).await;
    // It is kept while it is needed, until somebody takes it by force.
    hub.kubectl(&["delete", "secret", CREDENTIALS, "--wait=false"])
        .await;
    hub.condition("VSphereConnected", "True", "Connected").await;
    let force = r#"{"metadata": {"finalizers": null}}"#;
    hub.kubectl(&["patch", "secret", CREDENTIALS, "--type=merge", "-p", force])
        .await;
    hub.condition("VSphereConnected", "False", "CredentialsNotFound")
        .await;
    // Without a way to vCenter nothing can be proved to be gone, and so the template stays.
    hub.kubectl(&["delete", "vmtemplate", POOL, "--wait=false"])
        .await;
    hub.condition("Ready", "Unknown", "NotSeen").await;
    assert_eq!(hub.machines().await.len(), 1);
    hub.credentials(&json!({})).await;
    hub.delete().await;
    assert_eq!(hub.machines().await, []);
}

#[tokio::test]
async fn a_session_of_a_rotated_secret_is_ended() {
    let hub = Hub::start().await;
    hub.apply(1).await;
    hub.ready(1).await;
    hub.lab.proxy().reset();
    hub.credentials(&json!({"insecure": "true", "cacertificate": ""}))
        .await;
    let over = async {
        hub.lab.proxy().answered("Login", 1).await;
        hub.lab.proxy().answered("Logout", 1).await;
    };
    crate::zone::soon("a new session, and the end of the old one", over).await;
    hub.condition("VSphereConnected", "True", "Connected").await;
    assert_eq!(hub.lab.vcenter().sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_stands_for_nothing_is_told_and_corrected() {
    let hub = Hub::start().await;
    let mut template = hub.lab.template(POOL, 1);
    template["spec"]["vmTemplate"]["cluster"] = "DC0_C1".into();
    hub.lab.apply(&template).await.unwrap();
    hub.condition("ResourcesValidated", "False", "PlacementNotFound")
        .await;
    hub.condition("VMsCreated", "False", "PlacementNotFound")
        .await;
    assert_eq!(hub.machines().await, []);
    hub.patch(&json!({"spec": {"vmTemplate": {"cluster": "DC0_C0"}}}))
        .await;
    hub.ready(1).await;
    hub.condition("ResourcesValidated", "True", "ResourcesValidated")
        .await;
}

#[tokio::test]
async fn an_iso_that_is_missing_is_told() {
    let hub = Hub::start().await;
    let mut template = hub.lab.template(POOL, 1);
    let missing = format!("[{}] isos/other.iso", lab::DATASTORE);
    template["spec"]["agentISO"]["datastorePath"] = missing.into();
    hub.lab.apply(&template).await.unwrap();
    hub.condition("ISOReady", "False", "ISOMissing").await;
    assert_eq!(hub.machines().await, []);
    hub.apply(1).await;
    hub.ready(1).await;
    hub.condition("ISOReady", "True", "ISOReady").await;
}

#[tokio::test]
async fn a_guest_that_gives_itself_the_companions_tag_holds_no_template_up() {
    let hub = Hub::start().await;
    hub.foreign_machine("somebodys").await;
    let tag = format!(
        "guestinfo.vmware-hcp.template={}/{POOL}",
        hub.lab.namespace()
    );
    hub.govc(&["vm.change", "-vm", "somebodys", "-e", &tag])
        .await;
    hub.apply(1).await;
    hub.condition("Ready", "True", "AllReady").await;
    let passed_over = |template: Option<&Value>| {
        let condition = template.and_then(|it| condition(it, "AdoptionRequired"));
        condition.is_some_and(|it| {
            it["status"] == "False" && it["message"].to_string().contains("somebodys")
        })
    };
    let waiting = hub.lab.wait_for_template(POOL, PATIENCE, passed_over);
    waiting.await.unwrap();
}

#[tokio::test]
async fn machines_of_the_companion_have_to_be_adopted_first() {
    let hub = Hub::start().await;
    hub.foreign_machine("pool-a1b2c").await;
    let tag = format!(
        "guestinfo.vmware-hcp.template={}/{POOL}",
        hub.lab.namespace()
    );
    hub.govc(&["vm.change", "-vm", "pool-a1b2c", "-e", &tag])
        .await;
    hub.apply(2).await;
    hub.condition("AdoptionRequired", "True", "CompanionVMs")
        .await;
    hub.condition("VMsCreated", "Unknown", "AdoptionRequired")
        .await;
    let machines = hub.machines().await;
    assert_eq!(machines.len(), 1, "{machines:?}");
    hub.govc(&["vm.destroy", "pool-a1b2c"]).await;
    assert_eq!(hub.ready(2).await, ["pool-n01", "pool-n02"]);
    hub.condition("AdoptionRequired", "False", "NoCompanionVMs")
        .await;
}

/// Manifests of a hub that takes numbers of any size, as one with an older schema did.
fn permissive_manifests() -> std::path::PathBuf {
    let schema = lab::files::workspace().join("deploy/crd.yaml");
    let schema = std::fs::read_to_string(schema).unwrap();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("permissive-hub");
    std::fs::create_dir_all(&folder).unwrap();
    let schema = schema.replace("format: int32", "format: int64");
    std::fs::write(folder.join("crd.yaml"), schema).unwrap();
    folder
}

#[tokio::test]
async fn a_template_that_cannot_be_read_does_not_stop_the_others() {
    let manifests = permissive_manifests();
    let hub = Hub::of(Lab::builder().own_hub().manifests(&manifests)).await;
    hub.lab.prepare().await.unwrap();
    let broken = with(
        hub.lab.template("broken", 1),
        "/spec/vmTemplate/numCPUs",
        3_000_000_000_u64,
    );
    hub.lab.apply(&broken).await.unwrap();
    hub.apply(1).await;
    assert_eq!(hub.ready(1).await, ["pool-n01"]);
    let lines = hub.lab.controller_log_lines().unwrap();
    let told = |line: &Value| line.to_string().contains("Template cannot be read");
    assert!(lines.iter().any(told), "{lines:?}");
}

#[tokio::test]
async fn a_paused_template_is_followed_and_not_acted_upon() {
    let hub = Hub::start().await;
    hub.apply(1).await;
    hub.ready(1).await;
    hub.patch(&json!({"metadata": {"annotations": {PAUSED: "true"}}}))
        .await;
    hub.condition("Paused", "True", "Paused").await;
    hub.scale(3).await;
    let three =
        |template: Option<&Value>| template.is_some_and(|it| it["status"]["desiredReplicas"] == 3);
    hub.lab
        .wait_for_template(POOL, PATIENCE, three)
        .await
        .unwrap();
    hub.govc(&["vm.power", "-off", "pool-n01"]).await;
    hub.message("pool-n01", "PoweredOffOutside").await;
    assert_eq!(hub.machines().await.len(), 1);
    hub.govc(&["vm.power", "-on", "pool-n01"]).await;
    hub.patch(&json!({"metadata": {"annotations": {PAUSED: null}}}))
        .await;
    hub.ready(3).await;
    let unpaused =
        |template: Option<&Value>| template.is_some_and(|it| condition(it, "Paused").is_none());
    hub.lab
        .wait_for_template(POOL, PATIENCE, unpaused)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_policy_forbids_is_refused_as_soon_as_it_is_applied() {
    let hub = Hub::start().await;
    for (pointer, value) in [
        ("/spec/vmTemplate/memoryMB", json!(8191)),
        ("/spec/nodePoolRef/namespace", json!("elsewhere")),
        ("/spec/replicas", json!(2001)),
        ("/spec/agentLabelSelector", json!({"zone": "eu west"})),
        ("/spec/agentLabelSelector", json!({"Zone.example/a": "a"})),
    ] {
        let template = with(hub.lab.template(POOL, 1), pointer, value);
        let refused = hub.lab.apply(&template).await.unwrap_err().to_string();
        let (_, field) = pointer.rsplit_once('/').unwrap();
        assert!(refused.contains(field), "{refused}");
    }
}
