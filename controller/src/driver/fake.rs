//! A driver in memory, with a vCenter in which everything succeeds at once unless told otherwise.

use super::{
    Adopted, Adopting, Adoption, Amounts, Answer, Caller, Capacity, CapacityQuestion, Changes,
    ComputeCapacity, DatastoreCapacity, Driver, Event, Fault, Freshness, Iso, IsoChanges, IsoEvent,
    IsoSource, IsoStand, IsoWanted, Kind, Login, Machine, MachineRef, MachineSpec, Message, On,
    Owner, Ownership, Placement, Power, Retry, Scope, State, Tombstone, Vcenter, Wanted, spec_hash,
};
use contract::identity::{MachineKey, serial_number};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// Messages that a slow watcher may be behind.
const BEHIND: usize = 1024;

/// A driver in memory; clones are the same one.
#[derive(Clone, Debug)]
pub struct FakeDriver(Arc<Mutex<World>>);

#[derive(Debug)]
struct World {
    run: u32,
    connected: Vec<Login>,
    machines: BTreeMap<MachineKey, Machine>,
    revision: i64,
    /// Machines stay in the state that their creation begins with.
    slow: bool,
    refusal: Option<Fault>,
    /// Nobody is there.
    down: bool,
    /// Calls that were tried then.
    in_vain: usize,
    /// The vCenter does not answer, for this reason.
    outage: Option<Fault>,
    calls: Vec<String>,
    /// What there is room for, or why that is not known.
    capacity: Result<Capacity, Fault>,
    /// ISOs that were asked for, in order.
    asked_isos: Vec<IsoWanted>,
    /// Those that are wished for, by vCenter and UID of their owners.
    isos: BTreeMap<(String, String), IsoWanted>,
    /// What is told of them, and of which vCenter.
    iso_changes: broadcast::Sender<(String, IsoEvent)>,
    /// How far an ISO is that is to be fetched; `None`: it is there at once.
    transfer: Option<IsoStand>,
    /// Guests hold their drives, which is told so.
    held_drives: Option<Fault>,
    /// What machines boot, by slot.
    booted: BTreeMap<i32, String>,
    /// Questions for the room.
    questions: Vec<CapacityQuestion>,
    changes: broadcast::Sender<Event>,
}

// === impl FakeDriver ===

impl Default for FakeDriver {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(World {
            run: 1,
            connected: Vec::new(),
            machines: BTreeMap::new(),
            revision: 0,
            slow: false,
            refusal: None,
            down: false,
            in_vain: 0,
            outage: None,
            calls: Vec::new(),
            capacity: Ok(ample()),
            asked_isos: Vec::new(),
            isos: BTreeMap::new(),
            iso_changes: broadcast::channel(BEHIND).0,
            transfer: None,
            held_drives: None,
            booted: BTreeMap::new(),
            questions: Vec::new(),
            changes: broadcast::channel(BEHIND).0,
        })))
    }
}

impl FakeDriver {
    /// What was called, in order, with slots.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// From now on there is so much room, or this is why nobody knows.
    pub fn measures(&self, capacity: Result<Capacity, Fault>) {
        self.lock().capacity = capacity;
    }

    /// What was asked of the room, in order. These are not among the calls: they change nothing.
    pub fn questions(&self) -> Vec<CapacityQuestion> {
        self.lock().questions.clone()
    }

    /// ISOs that were asked for, in order.
    pub fn isos(&self) -> Vec<IsoWanted> {
        self.lock().asked_isos.clone()
    }

    /// What the machines boot that were asked for, in the order of their slots.
    pub fn booted(&self) -> Vec<String> {
        self.lock().booted.values().cloned().collect()
    }

    /// From now on an ISO that is to be fetched is so far; `None`: it is there at once.
    pub fn transfers(&self, stand: Option<IsoStand>) {
        let mut world = self.lock();
        world.transfer = stand;
        for (key, wanted) in world.isos.clone() {
            world.tell_of_iso(&key, &wanted);
        }
    }

    /// From now on guests hold their drives, which is told so; `None`: they let go.
    pub fn hold_drives(&self, fault: Option<Fault>) {
        self.lock().held_drives = fault;
    }

    /// Somebody withdraws the ISOs of the owner of this UID by hand.
    pub fn withdraw(&self, uid: &str) {
        let mut world = self.lock();
        let all: Vec<_> = world.isos.keys().cloned().collect();
        for key in all.iter().filter(|(_, owner)| owner == uid) {
            world.forget_iso(key);
        }
    }

    /// The vCenters where an ISO is wished for, once for each owner.
    pub fn wishes(&self) -> Vec<String> {
        let world = self.lock();
        let vcenters = world.isos.keys().map(|(vcenter, _)| vcenter.clone());
        vcenters.collect()
    }

    /// How many calls were tried while nobody was there.
    pub fn calls_in_vain(&self) -> usize {
        self.lock().in_vain
    }

    /// Users that were connected, in order.
    pub fn users(&self) -> Vec<String> {
        let world = self.lock();
        let users = world.connected.iter().map(|login| login.username.clone());
        users.collect()
    }

    /// Slots that hold a machine.
    pub fn slots(&self) -> Vec<i32> {
        self.lock().machines.keys().map(|key| key.slot).collect()
    }

    /// From now on machines that are asked for stay in the making.
    pub fn make_slowly(&self) {
        self.lock().slow = true;
    }

    /// Ends the making of those that are in it.
    pub fn finish(&self) {
        let mut world = self.lock();
        world.slow = false;
        let machines: Vec<_> = world.machines.values().cloned().collect();
        for machine in machines {
            world.put(Machine {
                moref: format!("vm-{}", machine.slot().unwrap_or_default()),
                state: State::Running,
                power: Some(Power::On),
                ..machine
            });
        }
    }

    /// From now on each mutation is refused so, or none.
    pub fn refuse(&self, fault: Option<Fault>) {
        self.lock().refusal = fault;
    }

    /// Changes a machine, as somebody in vCenter would.
    pub fn change(&self, slot: i32, change: impl FnOnce(&mut Machine)) {
        let mut world = self.lock();
        let found = world
            .machines
            .values()
            .find(|found| found.slot() == Some(slot));
        if let Some(mut machine) = found.cloned() {
            change(&mut machine);
            world.put(machine);
        }
    }

    /// Removes a machine, as somebody in vCenter would.
    pub fn remove(&self, slot: i32) {
        let mut world = self.lock();
        let key = world.machines.keys().find(|key| key.slot == slot).cloned();
        if let Some(key) = key {
            world.remove(&key);
        }
    }

    /// Is killed, and stays so until it is started again.
    pub fn kill(&self) {
        self.restart();
        self.lock().down = true;
    }

    /// Is started after it was killed.
    pub fn start(&self) {
        self.lock().down = false;
    }

    /// Its streams end, though it goes on.
    pub fn end_streams(&self) {
        let mut world = self.lock();
        world.changes = broadcast::channel(BEHIND).0;
        world.iso_changes = broadcast::channel(BEHIND).0;
    }

    /// The vCenter is out of reach for this reason, or back.
    pub fn outage(&self, fault: Option<Fault>) {
        let mut world = self.lock();
        world.outage = fault;
        let bookmark = Event::Bookmark(world.freshness());
        let _ = world.changes.send(bookmark);
    }

    /// Is killed and started again: all vCenters are forgotten, all streams end.
    pub fn restart(&self) {
        let mut world = self.lock();
        world.run += 1;
        world.connected.clear();
        world.isos.clear();
        world.changes = broadcast::channel(BEHIND).0;
        world.iso_changes = broadcast::channel(BEHIND).0;
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, vcenter: &str, call: String) -> Result<MutexGuard<'_, World>, Fault> {
        let mut world = self.lock();
        world.listens()?;
        world.calls.push(call);
        if !world.knows(vcenter) {
            return Err(unknown());
        }
        Ok(world)
    }
}

impl Driver for FakeDriver {
    async fn connect(&self, _: &Caller, login: &Login) -> Result<Vcenter, Fault> {
        let mut world = self.lock();
        world.listens()?;
        world.calls.push("connect".into());
        world.connected.push(login.clone());
        Ok(Vcenter {
            name: format!("vc-{}-{}", world.run, login.username),
            instance_uuid: format!("uuid of {}", login.server),
            freshness: world.freshness(),
        })
    }

    async fn disconnect(&self, _: &Caller, vcenter: &str) -> Result<(), Fault> {
        self.lock().calls.push(format!("disconnect {vcenter}"));
        Ok(())
    }

    async fn check_placement(
        &self,
        vcenter: &str,
        _: &MachineSpec,
        _: Scope,
    ) -> Result<Placement, Fault> {
        drop(self.enter(vcenter, "check".into())?);
        Ok(Placement {
            folder: "/DC0/vm".into(),
            ..Placement::default()
        })
    }

    async fn capacity(
        &self,
        vcenter: &str,
        _: &MachineSpec,
        question: CapacityQuestion,
    ) -> Result<Capacity, Fault> {
        let mut world = self.lock();
        world.listens()?;
        world.questions.push(question);
        if !world.knows(vcenter) {
            return Err(unknown());
        }
        world.capacity.clone()
    }

    async fn ensure_iso(&self, on: On<'_>, owner: &Owner, iso: &IsoWanted) -> Result<Iso, Fault> {
        let mut world = self.enter(on.vcenter, "iso".into())?;
        world.asked_isos.push(iso.clone());
        let key = (on.vcenter.to_owned(), owner.uid.clone());
        world.isos.insert(key.clone(), iso.clone());
        Ok(world.tell_of_iso(&key, iso))
    }

    async fn withdraw_iso(&self, on: On<'_>, owner: &Owner) -> Result<(), Fault> {
        let mut world = self.enter(on.vcenter, format!("withdraw the ISO of {}", owner.name))?;
        if let Some(fault) = &world.refusal {
            return Err(fault.clone());
        }
        world.forget_iso(&(on.vcenter.to_owned(), owner.uid.clone()));
        Ok(())
    }

    async fn watch_isos(&self, on: On<'_>) -> Result<IsoChanges, Fault> {
        let world = self.enter(on.vcenter, "watch ISOs".into())?;
        let run_id = world.run.to_string();
        let vcenter = on.vcenter.to_owned();
        let wanted = world.isos.clone().into_iter();
        let wanted = wanted.filter(|((at, _), _)| *at == vcenter);
        let present = wanted.map(|((_, uid), wanted)| {
            let iso = world.iso_of(&wanted);
            (uid, iso)
        });
        let snapshot = [
            IsoEvent::SnapshotBegin { run_id },
            IsoEvent::Changes {
                changed: present.collect(),
                removed: vec![],
            },
            IsoEvent::SnapshotEnd,
        ];
        let changes = BroadcastStream::new(world.iso_changes.subscribe());
        let changes = changes.filter_map(move |told| {
            let told = told.ok().filter(|(at, _)| *at == vcenter);
            std::future::ready(told.map(|(_, event)| event))
        });
        Ok(stream::iter(snapshot).chain(changes).map(Ok).boxed())
    }

    async fn ensure(&self, on: On<'_>, wanted: &Wanted<'_>) -> Result<Vec<Answer>, Fault> {
        let slots: Vec<_> = wanted.identities.iter().map(|(slot, _)| *slot).collect();
        let mut world = self.enter(on.vcenter, format!("ensure {slots:?}"))?;
        if let Some(fault) = &world.refusal {
            return Err(fault.clone());
        }
        let hash = spec_hash(wanted.spec);
        let iso = wanted.spec.iso_path.clone().unwrap_or_default();
        for slot in slots {
            // A machine that is there keeps what it has.
            world.booted.entry(slot).or_insert_with(|| iso.clone());
        }
        let answer = |(slot, name): &(i32, String)| {
            let key = MachineKey {
                hub_id: on.caller.hub_id.clone(),
                owner_uid: wanted.owner.uid.clone(),
                slot: *slot,
            };
            world.ensure(&key, name, &hash)
        };
        Ok(wanted.identities.iter().map(answer).collect())
    }

    async fn prove(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        let slots: Vec<_> = machines.iter().map(|machine| machine.key.slot).collect();
        let world = self.enter(on.vcenter, format!("prove {slots:?}"))?;
        if let Some(fault) = &world.refusal {
            return Err(fault.clone());
        }
        let gone = |key: &MachineKey| Machine {
            state: State::Gone,
            ..blank(key, "")
        };
        let answer = |machine: &MachineRef| Answer {
            machine: world
                .machines
                .get(&machine.key)
                .cloned()
                .unwrap_or_else(|| gone(&machine.key)),
            fault: None,
        };
        Ok(machines.iter().map(answer).collect())
    }

    async fn delete(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        let slots: Vec<_> = machines.iter().map(|machine| machine.key.slot).collect();
        let mut world = self.enter(on.vcenter, format!("delete {slots:?}"))?;
        if let Some(fault) = &world.refusal {
            return Err(fault.clone());
        }
        let answer = |machine: &MachineRef| {
            let found = world.remove(&machine.key);
            let machine = found.unwrap_or_else(|| blank(&machine.key, ""));
            Answer {
                machine: Machine {
                    state: State::Gone,
                    ..machine
                },
                fault: None,
            }
        };
        Ok(machines.iter().map(answer).collect())
    }

    async fn adopt(&self, on: On<'_>, adopting: &Adopting<'_>) -> Result<Vec<Adopted>, Fault> {
        let slots: Vec<_> = adopting.adoptions.iter().map(|it| it.slot).collect();
        let how = if adopting.plan { "plan" } else { "adopt" };
        drop(self.enter(on.vcenter, format!("{how} {slots:?}"))?);
        let adopted = |adoption: &Adoption| {
            let key = MachineKey {
                hub_id: on.caller.hub_id.clone(),
                owner_uid: adopting.owner.uid.clone(),
                slot: adoption.slot,
            };
            let answer = Answer {
                machine: blank(&key, &adoption.name),
                fault: None,
            };
            Adopted {
                answer,
                changes: vec!["instanceUuid: a -> b".into()],
            }
        };
        Ok(adopting.adoptions.iter().map(adopted).collect())
    }

    async fn release(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
        template: &str,
    ) -> Result<Vec<Answer>, Fault> {
        let slots: Vec<_> = machines.iter().map(|machine| machine.key.slot).collect();
        drop(self.enter(on.vcenter, format!("release {slots:?} to {template}"))?);
        Ok(Vec::new())
    }

    async fn eject(&self, on: On<'_>, machines: &[MachineRef]) -> Result<Vec<Answer>, Fault> {
        let slots: Vec<_> = machines.iter().map(|machine| machine.key.slot).collect();
        let mut world = self.enter(on.vcenter, format!("eject {slots:?}"))?;
        let answers = machines.iter().map(|machine| world.eject(&machine.key));
        Ok(answers.collect())
    }

    async fn watch(&self, on: On<'_>, _: Option<&str>) -> Result<Changes, Fault> {
        let world = self.enter(on.vcenter, "watch".into())?;
        let snapshot = [
            Event::SnapshotBegin {
                run_id: world.run.to_string(),
                freshness: world.freshness(),
            },
            changed(world.machines.values().cloned().collect()),
            Event::SnapshotEnd,
        ];
        let changes = BroadcastStream::new(world.changes.subscribe());
        let changes = changes.filter_map(|event| std::future::ready(event.ok()));
        let changes = stream::iter(snapshot).chain(changes);
        let message = |event| {
            Ok(Message {
                event,
                token: String::new(),
            })
        };
        Ok(changes.map(message).boxed())
    }
}

// === impl World ===

impl World {
    fn listens(&mut self) -> Result<(), Fault> {
        if !self.down {
            return Ok(());
        }
        self.in_vain += 1;
        Err(Fault::unreachable("nobody listens"))
    }

    /// The vCenter was connected in this run.
    fn knows(&self, vcenter: &str) -> bool {
        vcenter.starts_with(&format!("vc-{}-", self.run))
    }

    fn freshness(&self) -> Freshness {
        Freshness {
            connected: self.outage.is_none(),
            fault: self.outage.clone(),
        }
    }

    /// The ISO is as it is now, which those who watch are told.
    fn tell_of_iso(&mut self, (vcenter, uid): &(String, String), wanted: &IsoWanted) -> Iso {
        self.revision += 1;
        let iso = self.iso_of(wanted);
        // Nobody may be watching.
        let event = IsoEvent::Changes {
            changed: vec![(uid.to_owned(), iso.clone())],
            removed: vec![],
        };
        let _ = self.iso_changes.send((vcenter.clone(), event));
        iso
    }

    fn forget_iso(&mut self, key: &(String, String)) {
        self.revision += 1;
        self.isos.remove(key);
        let (vcenter, uid) = key.clone();
        let event = IsoEvent::Changes {
            changed: vec![],
            removed: vec![(uid, self.revision)],
        };
        let _ = self.iso_changes.send((vcenter, event));
    }

    fn iso_of(&self, wanted: &IsoWanted) -> Iso {
        match &wanted.source {
            IsoSource::Path(path) => Iso {
                source: path.clone(),
                stand: IsoStand::Ready(path.clone()),
                source_revision: String::new(),
                revision: self.revision,
            },
            IsoSource::Url(source) => {
                let whole = || {
                    let content = format!("{}{}", source.url.0, source.revision);
                    let (datastore, label) = (wanted.datastores.join(","), &wanted.label);
                    let digest = content.len();
                    IsoStand::Ready(format!("[{datastore}] hcp-iso/{label}-{digest:016x}.iso"))
                };
                Iso {
                    source: "https://images/***".into(),
                    stand: self.transfer.clone().unwrap_or_else(whole),
                    source_revision: source.revision.clone(),
                    revision: self.revision,
                }
            }
        }
    }

    fn put(&mut self, machine: Machine) {
        let Some(key) = machine.key.clone() else {
            return;
        };
        self.revision += 1;
        let machine = Machine {
            revision: self.revision,
            ..machine
        };
        self.machines.insert(key, machine.clone());
        // Nobody may be watching.
        let _ = self.changes.send(changed(vec![machine]));
    }

    fn ensure(&mut self, key: &MachineKey, name: &str, hash: &str) -> Answer {
        if !self.machines.contains_key(key) {
            self.put(Machine {
                spec_hash: hash.into(),
                mounted_iso: self.booted.get(&key.slot).cloned().unwrap_or_default(),
                ..blank(key, name)
            });
        }
        let creating = self.machines.get(key).cloned();
        let mut machine = creating.unwrap_or_else(|| blank(key, name));
        if !self.slow {
            machine.moref = format!("vm-{}", key.slot);
            (machine.state, machine.power) = (State::Running, Some(Power::On));
            self.put(machine.clone());
            machine.revision = self.revision;
        }
        Answer {
            machine,
            fault: None,
        }
    }

    fn eject(&mut self, key: &MachineKey) -> Answer {
        let found = self.machines.get(key).cloned();
        let mut machine = found.unwrap_or_else(|| blank(key, ""));
        machine.ejection.clone_from(&self.held_drives);
        if machine.ejection.is_none() {
            machine.mounted_iso.clear();
        }
        self.put(machine.clone());
        machine.revision = self.revision;
        Answer {
            machine,
            fault: None,
        }
    }

    fn remove(&mut self, key: &MachineKey) -> Option<Machine> {
        let machine = self.machines.remove(key)?;
        let tombstone = Tombstone {
            key: Some(key.clone()),
            instance_uuid: machine.instance_uuid.clone(),
            moref: machine.moref.clone(),
            gone: true,
            revision: machine.revision,
        };
        let _ = self.changes.send(Event::Changes {
            changed: vec![],
            removed: vec![tombstone],
        });
        Some(machine)
    }
}

fn changed(machines: Vec<Machine>) -> Event {
    Event::Changes {
        changed: machines,
        removed: vec![],
    }
}

fn blank(key: &MachineKey, name: &str) -> Machine {
    Machine {
        name: name.into(),
        instance_uuid: key.instance_uuid().to_string(),
        bios_uuid: key.bios_uuid().to_string(),
        serial_number: serial_number(key.bios_uuid()),
        mac_addresses: vec![format!(
            "00:50:56:00:{:02x}:{:02x}",
            key.slot / 256,
            key.slot % 256
        )],
        moref: String::new(),
        ownership: Ownership::Ours,
        state: State::Creating,
        power: None,
        fault: None,
        spec_hash: String::new(),
        companion_template: String::new(),
        mounted_iso: String::new(),
        ejection: None,
        folder: "/DC0/vm/pool".into(),
        owner: "clusters/pool".into(),
        revision: 0,
        key: Some(key.clone()),
    }
}

/// Room for more than anybody asks for.
fn ample() -> Capacity {
    const ALL: i64 = 1 << 50;
    let all = Amounts {
        total: ALL,
        effective: ALL,
        used: 0,
        available: ALL,
    };
    Capacity {
        measured_at: Timestamp::UNIX_EPOCH,
        compute: ComputeCapacity {
            moref: "domain-c1".into(),
            name: "C0".into(),
            is_pool: false,
            cluster_moref: "domain-c1".into(),
            cluster_cpu_mhz: ALL,
            cluster_memory_mib: ALL,
            cpu_mhz: all,
            memory_mib: all,
        },
        datastore: DatastoreCapacity {
            moref: "datastore-1".into(),
            name: "ds".into(),
            capacity_bytes: ALL,
            free_bytes: ALL,
            available_bytes: ALL,
        },
        by_host: i32::MAX,
    }
}

fn unknown() -> Fault {
    Fault {
        word: "VCenterUnknown",
        message: "no such vCenter. Connect anew".into(),
        retry: Retry::Recover,
        after: None,
        kind: Kind::VcenterUnknown,
    }
}
