//! What is read of the machines of Cluster API, and of what makes them.

use super::{Foreign, Kind, View};
use serde::Deserialize;

/// A machine of Cluster API.
pub type Machine = View<MachineSpec>;
/// What makes machines anew at each upgrade.
pub type MachineDeployment = View<MachineDeploymentSpec>;
/// What makes machines that are upgraded in place.
pub type MachineSet = View<MachineSetSpec>;

/// What is asked of a machine.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct MachineSpec {
    /// The host that it is.
    pub infrastructure_ref: InfrastructureRef,
}

/// Names the host of a machine, in the machine's namespace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct InfrastructureRef {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// How many machines there shall be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct MachineDeploymentSpec {
    /// So many.
    pub replicas: Option<i32>,
}

/// How many machines there shall be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct MachineSetSpec {
    /// So many.
    pub replicas: Option<i32>,
}

/// What was seen: nothing that is read.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Unread {}

impl Foreign for MachineSpec {
    const KIND: Kind = Kind::Machine;
    type Status = Unread;
}

impl Foreign for MachineDeploymentSpec {
    const KIND: Kind = Kind::MachineDeployment;
    type Status = Unread;
}

impl Foreign for MachineSetSpec {
    const KIND: Kind = Kind::MachineSet;
    type Status = Unread;
}
