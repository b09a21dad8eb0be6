//! Keeps one content on its datastores for as long as somebody wants it.

use super::{
    digest::Digest,
    image::{Errand, Plan, Stage, Step},
    store::Store,
    transfer,
};
use crate::{
    audit::{self, Outcome},
    machines::work::JobId,
    vcenter::{VCenter, clock},
};
use contract::v1::Verb;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// One content of one vCenter.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What all ISOs share.
    pub store: Arc<Store>,
    /// The vCenter.
    pub vcenter: Arc<VCenter>,
    /// Key of the content.
    pub image: Digest,
    /// The job.
    pub job: JobId,
}

impl Kept {
    /// Does what is due, until nobody wants the content any more.
    pub async fn keep(self) {
        let looked = self.vcenter.read(|state| {
            let image = state.isos.image(&self.image);
            image.map(|image| (Arc::clone(&image.wake), image.stop.clone()))
        });
        let Some((wake, stop)) = looked else {
            return;
        };
        loop {
            let when = (Instant::now(), clock::now());
            let begun = self
                .vcenter
                .write(|state| state.isos.begin_due(&self.image, self.job, when));
            let Some(Plan { steps, again }) = begun else {
                return;
            };
            for step in steps {
                self.begin(step);
            }
            let again = async {
                match again {
                    Some(again) => sleep_until(again).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = wake.notified() => {}
                () = again => {}
            }
        }
    }

    /// Begins a step, which tells its end itself.
    fn begin(&self, step: Step) {
        let kept = self.clone();
        match step {
            Step::Ask(source) => self.vcenter.spawn(async move {
                let said = kept.store.fetcher.ask(&source).await;
                let Kept { image, job, .. } = kept;
                let when = (Instant::now(), clock::now());
                kept.vcenter
                    .write(|state| state.isos.asked(&image, job, said, when));
            }),
            Step::Carry(errand) => self.vcenter.spawn(async move { kept.carry(errand).await }),
        }
    }

    async fn carry(&self, errand: Box<Errand>) {
        let Self {
            store,
            vcenter,
            image,
            ..
        } = self;
        let place = (&errand.datastore, errand.job);
        let length = errand.content.as_ref().map_or(0, |content| content.length);
        let reached = |stage: Stage| {
            let how_far = (stage.clone(), percent(&stage, length));
            let now = Instant::now();
            vcenter.write(|state| state.isos.reached(image, place, how_far, now));
        };
        let begun = Instant::now();
        let result = transfer::carry(store, vcenter, &errand, &reached).await;
        let transferred = match &result {
            Ok(Some(stored)) => stored.found.is_none().then_some(Outcome::Done),
            Ok(None) => None,
            Err(fault) => Some(Outcome::Failed(fault)),
        };
        if let Some(outcome) = transferred {
            store.metrics.ended(&outcome.to_string(), begun.elapsed());
            let path = result.as_ref().ok().and_then(Option::as_ref);
            let path = path.map(|stored| stored.path.clone());
            audit::change(
                &audit::Change {
                    caller: &errand.caller,
                    owner: &errand.whose,
                    identity: path.as_deref().unwrap_or(errand.source.masked()),
                    verb: Verb::TransferIso,
                    vcenter: &vcenter.name,
                    operation_id: &errand.caller.operation_id,
                },
                outcome,
            );
        }
        let when = (Instant::now(), clock::now());
        vcenter.write(|state| state.isos.carried(image, place, result, when));
    }
}

/// How much of a file is there, of a hundred.
fn percent(stage: &Stage, length: u64) -> i32 {
    let bytes = match stage {
        Stage::Pending => 0,
        Stage::Transferring(bytes) | Stage::Verifying(bytes) => *bytes,
        Stage::Ready(_) => length,
    };
    let percent = bytes.saturating_mul(100).checked_div(length);
    i32::try_from(percent.unwrap_or_default().min(100)).unwrap_or(100)
}
