//! Tasks: they go on whatever becomes of who asked for them, and a restart forgets them.

use super::{
    State, files, handover,
    values::{self, fault, invalid_power_state, leaf, localized, reference},
};
use crate::world::{Shared, World};
use contract::identity::MachineKey;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vsphere_driver::soap::{
    Element, MoRef, VimFault, config_spec::ConfigSpec, reconfigure::Reconfiguration,
};

/// What a task does.
pub(super) enum Work {
    Create(MoRef, Box<ConfigSpec>, Option<MachineKey>),
    PowerOnAll(Vec<MoRef>),
    PowerOn(MoRef),
    PowerOff(MoRef),
    Destroy(MoRef),
    Reconfigure(MoRef, Box<Reconfiguration>),
    Search(String, String),
    MoveFile(String, String),
    DeleteFile(String),
}

/// What chance has in store for a task.
struct Fate {
    boot: u32,
    queued: Duration,
    running: Duration,
    /// From what it does to its end.
    ending: Duration,
    fails: Option<&'static str>,
    /// It does what it was to do even if vCenter restarts meanwhile.
    survives: bool,
}

/// Faults that pass by themselves.
const PASSING: [&str; 5] = [
    "InsufficientResourcesFault",
    "NoCompatibleHost",
    "HostNotConnected",
    "InaccessibleDatastore",
    "TaskInProgress",
];

impl Work {
    fn description(&self) -> &'static str {
        match self {
            Self::Create(..) => "Folder.createVm",
            Self::PowerOnAll(_) => "Datacenter.powerOnVm",
            Self::PowerOn(_) => "VirtualMachine.powerOn",
            Self::PowerOff(_) => "VirtualMachine.powerOff",
            Self::Destroy(_) => "VirtualMachine.destroy",
            Self::Reconfigure(..) => "VirtualMachine.reconfigure",
            Self::Search(..) => "HostDatastoreBrowser.search",
            Self::MoveFile(..) => "FileManager.move",
            Self::DeleteFile(_) => "FileManager.delete",
        }
    }

    fn target(&self) -> Option<&MoRef> {
        match self {
            Self::PowerOn(vm)
            | Self::PowerOff(vm)
            | Self::Destroy(vm)
            | Self::Reconfigure(vm, _) => Some(vm),
            Self::Create(..)
            | Self::PowerOnAll(_)
            | Self::Search(..)
            | Self::MoveFile(..)
            | Self::DeleteFile(_) => None,
        }
    }
}

/// Begins a task.
pub(super) fn begin(shared: &Shared, world: &mut World, work: Work) -> MoRef {
    let fate = fate(world, &work);
    let state = &mut world.vcenter;
    state.forget_old_tasks();
    let task = state.new_ref("Task", "task");
    let properties = [
        ("info.state", leaf("queued")),
        ("info.descriptionId", leaf(work.description())),
    ];
    let properties = properties.map(|(path, value)| (path.to_owned(), value));
    state.objects.insert(
        task.clone(),
        std::sync::Arc::new(properties.into_iter().collect()),
    );
    state.tasks.push_back((task.clone(), None));
    if let Work::Create(folder, spec, _) = &work {
        let place = (folder.clone(), spec.name.clone());
        if state.is_taken(&place.0, &place.1) {
            let taken = Fate {
                fails: Some("DuplicateName"),
                ..fate
            };
            tokio::spawn(run(shared.clone(), task.clone(), work, taken));
            return task;
        }
        state.reserved.insert(place);
    }
    tokio::spawn(run(shared.clone(), task.clone(), work, fate));
    task
}

fn fate(world: &mut World, work: &Work) -> Fate {
    let slow = world.weather.task_slow;
    let most = if world.chance(slow) {
        Duration::from_secs(40)
    } else {
        Duration::from_millis(800)
    };
    let fails = matches!(
        work,
        Work::Create(..)
            | Work::PowerOn(_)
            | Work::PowerOff(_)
            | Work::Destroy(_)
            | Work::Reconfigure(..)
    );
    let chance = world.weather.task_fails;
    let fails = fails && world.chance(chance);
    Fate {
        boot: world.vcenter.boot,
        queued: world.time(most / 4),
        running: world.time(most),
        ending: world.time(most / 4),
        fails: fails.then(|| PASSING[world.dice.usize(..PASSING.len())]),
        survives: world.dice.bool(),
    }
}

async fn run(shared: Shared, task: MoRef, work: Work, fate: Fate) {
    sleep(fate.queued).await;
    shared.with(|world| {
        if world.vcenter.boot == fate.boot {
            world.vcenter.set(&task, "info.state", leaf("running"));
        }
    });
    sleep(fate.running).await;
    let done = shared.with(|world| {
        let forgotten = world.vcenter.boot != fate.boot;
        // What its hosts were doing they end before it is back.
        let ends = fate.survives && world.vcenter.boot == fate.boot + 1 && !world.vcenter.up;
        if forgotten && !ends {
            release(&mut world.vcenter, &work);
            return None;
        }
        let done = match fate.fails {
            Some(type_name) => {
                if type_name != "DuplicateName" {
                    release(&mut world.vcenter, &work);
                }
                Err(fault(type_name, work.target()))
            }
            None => act(&shared, world, &work),
        };
        let (id, what) = (&task.id, work.description());
        let how = match &done {
            Ok(_) => "done".to_owned(),
            Err(fault) => fault.type_name.to_string(),
        };
        let unseen = if forgotten { ", and nobody knows" } else { "" };
        world.note(format!("  {id} {what}: {how}{unseen}"));
        (!forgotten).then_some(done)
    });
    let Some(done) = done else { return };
    sleep(fate.ending).await;
    shared.with(|world| end(&mut world.vcenter, &task, &work, &fate, done));
}

fn end(
    state: &mut State,
    task: &MoRef,
    work: &Work,
    fate: &Fate,
    done: Result<Option<Element>, VimFault>,
) {
    if state.boot != fate.boot {
        return;
    }
    if let Some(machine) = work.target().and_then(|vm| state.machines.get_mut(vm)) {
        machine.busy = false;
    }
    match done {
        Ok(result) => {
            if let Some(result) = result {
                state.set(task, "info.result", result);
            }
            state.set(task, "info.state", leaf("success"));
        }
        Err(fault) => {
            state.set(task, "info.error", localized("val", &fault));
            state.set(task, "info.state", leaf("error"));
        }
    }
    if let Some((_, ended)) = state.tasks.iter_mut().find(|(known, _)| known == task) {
        *ended = Some(Instant::now());
    }
}

/// Gives back the name that a create holds.
fn release(state: &mut State, work: &Work) {
    if let Work::Create(folder, spec, _) = work {
        state.reserved.remove(&(folder.clone(), spec.name.clone()));
    }
}

fn act(shared: &Shared, world: &mut World, work: &Work) -> Result<Option<Element>, VimFault> {
    match work {
        Work::Create(folder, spec, key) => {
            release(&mut world.vcenter, work);
            let vm = world.vcenter.add_vm(folder, spec, key.clone());
            Ok(Some(reference(&vm)))
        }
        Work::PowerOnAll(vms) => Ok(Some(power_on(shared, world, vms))),
        Work::PowerOn(vm) => switch(&mut world.vcenter, vm, true),
        Work::PowerOff(vm) => switch(&mut world.vcenter, vm, false),
        Work::Destroy(vm) => {
            let state = &mut world.vcenter;
            let machine = claim(state, vm)?;
            if machine {
                return Err(invalid_power_state("poweredOn"));
            }
            state.remove_vm(vm);
            Ok(None)
        }
        Work::Reconfigure(vm, change) => {
            claim(&mut world.vcenter, vm)?;
            handover::reconfigure(world, vm, change)
        }
        Work::Search(folder, pattern) => {
            files::search(&world.vcenter.files, folder, pattern).map(Some)
        }
        Work::MoveFile(from, to) => files::rename(&mut world.vcenter.files, from, to),
        Work::DeleteFile(path) => files::delete(&mut world.vcenter.files, path),
    }
}

/// Takes a machine for a task, and says whether it is on.
fn claim(state: &mut State, vm: &MoRef) -> Result<bool, VimFault> {
    let machine = state.machines.get_mut(vm);
    let machine = machine.ok_or_else(|| fault("ManagedObjectNotFound", Some(vm)))?;
    if machine.busy {
        return Err(fault("TaskInProgress", Some(vm)));
    }
    machine.busy = true;
    Ok(machine.on)
}

fn switch(state: &mut State, vm: &MoRef, on: bool) -> Result<Option<Element>, VimFault> {
    if claim(state, vm)? == on {
        let existing = if on { "poweredOn" } else { "poweredOff" };
        return Err(invalid_power_state(existing));
    }
    state.set_power(vm, on);
    Ok(None)
}

/// Begins to switch machines on, each by a task of its own.
fn power_on(shared: &Shared, world: &mut World, vms: &[MoRef]) -> Element {
    let mut items = Vec::new();
    for vm in vms {
        let refused = if world.vcenter.machines.contains_key(vm) {
            let chance = world.weather.task_fails;
            world
                .chance(chance / 2)
                .then(|| fault("InsufficientFailoverResourcesFault", Some(vm)))
        } else {
            Some(fault("ManagedObjectNotFound", Some(vm)))
        };
        let about = Element::reference("vm", vm);
        if let Some(refused) = refused {
            let why = values::localized("fault", &refused);
            items.push(Element::parent("notAttempted", vec![about, why]));
            continue;
        }
        let task = begin(shared, world, Work::PowerOn(vm.clone()));
        let mut attempted = vec![about];
        // DRS does some without saying how.
        if !world.chance(20) {
            attempted.push(Element::reference("task", &task));
        }
        items.push(Element::parent("attempted", attempted));
    }
    Element::parent("val", items)
}
