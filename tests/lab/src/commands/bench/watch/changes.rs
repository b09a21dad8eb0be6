//! Changes by others, from vCenter to the status.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use contract::v1::watch_virtual_machines_response::Event;
use contract::v1::{PowerState, WatchVirtualMachinesResponse};
use lab::Lab;
use serde_json::Value;
use tokio::sync::Mutex;

use super::resume::Reader;
use crate::commands::bench::pools;

/// Between two changes: more than one falls into the second in which a status is written once.
const PAUSE: Duration = Duration::from_millis(300);
/// How long all changes may take to be told, beyond the pauses.
const PATIENCE: Duration = Duration::from_mins(1);

/// How the changes were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Of each change: from vCenter to the status.
    pub(super) seconds: Vec<f64>,
    /// Of each change: from vCenter to the driver's watch.
    pub(super) stream_seconds: Vec<f64>,
    /// Messages of the driver's watch that told of machines.
    pub(super) messages: u64,
    /// Machines in them.
    pub(super) machines: u64,
}

/// When each machine, by its managed object id, was switched off.
type Switched = Mutex<HashMap<String, Instant>>;

/// Switches machines off past the driver, one after the other, and waits until the status tells all.
pub(super) async fn play(lab: &Lab, count: u32, mut stream: Reader) -> anyhow::Result<Told> {
    let victims = victims(lab).await?;
    let count = usize::try_from(count)?.min(victims.len());
    let step = victims.len() / count;
    let switched = Switched::default();
    let switch = async {
        for moref in victims.iter().step_by(step).take(count) {
            lab.vcenter().switch(moref, false).await?;
            switched.lock().await.insert(moref.clone(), Instant::now());
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    let mut told = Told::default();
    let mut streamed = BTreeMap::new();
    let listen = async {
        loop {
            let (message, read) = stream.next().await?;
            told.messages += u64::from(read.machines > 0);
            told.machines += read.machines;
            for moref in switched_off(&message) {
                streamed.entry(moref.to_owned()).or_insert(Instant::now());
            }
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<_, anyhow::Error>(())
    };
    let seconds = tokio::select! {
        seconds = async { tokio::try_join!(statuses(lab, count), switch) } => seconds?.0,
        ended = listen => return Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("no watch"))),
    };
    let since = switched.into_inner();
    told.seconds = after(&since, seconds);
    told.stream_seconds = after(&since, streamed);
    anyhow::ensure!(
        told.seconds.len() == count,
        "{} changes were told",
        told.seconds.len()
    );
    Ok(told)
}

/// How long after its change each machine was seen.
fn after(since: &HashMap<String, Instant>, seen: BTreeMap<String, Instant>) -> Vec<f64> {
    seen.into_iter()
        .filter_map(|(moref, at)| {
            let since = since.get(&moref)?;
            Some(at.saturating_duration_since(*since).as_secs_f64())
        })
        .collect()
}

/// Managed object ids of the machines that a message tells to be off.
fn switched_off(message: &WatchVirtualMachinesResponse) -> impl Iterator<Item = &str> {
    let changed = match &message.event {
        Some(Event::Changes(changes)) => changes.changed.as_slice(),
        _ => &[],
    };
    let off = changed
        .iter()
        .filter(|machine| machine.power_state() == PowerState::Off);
    off.map(|machine| machine.moref.as_str())
}

/// When each of so many machines was first seen off in the status.
async fn statuses(lab: &Lab, count: usize) -> anyhow::Result<BTreeMap<String, Instant>> {
    let mut seen = BTreeMap::new();
    let within = PAUSE * u32::try_from(count)? + PATIENCE;
    pools::follow(lab, within, |_, status| {
        let now = Instant::now();
        for moref in of_power(status, "poweredOff") {
            seen.entry(moref.to_owned()).or_insert(now);
        }
        seen.len() >= count
    })
    .await?;
    Ok(seen)
}

/// Managed object ids of all machines that are on, as the statuses have them.
pub(super) async fn victims(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let templates = lab
        .templates()?
        .list(&kube::api::ListParams::default())
        .await?;
    let morefs = templates
        .iter()
        .flat_map(|template| of_power(&template.data["status"], "poweredOn"));
    Ok(morefs.map(str::to_owned).collect())
}

fn of_power<'a>(status: &'a Value, power: &'a str) -> impl Iterator<Item = &'a str> {
    let entries = status["vmStatus"].as_array().into_iter().flatten();
    entries
        .filter(move |entry| entry["powerState"] == power)
        .filter_map(|entry| entry["moref"].as_str())
}
