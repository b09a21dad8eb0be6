//! govc: what vCenter itself says, asked past the driver and the proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::DATASTORE;
use crate::error::{Error, Result};

/// How long govc may take to tell of machines that are there.
const ANSWER: Duration = Duration::from_secs(10);

/// How govc reaches vCenter.
#[derive(Clone)]
pub struct Govc {
    pub(super) program: PathBuf,
    pub(super) url: String,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) authority: PathBuf,
}

/// A virtual machine as vCenter tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its managed object id.
    pub moref: String,
    /// Its name.
    pub name: String,
    /// Whether it is on.
    pub on: bool,
    /// Its BIOS UUID.
    pub uuid: String,
    /// Its instance UUID.
    pub instance_uuid: String,
}

impl Govc {
    /// The variables that govc reads.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GOVC_URL", self.url.clone()),
            ("GOVC_USERNAME", self.username.clone()),
            ("GOVC_PASSWORD", self.password.clone()),
            ("GOVC_TLS_CA_CERTS", self.authority.display().to_string()),
            // Nothing is left in the user's home, and no session stays in vCenter.
            ("GOVC_PERSIST_SESSION", "false".to_owned()),
        ]
    }

    /// The same, but by way of a proxy.
    pub fn through(&self, proxy: SocketAddr) -> Self {
        Self {
            url: format!("https://{proxy}/sdk"),
            ..self.clone()
        }
    }

    /// Runs govc, and returns what it prints.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = crate::command(&self.program);
        command.args(arguments).envs(self.environment());
        crate::run(command).await
    }

    /// Runs a subcommand of govc with `-json`.
    pub async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let (subcommand, rest) = arguments
            .split_first()
            .ok_or(Error::Missing("govc command without a name"))?;
        let printed = self.run(&[&[*subcommand, "-json"], rest].concat()).await?;
        serde_json::from_str(&printed).map_err(|_| Error::Unreadable {
            program: "govc".to_owned(),
            said: printed,
        })
    }

    /// All virtual machines, by name.
    pub async fn machines(&self) -> Result<Vec<Machine>> {
        let properties = [
            "name",
            "runtime.powerState",
            "config.uuid",
            "config.instanceUuid",
        ];
        let mut machines: Vec<_> = self
            .collect(&properties)
            .await?
            .iter()
            .map(machine)
            .collect();
        machines.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(machines)
    }

    /// Makes a machine as somebody else would, which is not on. Gives what govc prints.
    pub async fn foreign_machine(&self, name: &str) -> Result<String> {
        self.run(&[
            "vm.create",
            "-ds",
            DATASTORE,
            "-on=false",
            "-net",
            "VM Network",
            "-pool",
            "/DC0/host/DC0_C0/Resources",
            name,
        ])
        .await
    }

    /// The marks that machines bear, by the machines' ids: options whose keys begin with `prefix`.
    pub async fn marks(&self, prefix: &str) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        let objects = self.collect(&["config.extraConfig"]).await?;
        let marks = objects.iter().map(|object| {
            let options = property(object, "config.extraConfig");
            let options = options["_value"].as_array().or(options.as_array());
            let options = options.into_iter().flatten();
            let pair = |option: &Value| {
                let value = &option["value"];
                let value = if value.is_string() {
                    value
                } else {
                    &value["_value"]
                };
                (text(&option["key"]), text(value))
            };
            let ours = options.map(pair).filter(|(key, _)| key.starts_with(prefix));
            (text(&object["obj"]["value"]), ours.collect())
        });
        Ok(marks.collect())
    }

    /// These properties of all machines.
    async fn collect(&self, properties: &[&str]) -> Result<Vec<Value>> {
        let collect = ["collect", "-json", "-type", "m", "/"];
        let collect = [&collect[..], properties].concat();
        // With no machine at all, `collect` waits for one: it is asked only when there are some, and
        // not for long, as they may go meanwhile.
        let printed = loop {
            let found = self.run(&["find", "/", "-type", "m"]).await?;
            if found.trim().is_empty() {
                return Ok(Vec::new());
            }
            if let Ok(printed) = tokio::time::timeout(ANSWER, self.run(&collect)).await {
                break printed?;
            }
        };
        // One object after the other, not a list of them.
        let objects = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
        Ok(objects.flatten().collect())
    }
}

impl std::fmt::Debug for Govc {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Govc")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn machine(object: &Value) -> Machine {
    Machine {
        moref: text(&object["obj"]["value"]),
        name: text(property(object, "name")),
        on: property(object, "runtime.powerState") == "poweredOn",
        uuid: text(property(object, "config.uuid")),
        instance_uuid: text(property(object, "config.instanceUuid")),
    }
}

/// A property of what `collect` prints of an object.
fn property<'a>(object: &'a Value, name: &str) -> &'a Value {
    let properties = object["changeSet"].as_array().into_iter().flatten();
    let mut values = properties.filter(|property| property["name"] == name);
    values
        .next()
        .map_or(&Value::Null, |property| &property["val"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
