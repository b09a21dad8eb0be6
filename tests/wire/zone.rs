//! A vCenter zone: a driver and its vCenter, without a hub, asked as a person asks.

use std::time::Duration;

use lab::certificates::Leaf;
use lab::grpcurl::Stream;
use lab::vcenter::Machine;
use lab::{Builder, Error, Lab};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::requests::WATCH;

/// What anything may take: much more than it does, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Before a file is read again.
const AGAIN: Duration = Duration::from_millis(50);

/// A driver that has read its vCenter.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) lab: Lab,
}

/// What a call was refused with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u64,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// `metadata` of the error's `ErrorInfo`.
    pub(crate) metadata: Value,
}

// === impl Zone ===

impl Zone {
    /// The smallest zone.
    pub(crate) async fn start() -> Self {
        Self::of(Lab::builder()).await
    }

    /// A zone of this kind, whose vCenter is in the driver's configuration.
    pub(crate) async fn of(builder: Builder) -> Self {
        let lab = builder.without_hub().start().await.unwrap();
        let zone = Self { lab };
        zone.synced().await;
        zone
    }

    /// A zone whose driver knows no vCenter yet.
    pub(crate) async fn unconnected() -> Self {
        let builder = Lab::builder().without_hub().without_configured_vcenter();
        Self {
            lab: builder.start().await.unwrap(),
        }
    }

    /// Waits until the driver has read the whole inventory.
    pub(crate) async fn synced(&self) {
        self.watch_synced().await;
    }

    /// Opens a watch that has told all there was.
    pub(crate) async fn watch_synced(&self) -> Stream {
        let mut watch = self.watch(&json!({"vcenter": lab::VCENTER}));
        let end = |message: &Value| message.get("snapshotEnd").map(drop);
        watch
            .find("the end of a snapshot", PATIENCE, end)
            .await
            .unwrap();
        watch
    }

    /// Waits until the driver says this of its connection.
    pub(crate) async fn connection(&self, state: &str) {
        let state = format!("CONNECTION_STATE_{state}");
        let mut watch = self.watch(&json!({"vcenter": lab::VCENTER}));
        let so = |message: &Value| {
            let freshness = &message["bookmark"]["freshness"];
            (freshness["connectionState"] == state.as_str()).then_some(())
        };
        watch.find(&state, PATIENCE, so).await.unwrap();
    }

    /// Opens a watch.
    pub(crate) fn watch(&self, request: &Value) -> Stream {
        self.lab.grpcurl().unwrap().stream(WATCH, request).unwrap()
    }

    /// Calls as a person, and has the answer.
    pub(crate) async fn call(&self, method: &str, request: &Value) -> Value {
        self.call_as(&self.lab.certificates().person, method, request)
            .await
    }

    /// The same with another certificate.
    pub(crate) async fn call_as(&self, leaf: &Leaf, method: &str, request: &Value) -> Value {
        let grpcurl = self.lab.grpcurl_as(leaf).unwrap();
        let answer = timeout(PATIENCE, grpcurl.call(method, request)).await;
        answer.expect("an answer in time").unwrap()
    }

    /// Calls as a person; the answer, or what was said instead.
    pub(crate) async fn attempt(&self, method: &str, request: &Value) -> Result<Value, Error> {
        let grpcurl = self.lab.grpcurl().unwrap();
        soon(method, grpcurl.call(method, request)).await
    }

    /// Calls as a person, and is refused.
    pub(crate) async fn refused(&self, method: &str, request: &Value) -> Refusal {
        self.refused_as(&self.lab.certificates().person, method, request)
            .await
    }

    /// The same with another certificate.
    pub(crate) async fn refused_as(&self, leaf: &Leaf, method: &str, request: &Value) -> Refusal {
        let grpcurl = self.lab.grpcurl_as(leaf).unwrap();
        let status = timeout(PATIENCE, grpcurl.refusal(method, request)).await;
        Refusal::of(&status.expect("an answer in time").unwrap())
    }

    /// What vCenter itself says of its machines.
    pub(crate) async fn machines(&self) -> Vec<Machine> {
        self.lab.vcenter().govc().machines().await.unwrap()
    }

    /// Names of the machines in vCenter that are on.
    pub(crate) async fn names_of_those_on(&self) -> Vec<String> {
        let machines = self.machines().await.into_iter();
        machines.filter(|it| it.on).map(|it| it.name).collect()
    }

    /// Runs govc, past driver and proxy.
    pub(crate) async fn govc(&self, arguments: &[&str]) {
        self.lab.vcenter().govc().run(arguments).await.unwrap();
    }

    /// Makes a machine as somebody else would, which is not on.
    pub(crate) async fn foreign_machine(&self, name: &str) {
        let govc = self.lab.vcenter().govc();
        govc.foreign_machine(name).await.unwrap();
    }

    /// The first line of the driver's log of which this holds. One may follow the reply that it is about.
    pub(crate) async fn logged(&self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let lines = self.lab.driver_log_lines().unwrap();
            if let Some(line) = lines.into_iter().find(&holds) {
                return line;
            }
            sleep(AGAIN).await;
        }
    }

    /// How often vCenter was called by this method.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.lab.proxy().counts().of(method).calls
    }
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn of(status: &Value) -> Self {
        let details = status["details"].as_array().into_iter().flatten();
        let mut infos = details.filter(|detail| {
            let kind = detail["@type"].as_str().unwrap_or_default();
            kind.ends_with("google.rpc.ErrorInfo")
        });
        let info = infos.next().unwrap_or(&Value::Null);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            code: status["code"].as_u64().unwrap_or_default(),
            reason: text(&info["reason"]),
            message: text(&status["message"]),
            metadata: info["metadata"].clone(),
        }
    }

    /// The code's number and the reason: what a program acts upon.
    pub(crate) fn is(&self) -> (u64, &str) {
        (self.code, &self.reason)
    }
}

/// The state of each machine in a reply, without its prefix.
pub(crate) fn states(reply: &Value) -> Vec<&str> {
    let results = reply["results"].as_array().into_iter().flatten();
    results
        .map(|result| word(&result["machine"]["state"], "VIRTUAL_MACHINE_STATE_"))
        .collect()
}

/// The reason of each fault in a reply, without its prefix; empty where there is none.
pub(crate) fn reasons(reply: &Value) -> Vec<&str> {
    let results = reply["results"].as_array().into_iter().flatten();
    results.map(|result| reason(&result["fault"])).collect()
}

/// The reason of a fault, without its prefix.
pub(crate) fn reason(fault: &Value) -> &str {
    word(&fault["reason"], "REASON_")
}

/// A value of an enum without what all of them begin with.
pub(crate) fn word<'a>(value: &'a Value, prefix: &str) -> &'a str {
    let name = value.as_str().unwrap_or_default();
    name.strip_prefix(prefix).unwrap_or(name)
}

/// Waits for something that has to come in time.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        let error = Error::TimedOut {
            what: what.to_owned(),
            after: PATIENCE,
        };
        panic!("{error}");
    };
    value
}

/// Shows figures to whoever runs the tests with `--nocapture`.
#[expect(clippy::print_stdout, reason = "that is where they are looked for")]
pub(crate) fn show(figures: &Value) {
    println!("{figures}");
}
