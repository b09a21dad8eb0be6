//! Looks all the time at the driver's files and at who mounts them, past the driver and the proxy.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use lab::agents::Guest;
use lab::images::Content;
use lab::vcenter::Disk;
use lab::{DATASTORE, Lab, control};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::FOLDER;
use super::rule::{Figures, Look, Mounts, Rule};
use crate::commands::crash::invariants::{Invariant, Judge};

/// The time between two looks: shorter than a machine needs from its start to its installation.
const LOOK: Duration = Duration::from_millis(200);
/// How long a look may take to come off.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    rule: Rule,
    /// What did not hold since the last time that somebody asked.
    faults: BTreeSet<String>,
}

/// A task that looks, until this is dropped.
pub(in crate::commands) struct Watch {
    seen: Arc<Mutex<Seen>>,
    looked: watch::Receiver<()>,
    task: JoinHandle<()>,
}

// === impl Watch ===

impl Watch {
    pub(in crate::commands) async fn start(lab: &Lab) -> anyhow::Result<Self> {
        let disk = lab.vcenter().govc().disk(DATASTORE).await?;
        let seen = Arc::default();
        let (tell, looked) = watch::channel(());
        let task = look_again_and_again(lab.vcenter().control(), disk, Arc::clone(&seen), tell);
        Ok(Self {
            seen,
            looked,
            task: tokio::spawn(task),
        })
    }

    /// From now on a file may hold this.
    pub(in crate::commands) fn know(&self, content: &Content) {
        let (sha256, size) = (content.sha256(), content.size());
        lock(&self.seen).rule.know(sha256, size);
    }

    /// Tells what did not hold since the last time, after one more look.
    pub(in crate::commands) async fn told(&mut self, judge: &mut Judge) {
        let looked = tokio::time::timeout(PATIENCE, self.looked.changed()).await;
        judge.must(Invariant::I9, matches!(looked, Ok(Ok(()))), || {
            "nobody could look at the files".to_owned()
        });
        let faults = std::mem::take(&mut lock(&self.seen).faults);
        for fault in faults {
            judge.violated(Invariant::I9, &fault);
        }
        if self.figures().is_exercised() {
            judge.exercised(Invariant::I9);
        }
    }

    pub(in crate::commands) fn figures(&self) -> Figures {
        lock(&self.seen).rule.figures()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // A look is judged as a whole: nothing is left half done.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look_again_and_again(
    vcenter: SocketAddr,
    mut disk: Disk,
    seen: Arc<Mutex<Seen>>,
    tell: watch::Sender<()>,
) {
    loop {
        // Who cannot look is missed by whoever waits for it to be told.
        if let Ok(look) = look(vcenter, &mut disk).await {
            let mut seen = lock(&seen);
            let faults = seen.rule.judge(look);
            seen.faults.extend(faults);
            drop(seen);
            tell.send_replace(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(vcenter: SocketAddr, disk: &mut Disk) -> anyhow::Result<Look> {
    let before = mounts(vcenter).await?;
    let files = tokio::task::block_in_place(|| disk.files(FOLDER))?;
    let after = mounts(vcenter).await?;
    let files = files.into_iter();
    let files = files.map(|(name, file)| (format!("[{DATASTORE}] {FOLDER}/{name}"), file));
    Ok(Look::of(files.collect(), &before, &after))
}

/// What machines have in their drives of the files in the driver's folder.
async fn mounts(vcenter: SocketAddr) -> anyhow::Result<Mounts> {
    let guests = control::ask(vcenter, Method::GET, "/guests", &Value::Null).await?;
    let guests: Vec<Guest> = serde_json::from_value(guests)?;
    let ours = format!("[{DATASTORE}] {FOLDER}/");
    let mounts = guests.into_iter().map(|guest| (guest.vm, guest.iso));
    Ok(mounts.filter(|(_, iso)| iso.starts_with(&ours)).collect())
}
