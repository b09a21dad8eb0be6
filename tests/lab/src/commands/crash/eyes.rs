//! What is looked at after each round and at the end, whatever was played.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lab::Lab;
use lab::vcenter::Govc;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::canary;
use super::invariants::{Invariant, Judge};
use super::world::{Strangers, World};
use crate::commands::isos::is_whole;

/// How often one call may be repeated for one object, in how much time.
const REPEATS: (usize, Duration) = (10, Duration::from_secs(10));
/// The time between two looks at how many machines there are.
const LOOK: Duration = Duration::from_secs(1);

/// Counts machines all the time, and keeps the most.
pub(in crate::commands) struct Census {
    most: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Census {
    /// Begins.
    pub(in crate::commands) fn start(govc: Govc) -> Self {
        let most = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&most);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(found) = govc.run(&["find", "/", "-type", "m"]).await {
                    counted.fetch_max(found.lines().count(), Ordering::Relaxed);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { most, task }
    }

    /// The most that there were, if a count ever came off.
    pub(in crate::commands) fn end(&self) -> Option<usize> {
        let most = self.most.load(Ordering::Relaxed);
        // There are always machines of others.
        (most > 0).then_some(most)
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How often machines of others were changed: by the calls that named them, and by how they are.
pub(in crate::commands) fn touched(
    lab: &Lab,
    strangers: &Strangers,
    world: &World,
    judge: &mut Judge,
) -> usize {
    let journal = lab.proxy().journal();
    let morefs = strangers.morefs();
    let calls: Vec<_> = journal
        .touching(&morefs)
        .map(|call| format!("{} {:?}", call.method, call.objects))
        .collect();
    judge.none_of(Invariant::I3, "calls for machines of others", &calls);
    let changed = strangers.changed(world);
    judge.none_of(Invariant::I3, "not as they were", &changed);
    calls.len() + changed.len()
}

/// Nothing was asked for again and again without a pause, and nothing was written over an ISO.
pub(in crate::commands) fn calm(lab: &Lab, judge: &mut Judge) -> anyhow::Result<()> {
    let (bound, span) = REPEATS;
    for proxy in [lab.proxy(), lab.rpcs()?] {
        let journal = proxy.journal();
        for ((method, object), times) in journal.busier_than(bound, span) {
            let seconds = span.as_secs();
            let what = format!("{method} {object}: {times} times in {seconds} s");
            judge.violated(Invariant::I12, &what);
        }
        let calls = journal.0.iter();
        let files = calls
            .filter(|call| call.method.starts_with("HTTP"))
            .flat_map(|call| &call.objects);
        let isos: Vec<_> = files.filter(|file| is_whole(file)).cloned().collect();
        judge.none_of(Invariant::I9, "written in their places", &isos);
    }
    Ok(())
}

/// There are no more sessions of the driver than `most`, beside those that it cannot know of: vCenter
/// answered the login, and the answer was lost. vCenter ends these when they have been idle.
pub(in crate::commands) async fn sessions(
    lab: &Lab,
    most: usize,
    judge: &mut Judge,
) -> anyhow::Result<()> {
    let sessions = lab.vcenter().sessions().await?;
    // govc's own come and go with its commands.
    let govc = |session: &&Value| {
        let agent = session["userAgent"].as_str().unwrap_or_default();
        agent.contains("govc")
    };
    let sessions = sessions.iter().filter(|it| !govc(it)).count();
    let lost = usize::try_from(lab.proxy().lost("Login"))?;
    judge.must(Invariant::I7, sessions <= most + lost, || {
        format!("{sessions} sessions, {most} and {lost} whose login's answer was lost are expected")
    });
    Ok(())
}

/// Stops both services, and judges what can only be judged then.
pub(in crate::commands) async fn end(lab: &mut Lab, judge: &mut Judge) -> anyhow::Result<()> {
    lab.stop_controller().await?;
    lab.stop_driver().await?;
    sessions(lab, 0, judge).await?;
    let password = lab.vcenter().password();
    let found = canary::search(lab.folder(), password)?;
    judge.must(Invariant::I11, found.bytes > 0, || {
        "no log was read".to_owned()
    });
    judge.none_of(Invariant::I11, "a password is in", &found.logs);
    Ok(())
}
