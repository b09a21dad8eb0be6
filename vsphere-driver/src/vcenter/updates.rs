//! The one update loop of a vCenter: it feeds the inventory and tells how tasks end.
//!
//! Everything that is tied to the session is built with it and built anew with the next one.

use super::{
    VCenter, clock,
    session::{Current, Failure},
};
use crate::{
    inventory::properties::{TYPES, VIRTUAL_MACHINE, apply_to_vm, watched},
    machines::absence,
    soap::{
        Error, MoRef,
        property_collector::{
            FilterSpec, ObjectChange, ObjectUpdate, PropertySpec, UpdateSet, WaitOptions,
        },
        task::PATHS,
    },
    vim::Vim,
};
use contract::v1::{ConnectionState, Fault, Reason};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// How long vCenter holds a call for updates while nothing changes.
const LONG_POLL: Duration = Duration::from_mins(1);
/// The same until the first reading is whole, which is there already.
const FIRST_POLL: Duration = Duration::from_secs(10);
/// Between two calls for updates while work is under way: what comes meanwhile comes in one reply.
const GATHER: Duration = Duration::from_millis(100);
/// Between two changes of the list of tasks.
const LIST_CHANGES: Duration = Duration::from_millis(100);
/// Objects in one reply.
const PAGE: u32 = 500;
/// Between attempts to connect: doubled from the first to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(1));
/// A login that was refused for good is looked at again after this time.
const SUSPENDED: Duration = Duration::from_mins(1);

/// What the loop watches with.
#[derive(Clone, Debug)]
struct Watching {
    collector: MoRef,
    /// Tasks that the list view began with.
    listed: Vec<MoRef>,
    tasks_view: MoRef,
    tasks_filter: MoRef,
}

/// Collectors and views that were made, each with the number of its session. They end with it; where
/// the loop begins anew in the same one, the old ones are given up.
#[derive(Clone, Debug, Default)]
struct Made(Arc<Mutex<Vec<(u64, MoRef)>>>);

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

async fn build(vim: &Vim, now: &Current, tasks: &[MoRef], made: &Made) -> Result<Watching, Error> {
    let content = &now.content;
    let note = |object: MoRef| made.note(now.number, object);
    let collector = vim
        .create_property_collector(&content.property_collector)
        .await
        .map(note)?;
    let root = &content.root_folder;
    let view = vim
        .create_container_view(&content.view_manager, root, &TYPES)
        .await
        .map(note)?;
    vim.create_filter(&collector, &FilterSpec::of_view(&view, watched()))
        .await?;
    let tasks_view = vim
        .create_list_view(&content.view_manager, tasks)
        .await
        .map(note)?;
    let of_tasks = [PropertySpec::new("Task", PATHS)];
    let spec = FilterSpec::of_view(&tasks_view, of_tasks);
    let tasks_filter = vim.create_filter(&collector, &spec).await?;
    let listed = tasks.to_vec();
    Ok(Watching {
        collector,
        listed,
        tasks_view,
        tasks_filter,
    })
}

/// Gives up what earlier turns of the loop have made in this session: nobody reads it any more.
async fn give_up(vcenter: Arc<VCenter>, objects: Vec<(u64, MoRef)>, session: u64) {
    for (_, object) in objects.iter().filter(|(number, _)| *number == session) {
        let given_up = vcenter.session.run("", |vim, now| async move {
            match &*object.kind {
                // It went with its session.
                _ if now.number != session => Ok(()),
                "PropertyCollector" => vim.destroy_property_collector(object).await,
                _ => vim.destroy_view(object).await,
            }
        });
        if let Err(failure) = given_up.await {
            let fault = vcenter.explain(&failure, "giving up what was watched with before");
            tracing::debug!(vcenter = vcenter.name, %object, error = fault.message, "Left behind");
        }
    }
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

/// Takes over one set of updates. Gives the machines that left the view and need proof.
fn apply(
    vcenter: &VCenter,
    watching: &Watching,
    updates: &UpdateSet,
    present: &mut Option<HashSet<MoRef>>,
) -> Vec<MoRef> {
    let (tasks, objects): (Vec<_>, Vec<_>) = updates
        .filters
        .iter()
        .partition(|filter| filter.filter == watching.tasks_filter);
    let left = vcenter.write(|state| {
        state.set_synced(clock::now());
        let mut left = Vec::new();
        for update in objects.iter().flat_map(|filter| &filter.objects) {
            if let Some(present) = present {
                present.insert(update.object.clone());
            }
            if &*update.object.kind == VIRTUAL_MACHINE {
                left.extend(apply_machine(state, update));
            } else if update.kind == ObjectChange::Leave {
                state.inventory.remove(&update.object);
            } else {
                for change in &update.changes {
                    state
                        .inventory
                        .apply(&update.object, &change.path, change.value.as_ref());
                }
            }
        }
        left
    });
    for update in tasks.iter().flat_map(|filter| &filter.objects) {
        if let Some(present) = present {
            present.insert(update.object.clone());
        }
        vcenter.tasks.update(update);
    }
    vcenter.power_ons.see(vcenter);
    left
}

fn apply_machine(state: &mut super::State, update: &ObjectUpdate) -> Option<MoRef> {
    if update.kind == ObjectChange::Leave {
        return state.lose_vm(&update.object).then(|| update.object.clone());
    }
    state.change_vm(&update.object, |vm| {
        for change in &update.changes {
            apply_to_vm(vm, &change.path, change.value.as_ref());
        }
    });
    None
}

/// The first reading is whole: what was known before and is not in it has left.
fn complete(vcenter: &Arc<VCenter>, present: &HashSet<MoRef>) {
    let left = vcenter.write(|state| {
        state.inventory.retain(|moref| present.contains(moref));
        let mut absent: Vec<_> = state
            .vms()
            .map(|(moref, _)| moref)
            .filter(|m| !present.contains(m))
            .cloned()
            .collect();
        absent.sort();
        state.syncs += 1;
        state.set_connection(ConnectionState::Connected, None);
        absent
            .into_iter()
            .filter(|moref| state.lose_vm(moref))
            .collect::<Vec<_>>()
    });
    tracing::info!(vcenter = vcenter.name, objects = present.len(), "Connected");
    for moref in left {
        vcenter.spawn(absence::prove_lost(Arc::clone(vcenter), moref));
    }
}

/// Adds tasks that are waited for to the list view and takes ended ones off it, in batches.
pub(super) async fn keep_task_list(vcenter: Arc<VCenter>) {
    let view_of = |vcenter: &VCenter| vcenter.read(|state| state.tasks_view.clone());
    loop {
        vcenter.tasks.pending.notified().await;
        sleep(LIST_CHANGES).await;
        let Some(view) = view_of(&vcenter) else {
            // A new list view begins with all tasks that are waited for.
            continue;
        };
        let (add, remove) = vcenter.tasks.take_pending();
        if add.is_empty() {
            continue;
        }
        let change = vcenter.session.run("", |vim, _| {
            let (view, add, remove) = (view.clone(), add.clone(), remove.clone());
            async move { vim.modify_list_view(&view, &add, &remove).await }
        });
        match change.await {
            Ok(unknown) => vcenter.tasks.lose(&unknown),
            Err(failure) => {
                let doing = "watching tasks";
                let fault = failure.explain(doing, &vcenter.session.server());
                tracing::warn!(
                    vcenter = vcenter.name,
                    error = fault.message,
                    "Tasks not listed"
                );
                retry(&vcenter, add, view_of(&vcenter) == Some(view));
            }
        }
    }
}

/// Tasks that could not be listed are listed again; with a new view, they are in it already.
fn retry(vcenter: &VCenter, tasks: Vec<MoRef>, same_view: bool) {
    if same_view {
        vcenter.tasks.put_back(tasks);
        vcenter.tasks.pending.notify_one();
    }
}

// === impl Made ===

impl Made {
    /// Notes an object, and gives it.
    fn note(&self, session: u64, object: MoRef) -> MoRef {
        self.put_back(vec![(session, object.clone())]);
        object
    }

    fn take(&self) -> Vec<(u64, MoRef)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, objects: Vec<(u64, MoRef)>) {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.extend(objects);
    }
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
