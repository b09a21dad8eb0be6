//! A hub with a controller that reaches a vCenter through a driver, asked as a person asks.

use lab::vcenter::Machine;
use lab::{Builder, CREDENTIALS, Lab};
use serde_json::{Value, json};

use crate::zone::PATIENCE;

/// The template of most tests.
pub(crate) const POOL: &str = "pool";

/// All parts of a lab, with credentials and ISO in place.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) lab: Lab,
}

// === impl Hub ===

impl Hub {
    /// With all that a template needs beforehand.
    pub(crate) async fn start() -> Self {
        let hub = Self::of(Lab::builder()).await;
        hub.lab.prepare().await.unwrap();
        hub
    }

    /// Without a Secret and without an ISO.
    pub(crate) async fn of(builder: Builder) -> Self {
        let builder = builder.without_configured_vcenter();
        Self {
            lab: builder.start().await.unwrap(),
        }
    }

    /// Applies a template of this name and size.
    pub(crate) async fn apply(&self, replicas: u32) {
        let template = self.lab.template(POOL, replicas);
        self.lab.apply(&template).await.unwrap();
    }

    /// Scales it.
    pub(crate) async fn scale(&self, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        self.kubectl(&["scale", "vmtemplate", POOL, &replicas])
            .await;
    }

    /// Deletes it, and waits until its finalizer let it go.
    pub(crate) async fn delete(&self) {
        self.kubectl(&["delete", "vmtemplate", POOL, "--wait=false"])
            .await;
        let gone = self
            .lab
            .wait_for_template(POOL, PATIENCE, |it| it.is_none());
        gone.await.unwrap();
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) {
        self.lab.kubectl(arguments).await.unwrap();
    }

    /// What kubectl prints, also where it fails.
    pub(crate) async fn kubectl_output(&self, arguments: &[&str]) -> String {
        let printed = self.lab.kubectl(arguments).await;
        printed.unwrap_or_else(|error| error.to_string())
    }

    /// Changes the template by a merge patch.
    pub(crate) async fn patch(&self, patch: &Value) {
        let patch = patch.to_string();
        self.kubectl(&["patch", "vmtemplate", POOL, "--type=merge", "-p", &patch])
            .await;
    }

    /// Writes the Secret anew, with something in it changed. A password is looked for in all that is said.
    pub(crate) async fn credentials(&self, changed: &Value) {
        if let Some(password) = changed["password"].as_str() {
            self.lab.canary().secret("a password in a Secret", password);
        }
        let mut secret = self.lab.credentials(CREDENTIALS).unwrap();
        let data = secret["stringData"].as_object_mut().unwrap();
        data.extend(changed.as_object().unwrap().clone());
        self.lab.apply(&secret).await.unwrap();
    }

    /// Waits until a condition of the template is so: its status and its reason.
    pub(crate) async fn condition(&self, kind: &str, status: &str, reason: &str) {
        self.condition_of(POOL, kind, status, reason).await;
    }

    /// The same, of any template.
    pub(crate) async fn condition_of(&self, name: &str, kind: &str, status: &str, reason: &str) {
        let so = |template: Option<&Value>| {
            let found = template.and_then(|it| condition(it, kind));
            found.is_some_and(|it| it["status"] == status && it["reason"] == reason)
        };
        if let Err(error) = self.lab.wait_for_template(name, PATIENCE, so).await {
            let shown = self.shown(name).await;
            panic!("{kind} is not {status} for {reason}: {error}: {shown}");
        }
    }

    /// A template as it is, or why it cannot be shown.
    async fn shown(&self, name: &str) -> String {
        let get = ["get", "vmtemplate", name, "-o", "yaml"];
        self.kubectl_output(&get).await
    }

    /// Waits until a condition has this reason, and a message that names this.
    pub(crate) async fn says(&self, kind: &str, reason: &str, named: &str) {
        let so = |template: Option<&Value>| {
            let found = template.and_then(|it| condition(it, kind));
            found.is_some_and(|it| {
                let message = it["message"].as_str().unwrap_or_default();
                it["reason"] == reason && message.contains(named)
            })
        };
        let waited = self.lab.wait_for_template(POOL, PATIENCE, so).await;
        waited.unwrap();
    }

    /// Waits until so many machines are on and in the status, and names them.
    pub(crate) async fn ready(&self, count: usize) -> Vec<String> {
        let what = format!("{count} machines that are on");
        let on = |machines: &[Machine]| {
            machines.len() == count && machines.iter().all(|machine| machine.on)
        };
        let machines = self
            .lab
            .wait_for_machines(&what, PATIENCE, on)
            .await
            .unwrap();
        let told = |template: Option<&Value>| {
            let template = template.unwrap_or(&Value::Null);
            let listed = template["status"]["vmStatus"]
                .as_array()
                .map_or(0, Vec::len);
            template["status"]["readyReplicas"] == json!(count) && listed == count
        };
        if let Err(error) = self.lab.wait_for_template(POOL, PATIENCE, told).await {
            panic!(
                "{count} machines are not told of: {error}: {}",
                self.shown(POOL).await
            );
        }
        self.condition("Ready", "True", "AllReady").await;
        machines.into_iter().map(|machine| machine.name).collect()
    }

    /// Waits until a machine of the status has such a message.
    pub(crate) async fn message(&self, machine: &str, begins: &str) {
        let so = |template: Option<&Value>| {
            let listed = template.and_then(|it| it["status"]["vmStatus"].as_array());
            let mut found = listed
                .into_iter()
                .flatten()
                .filter(|it| it["name"] == machine);
            found.any(|it| {
                it["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(begins))
            })
        };
        self.lab
            .wait_for_template(POOL, PATIENCE, so)
            .await
            .unwrap();
    }

    /// What vCenter itself says of its machines.
    pub(crate) async fn machines(&self) -> Vec<Machine> {
        self.lab.vcenter().govc().machines().await.unwrap()
    }

    /// Makes a machine as somebody else would, which is not on.
    pub(crate) async fn foreign_machine(&self, name: &str) {
        let govc = self.lab.vcenter().govc();
        govc.foreign_machine(name).await.unwrap();
    }

    /// Runs govc, past driver and proxy.
    pub(crate) async fn govc(&self, arguments: &[&str]) {
        self.lab.vcenter().govc().run(arguments).await.unwrap();
    }
}

/// A condition of a template.
pub(crate) fn condition<'a>(template: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = template["status"]["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == kind)
}
