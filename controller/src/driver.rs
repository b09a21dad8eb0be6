//! The port through which the controller reaches the vSphere driver.
//!
//! Nothing outside this module sees a generated type.

mod adoption;
mod capacity;
mod convert;
#[cfg(any(test, feature = "test-util"))]
pub mod fake;
mod fault;
mod grpc;
mod iso;
mod machine;

pub use adoption::{Adopted, Adopting, Adoption, Previous};
pub use capacity::{
    Amounts, Basis, Capacity, CapacityQuestion, ComputeCapacity, DatastoreCapacity, MHZ_PER_CPU,
    Needs,
};
pub use convert::{needs, spec_hash};
pub use fault::{Fault, Kind, Retry};
pub use grpc::{Connection, GrpcDriver, InvalidEndpoint, Transport, Wire};
pub use iso::{Iso, IsoEvent, IsoSource, IsoStand, IsoStep, IsoWanted, Progress, Proxy, UrlSource};
pub use machine::{
    ExtraConfig, Firmware, Machine, MachineRef, MachineSpec, Ownership, Power, State, Tombstone,
};

use futures::stream::BoxStream;
use std::{fmt, future::Future};

/// The changes of one vCenter's machines, as they come.
pub type Changes = BoxStream<'static, Result<Message, Fault>>;

/// The changes of one vCenter's ISOs, as they come.
pub type IsoChanges = BoxStream<'static, Result<IsoEvent, Fault>>;

/// What the controller asks of a driver. Each call may be repeated at will.
pub trait Driver: Send + Sync + 'static {
    /// Makes a vCenter known. A refused login is not an error, but part of the answer; one that cannot be
    /// tried is a fault of [`Kind::BadLogin`].
    fn connect(
        &self,
        caller: &Caller,
        login: &Login,
    ) -> impl Future<Output = Result<Vcenter, Fault>> + Send;

    /// Withdraws this hub from a vCenter.
    fn disconnect(
        &self,
        caller: &Caller,
        vcenter: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Looks up the names of a spec, and whether the account may do this there.
    fn check_placement(
        &self,
        vcenter: &str,
        spec: &MachineSpec,
        scope: Scope,
    ) -> impl Future<Output = Result<Placement, Fault>> + Send;

    /// Asks how much room there is for machines of a spec.
    fn capacity(
        &self,
        vcenter: &str,
        spec: &MachineSpec,
        question: CapacityQuestion,
    ) -> impl Future<Output = Result<Capacity, Fault>> + Send;

    /// Has an ISO on datastores, and says how far it is. Another one for the same owner takes its place.
    fn ensure_iso(
        &self,
        on: On<'_>,
        owner: &Owner,
        iso: &IsoWanted,
    ) -> impl Future<Output = Result<Iso, Fault>> + Send;

    /// Says that the owner wants no ISO any more.
    fn withdraw_iso(
        &self,
        on: On<'_>,
        owner: &Owner,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Tells each change of this hub's ISOs, from all there are on.
    fn watch_isos(&self, on: On<'_>) -> impl Future<Output = Result<IsoChanges, Fault>> + Send;

    /// Has machines made, and switched on.
    fn ensure(
        &self,
        on: On<'_>,
        wanted: &Wanted<'_>,
    ) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;

    /// Has machines removed. A machine is gone only where the answer says [`State::Gone`].
    fn delete(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
    ) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;

    /// Finds out whether machines that are out of sight are gone, and removes none that is there after all.
    fn prove(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
    ) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;

    /// Makes machines that exist the owner's, or says what that would change.
    fn adopt(
        &self,
        on: On<'_>,
        adopting: &Adopting<'_>,
    ) -> impl Future<Output = Result<Vec<Adopted>, Fault>> + Send;

    /// Gives machines up to the companion, for this template.
    fn release(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
        template: &str,
    ) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;

    /// Has ISOs that the driver brought taken out of machines' drives, and no others. What became of it is told of
    /// the machines.
    fn eject(
        &self,
        on: On<'_>,
        machines: &[MachineRef],
    ) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;

    /// Tells each change of this hub's machines and the companion's, from this token on.
    fn watch(
        &self,
        on: On<'_>,
        resume: Option<&str>,
    ) -> impl Future<Output = Result<Changes, Fault>> + Send;
}

/// What is to be done to machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They are made, switched and removed.
    Machines,
    /// The ISO that was fetched for them is taken out of them, too.
    WithEjection,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The hub.
    pub hub_id: String,
    /// Transitions of the Lease that is held; `None` without leader election.
    pub epoch: Option<i32>,
}

/// Who asks, and of which vCenter.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Name of the vCenter.
    pub vcenter: &'a str,
}

/// How to log in to a vCenter.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `host`, `host:port` or `https://host:port/sdk`.
    pub server: String,
    /// Who logs in.
    pub username: String,
    /// The secret. Never printed.
    pub password: String,
    /// Whom to trust.
    pub trust: Trust,
}

/// A part of a [`Login`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginPart {
    /// The address.
    Server,
    /// Who logs in.
    Username,
    /// The secret.
    Password,
    /// The authorities of [`Trust::CaBundle`].
    CaBundle,
    /// The SHA-256 of [`Trust::Thumbprint`].
    Thumbprint,
}

/// Whom to trust as vCenter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The certification authorities of the driver's system.
    System,
    /// These authorities, PEM.
    CaBundle(String),
    /// The certificate with this SHA-256.
    Thumbprint(String),
    /// Anybody.
    Insecure,
}

/// A vCenter that the driver knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vcenter {
    /// What calls name it.
    pub name: String,
    /// Its own identity; empty while it is not known.
    pub instance_uuid: String,
    /// State of its connection.
    pub freshness: Freshness,
}

/// How far what is told can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Logged in, and the inventory is complete and live.
    pub connected: bool,
    /// Why it is not.
    pub fault: Option<Fault>,
}

/// The object that wants machines to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID, part of the machines' identity.
    pub uid: String,
}

/// Machines to have.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Whose they are.
    pub owner: &'a Owner,
    /// Slot and name of each, at most 1,000.
    pub identities: Vec<(i32, String)>,
    /// What each shall be.
    pub spec: &'a MachineSpec,
}

/// What a call did to one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The machine as it is now.
    pub machine: Machine,
    /// Why the call does nothing more for it.
    pub fault: Option<Fault>,
}

/// What the names of a spec stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Each name.
    pub names: Vec<Name>,
    /// Inventory path of the machines' folder, even if it is still to be made. Empty: not known.
    pub folder: String,
    /// Everything for which machines would be refused.
    pub faults: Vec<Fault>,
}

/// What one name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Last part of the field's path: `datastore`.
    pub field: String,
    /// Whether it can be used.
    pub usable: bool,
    /// Its inventory path, or why it cannot be used.
    pub message: String,
}

/// One message of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub event: Event,
    /// Resumes after it. Empty within a snapshot.
    pub token: String,
}

/// What a message of a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All that follows, up to the end, is everything there is.
    SnapshotBegin {
        /// Changes with each start of the driver.
        run_id: String,
        /// State of the connection that it rests on.
        freshness: Freshness,
    },
    /// Machines that are new or changed, and those that are no more.
    Changes {
        /// Their present state.
        changed: Vec<Machine>,
        /// Those that are no more.
        removed: Vec<Tombstone>,
    },
    /// What was not told since the beginning of the snapshot is to be forgotten.
    SnapshotEnd,
    /// Nothing more up to now.
    Bookmark(Freshness),
    /// Newer than this program.
    Unknown,
}

// === impl Login ===

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("server", &self.server)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
