//! Where machines of a spec go: what each name stands for, and whether it can be used.

mod names;
mod usable;

use crate::{capacity::Site, inventory::Inventory, soap::MoRef};
use contract::v1::{Fault, Reason, Resolution, VirtualMachineSpec};

/// What became of a spec's placement: always all of it, whatever is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Where machines go; nothing where something does not resolve.
    pub placement: Option<Placement>,
    /// Each name and each default, in the order of the fields.
    pub resolutions: Vec<Resolution>,
    /// Folders that would be made, as inventory paths, outermost first.
    pub folders_to_create: Vec<String>,
    /// Everything that speaks against it, in the order of the fields.
    pub faults: Vec<Fault>,
}

/// Where machines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The datacenter.
    pub datacenter: MoRef,
    /// The cluster or stand-alone host.
    pub cluster: MoRef,
    /// The resource pool.
    pub pool: MoRef,
    /// The datastore.
    pub datastore: MoRef,
    /// Its name, for `[datastore] …`.
    pub datastore_name: String,
    /// The folder.
    pub folder: FolderPlan,
    /// One for each network interface.
    pub networks: Vec<Network>,
    /// Hosts to choose from where vCenter does not choose itself; empty where it does.
    pub hosts: Vec<MoRef>,
}

/// A folder and what is missing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPlan {
    /// The innermost level that is there.
    pub existing: MoRef,
    /// Names of the levels that are not, decoded, outermost first.
    pub missing: Vec<String>,
    /// The whole of it, as an inventory path.
    pub path: String,
}

/// What a network interface is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A standard network.
    Standard {
        /// The network.
        moref: MoRef,
        /// Its name.
        name: String,
    },
    /// A distributed port group.
    Distributed {
        /// UUID of the switch.
        switch_uuid: String,
        /// Key of the port group.
        port_group: String,
    },
}

/// Places machines of `spec`, which has its defaults filled in.
pub fn place(inventory: &Inventory, spec: &VirtualMachineSpec) -> Placed {
    let mut names = names::Names::new(inventory);
    let found = names.resolve(spec);
    let names::Names {
        resolutions,
        folders_to_create,
        mut faults,
        ..
    } = names;
    let placement = found.and_then(|found| usable::check(inventory, spec, found, &mut faults));
    Placed {
        placement,
        resolutions,
        folders_to_create,
        faults,
    }
}

/// Where machines of `spec` would take their room from, whatever else of it does not resolve.
pub fn site(inventory: &Inventory, spec: &VirtualMachineSpec) -> Result<Site, Fault> {
    let mut names = names::Names::new(inventory);
    let found = names.site(spec);
    let gone = || {
        Fault::new(
            Reason::PlacementNotFound,
            "the cluster has no resource pool",
        )
    };
    found.ok_or_else(|| names.faults.into_iter().next().unwrap_or_else(gone))
}

// === impl Placement ===

impl Placement {
    /// Where its machines take their room from.
    pub fn site(&self) -> Site {
        Site {
            cluster: self.cluster.clone(),
            pool: self.pool.clone(),
            datastore: self.datastore.clone(),
        }
    }
}
