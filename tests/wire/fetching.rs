//! Templates have their ISO fetched with what other objects of the hub say, and at once when these change.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::watcher::watch_object;
use lab::agents::InfraEnv;
use lab::images::{Content, Image};
use lab::{CREDENTIALS, Lab};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::hub::{Hub, POOL, condition};

const SIZE: u64 = 4 << 20;
/// The hub says here who vouches for its routes.
const ROUTES: (&str, &str) = ("openshift-config-managed", "default-ingress-cert");
const READY: &str = "ISOReady";
/// Less than the shortest interval at which anything is looked up again.
const SOON: Duration = Duration::from_secs(30);

/// A hub with credentials, and no ISO.
async fn start() -> Hub {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    let credentials = hub.lab.credentials(CREDENTIALS).unwrap();
    hub.lab.apply(&credentials).await.unwrap();
    hub
}

fn image(hub: &Hub, seed: u64) -> Image {
    let content = Content::iso(SIZE, seed);
    hub.lab.images().publish(content).unwrap()
}

/// The template, which has its ISO so.
async fn apply(hub: &Hub, iso: Value) {
    let mut template = hub.lab.template(POOL, 1);
    template["spec"]["agentISO"] = iso;
    hub.lab.apply(&template).await.unwrap();
}

/// The Secret `request`, with this token for these hosts.
async fn token(hub: &Hub, token: &str, hosts: &str) {
    hub.lab.canary().secret("a header in a Secret", token);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "request", "namespace": hub.lab.namespace()},
        "stringData": {
            "hosts": hosts, "headers": format!("x-image-token: {token}"),
            "ca.crt": hub.lab.images().authority().unwrap(),
        },
    });
    hub.lab.apply(&secret).await.unwrap();
}

/// The authorities of the hub's routes are these.
async fn routes_are_vouched_for_by(hub: &Hub, pem: &str) {
    for manifest in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROUTES.0}}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": ROUTES.1, "namespace": ROUTES.0},
            "data": {"ca-bundle.crt": pem},
        }),
    ] {
        hub.lab.apply(&manifest).await.unwrap();
    }
}

/// Waits until the source was asked with this token, and no longer than that takes.
async fn asked_with(image: &Image, token: &str) {
    let asked = image.until(|_| {
        let asked = image.asked().into_iter();
        let mut tokens = asked.filter_map(|it| it.headers.get("x-image-token").cloned());
        tokens.any(|it| it == token)
    });
    timeout(SOON, asked).await.unwrap();
}

#[tokio::test]
async fn a_token_is_sent_to_the_host_that_its_secret_names_and_taken_at_once_when_it_is_renewed() {
    let hub = start().await;
    let image = image(&hub, 1);
    let request = json!({"name": "request"});
    apply(
        &hub,
        json!({"type": "url", "url": image.url(), "requestSecret": request}),
    )
    .await;
    hub.condition(READY, "False", "RequestSecretNotFound").await;
    token(&hub, "canary-of-a-token", "images.example").await;
    hub.says(READY, "RequestSecretNotPermitted", "127.0.0.1")
        .await;
    assert_eq!(image.asked().len(), 0);

    token(&hub, "canary-of-a-token", "127.0.0.1").await;
    asked_with(&image, "canary-of-a-token").await;
    hub.ready(1).await;
    hub.condition(READY, "True", "ISOReady").await;
    token(&hub, "canary-of-the-next", "127.0.0.1").await;
    asked_with(&image, "canary-of-the-next").await;
    let gone = ["delete", "secret", "request", "-n", hub.lab.namespace()];
    hub.kubectl(&gone).await;
    hub.condition(READY, "False", "RequestSecretNotFound").await;
}

#[tokio::test]
async fn the_image_of_an_infra_env_is_fetched_by_the_authorities_of_the_hub_and_by_renewed_ones_at_once()
 {
    let hub = start().await;
    let image = image(&hub, 2);
    let foreign = std::fs::read_to_string(&hub.lab.certificates().authority).unwrap();
    routes_are_vouched_for_by(&hub, &foreign).await;
    let infra_env = InfraEnv::new(&hub.lab, "image");
    hub.lab.apply(&infra_env.manifest()).await.unwrap();
    infra_env.image_created(&hub.lab, &image).await.unwrap();
    let named = json!({"name": infra_env.name});
    apply(&hub, json!({"type": "infraEnv", "infraEnv": named})).await;
    hub.condition(READY, "False", "ISOSourceTLSUntrusted").await;

    let authority = hub.lab.images().authority().unwrap();
    routes_are_vouched_for_by(&hub, &authority).await;
    timeout(SOON, image.until(|counts| counts.gets > 0))
        .await
        .unwrap();
    hub.condition(READY, "True", "ISOReady").await;
    hub.ready(1).await;
    let gone = ["delete", "configmap", ROUTES.1, "-n", ROUTES.0];
    hub.kubectl(&gone).await;
}

/// What a condition of a template is told to be, each time that it is another.
struct Told {
    verdicts: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl Told {
    fn of(hub: &Hub, type_: &'static str) -> Self {
        let templates = hub.lab.templates().unwrap();
        let verdicts = Arc::<Mutex<Vec<String>>>::default();
        let told = verdicts.clone();
        let task = async move {
            let mut changes = pin!(watch_object(templates, POOL));
            while let Some(Ok(Some(template))) = changes.next().await {
                if let Some(found) = condition(&template.data, type_) {
                    let words = [&found["status"], &found["reason"]].map(Value::to_string);
                    let mut told = told.lock().unwrap();
                    told.push(words.join(" "));
                    told.dedup();
                }
            }
        };
        Self {
            verdicts,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    fn verdicts(&self) -> Vec<String> {
        self.verdicts.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_iso_that_is_whole_is_told_to_be_so_all_the_time_while_the_driver_is_started_anew() {
    let mut hub = start().await;
    let image = image(&hub, 3);
    let authority = hub.lab.images().authority().unwrap();
    let iso = json!({"type": "url", "url": image.url(), "caBundle": authority});
    apply(&hub, iso).await;
    hub.condition(READY, "True", "ISOReady").await;
    hub.ready(1).await;
    let told = Told::of(&hub, READY);
    let asked = image.counts().heads;
    hub.lab.kill_driver().unwrap();
    hub.condition("Ready", "Unknown", "NotSeen").await;
    hub.lab.restart_driver().await.unwrap();
    timeout(SOON * 2, image.until(|counts| counts.heads > asked))
        .await
        .unwrap();
    hub.condition("Ready", "True", "AllReady").await;
    hub.scale(2).await;
    hub.ready(2).await;
    assert_eq!(told.verdicts(), ["\"True\" \"ISOReady\""]);
    assert_eq!(image.counts().gets, 1);
}
