//! The one update loop of a vCenter: it feeds the inventory and tells how tasks end.
//!
//! Everything that is tied to the session is built with it and built anew with the next one.

mod apply;
mod task_list;
mod watching;

pub(super) use task_list::keep_task_list;

use super::{
    VCenter, clock,
    session::{Current, Failure},
};
use crate::{
    machines::absence,
    soap::property_collector::{UpdateSet, WaitOptions},
    vim::Vim,
};
use apply::{apply, complete};
use contract::v1::{ConnectionState, Fault, Reason};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use watching::{Made, Watching, build, give_up};

/// How long vCenter holds a call for updates while nothing changes.
const LONG_POLL: Duration = Duration::from_mins(1);
/// The same until the first reading is whole, which is there already.
const FIRST_POLL: Duration = Duration::from_secs(10);
/// Between two calls for updates while work is under way: what comes meanwhile comes in one reply.
const GATHER: Duration = Duration::from_millis(100);
/// Objects in one reply.
const PAGE: u32 = 500;
/// Between attempts to connect: doubled from the first to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// A login that was refused for good is looked at again after this time.
const SUSPENDED: Duration = Duration::from_mins(1);

/// Why the loop must begin anew.
enum Broken {
    /// Something failed.
    Failed(Box<Fault>),
    /// There is another session.
    Renewed,
}

/// Follows the vCenter for as long as it runs.
pub(super) async fn follow(vcenter: Arc<VCenter>) {
    let mut wait = BACK_OFF.0;
    let made = Made::default();
    loop {
        let (began, syncs) = (Instant::now(), vcenter.read(|state| state.syncs));
        match watch_once(&vcenter, &made).await {
            Broken::Renewed => wait = BACK_OFF.0,
            Broken::Failed(fault) => {
                // What was read whole, and followed for longer than the pause before, was no failure.
                let synced = vcenter.read(|state| state.syncs) > syncs;
                if synced && began.elapsed() > wait {
                    wait = BACK_OFF.0;
                }
                let pause = note_failure(&vcenter, *fault, wait);
                sleep(pause).await;
                wait = longer(wait);
            }
        }
    }
}

/// The pause after this one.
fn longer(wait: Duration) -> Duration {
    (wait * 2).min(BACK_OFF.1)
}

/// Says what is wrong; gives how long to wait before the next attempt.
fn note_failure(vcenter: &VCenter, fault: Fault, wait: Duration) -> Duration {
    let refused = matches!(
        fault.reason(),
        Reason::VcenterBadCredentials | Reason::VcenterLoginSuspended
    );
    let state = if refused {
        ConnectionState::Suspended
    } else {
        ConnectionState::Disconnected
    };
    tracing::warn!(
        vcenter = vcenter.name,
        error = fault.message,
        "Not connected"
    );
    vcenter.write(|state_of| state_of.set_connection(state, Some(fault)));
    if refused {
        vcenter
            .session
            .suspended_for()
            .unwrap_or(SUSPENDED)
            .max(SUSPENDED)
    } else {
        // Many drivers must not come back to a vCenter at the same moment.
        wait.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

async fn watch_once(vcenter: &Arc<VCenter>, made: &Made) -> Broken {
    let failed = |failure: Failure| {
        Broken::Failed(Box::new(vcenter.explain(&failure, "reading the inventory")))
    };
    if let Err(fault) = vcenter.session.ensure().await {
        return Broken::Failed(Box::new(fault));
    }
    vcenter.write(|state| state.set_connection(ConnectionState::Syncing, None));
    let tasks = vcenter.tasks.take_all();
    let before = made.take();
    let built = vcenter.session.run("", |vim, now| {
        let (tasks, made) = (tasks.clone(), made.clone());
        async move {
            build(&vim, &now, &tasks, &made)
                .await
                .map(|watching| (now.number, watching))
        }
    });
    let (number, watching) = match built.await {
        Ok(built) => built,
        Err(failure) => {
            made.put_back(before);
            // vCenter answers, and each attempt would leave something behind in it.
            if failure.vim().is_some()
                && let Some(now) = vcenter.session.current()
            {
                vcenter.spawn(give_up(Arc::clone(vcenter), made.take(), now.number));
            }
            return failed(failure);
        }
    };
    vcenter.spawn(give_up(Arc::clone(vcenter), before, number));
    vcenter.write(|state| state.tasks_view = Some(watching.tasks_view.clone()));
    // Those that came while the view was built are not in it.
    vcenter.tasks.pending.notify_one();
    let mut renewed = vcenter.session.changes();
    let broken = tokio::select! {
        biased;
        failure = read_updates(vcenter, &watching, number) => failed(failure),
        () = another(&mut renewed, number) => Broken::Renewed,
    };
    vcenter.write(|state| state.tasks_view = None);
    broken
}

async fn another(sessions: &mut watch::Receiver<Option<Current>>, number: u64) {
    let differs = |now: &Option<Current>| now.as_ref().is_some_and(|now| now.number != number);
    // The sender lives as long as the vCenter, which this loop belongs to.
    let _ = sessions.wait_for(differs).await;
}

async fn read_updates(vcenter: &Arc<VCenter>, watching: &Watching, number: u64) -> Failure {
    let mut version = String::new();
    // Until the first reply that is not cut off, the objects that are there are gathered.
    let mut present = Some(HashSet::new());
    loop {
        let max_wait = if present.is_some() {
            FIRST_POLL
        } else {
            LONG_POLL
        };
        let options = WaitOptions {
            max_wait,
            max_objects: Some(PAGE),
        };
        let updates = match wait(vcenter, watching, &version, options, number).await {
            Ok(updates) => updates,
            Err(failure) => return failure,
        };
        let Some(updates) = updates else {
            vcenter.write(|state| state.set_synced(clock::now()));
            continue;
        };
        version.clone_from(&updates.version);
        let truncated = updates.truncated;
        let left = apply(vcenter, watching, &updates, &mut present);
        if !truncated && let Some(present) = present.take() {
            complete(vcenter, &present);
            let unknown = watching
                .listed
                .iter()
                .filter(|task| !present.contains(*task));
            vcenter.tasks.lose(&unknown.cloned().collect::<Vec<_>>());
        }
        for moref in left {
            vcenter.spawn(absence::prove_lost(Arc::clone(vcenter), moref));
        }
        if !truncated && is_busy(vcenter) {
            sleep(GATHER).await;
        }
    }
}

async fn wait(
    vcenter: &VCenter,
    watching: &Watching,
    version: &str,
    options: WaitOptions,
    number: u64,
) -> Result<Option<UpdateSet>, Failure> {
    let act = |vim: Vim, now: Current| async move {
        if now.number != number {
            // The collector is gone with its session; the loop begins anew.
            std::future::pending::<()>().await;
        }
        vim.wait_for_updates(&watching.collector, version, options)
            .await
    };
    vcenter.session.run("", act).await
}

fn is_busy(vcenter: &VCenter) -> bool {
    vcenter.tasks.count() > 0 || vcenter.read(|state| state.running().all() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_hour_without_a_vcenter_is_some_forty_attempts() {
        let (mut wait, mut passed, mut attempts) = (BACK_OFF.0, Duration::ZERO, 0);
        while passed < Duration::from_mins(30) {
            attempts += 1;
            // The shortest that chance makes of it.
            passed += wait.mul_f64(0.75);
            wait = longer(wait);
        }
        assert!((40..=50).contains(&attempts), "{attempts}");
    }
}
