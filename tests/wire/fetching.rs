//! Templates have their ISO fetched with what other objects of the hub say, and at once when these change.

use std::time::Duration;

use lab::images::{Content, Image};
use lab::{CREDENTIALS, Lab};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::hub::{Hub, POOL};

const SIZE: u64 = 4 << 20;
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
