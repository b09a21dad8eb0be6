//! A vCenter in memory. It does what the real one does and the lab's simulator does not: one name in a
//! folder once, a duplicate instance UUID silently replaced, tasks that outlive their callers, sessions
//! and tasks that a restart forgets.

mod collector;
mod files;
mod handover;
mod inventory;
mod network;
mod port;
mod tasks;
mod values;

pub(crate) use {inventory::vm_folder, network::Client};

use crate::world::{Shared, World};
use collector::Collector;
use contract::identity::MachineKey;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use vsphere_driver::soap::{Element, MoRef, config_spec::ConfigSpec};

/// How long a finished task can be read.
const REMEMBERED: Duration = Duration::from_mins(10);

const INSTANCE_UUID: &str = "config.instanceUuid";

/// Properties of an object, by path.
pub(crate) type Properties = BTreeMap<String, Element>;

/// All that vCenter knows, and what is known of its machines beyond that.
pub(crate) struct State {
    up: bool,
    /// How often it was started.
    boot: u32,
    objects: BTreeMap<MoRef, Arc<Properties>>,
    pub(crate) machines: BTreeMap<MoRef, Machine>,
    /// Every machine that was made for a key, in order, whether it is still there or not.
    pub(crate) made: Vec<(MachineKey, MoRef)>,
    /// Every machine of a key that was ever switched on.
    pub(crate) ran: BTreeSet<(MachineKey, MoRef)>,
    /// Changes of machines that nobody but their owner may make.
    pub(crate) touched_foreign: Vec<String>,
    reserved: BTreeSet<(MoRef, String)>,
    files: files::Files,
    sessions: BTreeMap<String, Session>,
    tasks: VecDeque<(MoRef, Option<Instant>)>,
    next: u64,
    /// Calls that have arrived.
    pub(crate) calls: u64,
    /// Grows with each change of what is to be seen.
    pub(crate) changes: u64,
}

/// A machine, with what only the simulation knows of it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each may hold whatever the others say"
)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) on: bool,
    /// The key that it was made for, if the driver made it.
    pub(crate) key: Option<MachineKey>,
    /// Somebody switched it off in vCenter.
    pub(crate) switched_off: bool,
    /// The driver has begun to remove it.
    pub(crate) leaving: bool,
    busy: bool,
}

struct Session {
    /// The run of the driver that logged in.
    run: u32,
    /// The reply with it was lost: nobody can log it out.
    unknown: bool,
    views: BTreeMap<MoRef, View>,
    collectors: BTreeMap<MoRef, Collector>,
}

enum View {
    Below(Vec<String>),
    These(BTreeSet<MoRef>),
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            up: true,
            boot: 1,
            objects: inventory::objects(),
            machines: BTreeMap::new(),
            made: Vec::new(),
            ran: BTreeSet::new(),
            touched_foreign: Vec::new(),
            reserved: BTreeSet::new(),
            files: files::at_first(),
            sessions: BTreeMap::new(),
            tasks: VecDeque::new(),
            next: 100,
            calls: 0,
            changes: 1,
        }
    }

    /// Sessions of this run of the driver that it could log out.
    pub(crate) fn sessions_of(&self, run: u32) -> usize {
        let of_run = |session: &&Session| session.run == run && !session.unknown;
        self.sessions.values().filter(of_run).count()
    }

    /// Sessions that can be logged out, by the run of the driver that they belong to.
    pub(crate) fn sessions(&self) -> BTreeMap<u32, usize> {
        let mut runs = BTreeMap::new();
        for session in self.sessions.values().filter(|session| !session.unknown) {
            *runs.entry(session.run).or_default() += 1;
        }
        runs
    }

    /// Collectors and views of all sessions of this run.
    pub(crate) fn watching_of(&self, run: u32) -> (usize, usize) {
        let of_run = self.sessions.values().filter(|session| session.run == run);
        of_run.fold((0, 0), |(collectors, views), session| {
            (
                collectors + session.collectors.len(),
                views + session.views.len(),
            )
        })
    }

    /// Whether any task goes on.
    pub(crate) fn is_busy(&self) -> bool {
        self.tasks.iter().any(|(_, ended)| ended.is_none())
    }

    /// Machines that were made for this owner.
    pub(crate) fn machines_of(
        &self,
        owner: &str,
    ) -> impl Iterator<Item = (&MoRef, &Machine, &MachineKey)> {
        self.machines.iter().filter_map(move |(moref, machine)| {
            let key = machine.key.as_ref().filter(|key| key.owner_uid == owner)?;
            Some((moref, machine, key))
        })
    }

    /// The mark that a machine bears: owner and slot.
    pub(crate) fn mark_of(&self, moref: &MoRef) -> Option<(String, i32)> {
        let properties = self.objects.get(moref)?;
        let value = |key: &str| {
            let option = properties.get(&format!("config.extraConfig[\"hcp-vsphere.{key}\"]"))?;
            option.str("value").map(str::to_owned)
        };
        Some((value("owner-uid")?, value("slot")?.parse().ok()?))
    }

    fn new_ref(&mut self, kind: &str, prefix: &str) -> MoRef {
        self.next += 1;
        MoRef::new(kind, format!("{prefix}-{}", self.next))
    }

    fn set(&mut self, object: &MoRef, path: &str, value: Element) {
        if let Some(properties) = self.objects.get_mut(object) {
            Arc::make_mut(properties).insert(path.to_owned(), value);
            self.changes += 1;
        }
    }

    fn unset(&mut self, object: &MoRef, path: &str) {
        if let Some(properties) = self.objects.get_mut(object) {
            Arc::make_mut(properties).remove(path);
            self.changes += 1;
        }
    }

    fn set_power(&mut self, vm: &MoRef, on: bool) {
        let word = if on { "poweredOn" } else { "poweredOff" };
        self.set(vm, "runtime.powerState", values::leaf(word));
        if let Some(machine) = self.machines.get_mut(vm) {
            machine.on = on;
            if let Some(key) = machine.key.clone().filter(|_| on) {
                self.ran.insert((key, vm.clone()));
            }
        }
    }

    fn remove_vm(&mut self, vm: &MoRef) {
        self.objects.remove(vm);
        self.machines.remove(vm);
        self.changes += 1;
    }

    pub(crate) fn is_taken(&self, folder: &MoRef, name: &str) -> bool {
        self.child(folder, name).is_some()
            || self.reserved.contains(&(folder.clone(), name.to_owned()))
    }

    fn child(&self, parent: &MoRef, name: &str) -> Option<&MoRef> {
        let fits = |properties: &Properties| {
            properties.get("name").is_some_and(|n| n.text() == name)
                && properties.get("parent").and_then(Element::moref).as_ref() == Some(parent)
        };
        let found = self
            .objects
            .iter()
            .find(|(_, properties)| fits(properties.as_ref()));
        found.map(|(moref, _)| moref)
    }

    /// Puts a machine into a folder. An instance UUID that is taken is replaced, and nobody told.
    fn add_vm(&mut self, folder: &MoRef, spec: &ConfigSpec, key: Option<MachineKey>) -> MoRef {
        let vm = self.new_ref("VirtualMachine", "vm");
        let mut instance = spec.instance_uuid.clone().unwrap_or_default();
        if self.is_used(&instance) {
            instance = self.other_uuid();
        }
        let bios = spec.uuid.clone().unwrap_or_default();
        let mut properties = values::machine(&spec.name, folder, &instance, &bios);
        for (key, value) in &spec.extra_config {
            let path = format!("config.extraConfig[\"{key}\"]");
            properties.insert(path, values::option(key, value));
        }
        self.objects.insert(vm.clone(), Arc::new(properties));
        let machine = Machine {
            name: spec.name.clone(),
            on: false,
            key: key.clone(),
            switched_off: false,
            leaving: false,
            busy: false,
        };
        self.machines.insert(vm.clone(), machine);
        self.made.extend(key.map(|key| (key, vm.clone())));
        self.changes += 1;
        vm
    }

    fn is_used(&self, instance_uuid: &str) -> bool {
        let uuid = |p: &Arc<Properties>| p.get(INSTANCE_UUID).map(|it| it.text() == instance_uuid);
        self.objects.values().any(|it| uuid(it) == Some(true))
    }

    /// What vCenter gives instead of an instance UUID that is taken.
    fn other_uuid(&self) -> String {
        Uuid::from_u128(u128::from(self.next)).to_string()
    }

    // --- What others do in vCenter ---

    /// Somebody makes a machine, with a mark that was copied or none.
    pub(crate) fn make_foreign(&mut self, name: &str, mark: Option<&MachineKey>) {
        let settings = mark.map_or_else(Vec::new, |key| {
            [
                ("hub-id", key.hub_id.clone()),
                ("owner", "VMwareNodePoolTemplate/clusters/pool-a".to_owned()),
                ("owner-uid", key.owner_uid.clone()),
                ("slot", key.slot.to_string()),
                ("spec-hash", "x".to_owned()),
                ("revision", "1".to_owned()),
            ]
            .map(|(key, value)| (format!("hcp-vsphere.{key}"), value))
            .to_vec()
        });
        let spec = ConfigSpec {
            name: name.to_owned(),
            instance_uuid: Some(Uuid::from_u128(u128::from(self.next) << 64).to_string()),
            extra_config: settings,
            ..ConfigSpec::default()
        };
        self.add_vm(&inventory::vm_folder(), &spec, None);
    }

    /// Somebody switches a machine off.
    pub(crate) fn switch_off(&mut self, vm: &MoRef) {
        self.set_power(vm, false);
        if let Some(machine) = self.machines.get_mut(vm) {
            machine.switched_off = true;
        }
    }

    /// Somebody deletes a machine.
    pub(crate) fn delete(&mut self, vm: &MoRef) {
        self.remove_vm(vm);
    }

    /// All sessions end, as by an administrator.
    pub(crate) fn end_sessions(&mut self) {
        self.sessions.clear();
        self.changes += 1;
    }

    /// It goes down, and forgets sessions and tasks. What its hosts were told to do, they may still do.
    fn go_down(&mut self) {
        self.up = false;
        self.boot += 1;
        self.sessions.clear();
        for (task, _) in self.tasks.drain(..) {
            self.objects.remove(&task);
        }
        for machine in self.machines.values_mut() {
            machine.busy = false;
        }
        self.changes += 1;
    }

    fn forget_old_tasks(&mut self) {
        let old = |ended: Option<Instant>| ended.is_some_and(|at| at.elapsed() > REMEMBERED);
        while self.tasks.front().is_some_and(|(_, ended)| old(*ended)) {
            if let Some((task, _)) = self.tasks.pop_front() {
                self.objects.remove(&task);
            }
        }
    }
}

/// Restarts vCenter, which is away for so long.
pub(crate) fn restart(shared: &Shared, away: Duration) {
    shared.with(|world: &mut World| {
        world.note(format!("vCenter restarts, away for {away:?}"));
        world.vcenter.go_down();
    });
    shared.shake_vcenter();
    let shared = shared.clone();
    tokio::spawn(async move {
        sleep(away).await;
        shared.with(|world| {
            world.note("vCenter is back");
            world.vcenter.up = true;
        });
        shared.shake_vcenter();
    });
}
