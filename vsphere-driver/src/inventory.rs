//! What a vCenter holds, as far as machines are placed by it: everything but the machines themselves.

pub mod path;
pub mod properties;
pub mod resolve;

use crate::soap::MoRef;
use contract::v1::{InventoryKind, InventoryObject};
use std::collections::HashMap;

/// How many parents are followed before a chain is taken to be broken; vSphere permits far fewer.
const MAX_DEPTH: usize = 64;

/// The objects of a vCenter, by managed object reference.
#[derive(Debug, Default)]
pub struct Inventory {
    objects: HashMap<MoRef, Object>,
}

/// What a managed object is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A folder of anything.
    Folder,
    /// A datacenter.
    Datacenter,
    /// A cluster, or the compute resource of a stand-alone host.
    Cluster,
    /// A host.
    Host,
    /// A resource pool or virtual app.
    ResourcePool,
    /// A datastore.
    Datastore,
    /// A standard or opaque network, or a distributed port group.
    Network,
    /// A distributed switch.
    Switch,
}

/// One object, with what of it counts. What does not apply to its kind is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name as vCenter writes it: `/`, `\` and `%` are escaped.
    pub name: String,
    /// What holds it.
    pub parent: Option<MoRef>,
    /// Of a datacenter: its folder of machines.
    pub vm_folder: Option<MoRef>,
    /// Of a cluster: its root resource pool.
    pub root_pool: Option<MoRef>,
    /// Of a resource pool: the cluster that owns it.
    pub owner: Option<MoRef>,
    /// Of a cluster: its hosts.
    pub hosts: Vec<MoRef>,
    /// Of a cluster or host: the datastores it has.
    pub datastores: Vec<MoRef>,
    /// Of a cluster or host: the networks it has.
    pub networks: Vec<MoRef>,
    /// Of a cluster: whether DRS places machines. Absent: no cluster, but a stand-alone host.
    pub drs: Option<bool>,
    /// Of a host: it is connected.
    pub connected: bool,
    /// Of a host or datastore: entering or in maintenance.
    pub in_maintenance: bool,
    /// Of a host: its logical CPUs.
    pub cpus: i32,
    /// Of a datastore: its hosts reach it.
    pub accessible: bool,
    /// Of a datastore: what searches its files.
    pub browser: Option<MoRef>,
    /// Of a datastore: what folders at its top are.
    pub top_folders: TopFolders,
    /// Of a port group: its key and its switch.
    pub port_group: Option<PortGroup>,
    /// Of a distributed switch: its UUID.
    pub switch_uuid: String,
}

/// What folders at the top of a datastore are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopFolders {
    /// Folders as any other.
    Plain,
    /// Objects of the storage, made apart and called by a UUID: on vSAN and on virtual volumes.
    Objects,
}

/// What makes a network a distributed port group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortGroup {
    /// Its key, which a machine's interface names.
    pub key: String,
    /// Its switch.
    pub switch: Option<MoRef>,
    /// It carries the switch's uplinks: not for machines.
    pub uplink: bool,
}

// === impl Inventory ===

impl Inventory {
    /// The object, if it is in sight.
    pub fn get(&self, moref: &MoRef) -> Option<&Object> {
        self.objects.get(moref)
    }

    /// The object, made empty when it is new; nothing for types that we have no use for.
    pub fn entry(&mut self, moref: &MoRef) -> Option<&mut Object> {
        let kind = Kind::of_type(&moref.kind)?;
        Some(
            self.objects
                .entry(moref.clone())
                .or_insert_with(|| Object::new(kind)),
        )
    }

    /// Forgets an object.
    pub fn remove(&mut self, moref: &MoRef) {
        self.objects.remove(moref);
    }

    /// Forgets all objects that are not among `present`.
    pub fn retain(&mut self, present: impl Fn(&MoRef) -> bool) {
        self.objects.retain(|moref, _| present(moref));
    }

    /// All objects of one kind, in no order.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&MoRef, &Object)> {
        self.objects
            .iter()
            .filter(move |(_, object)| object.kind == kind)
    }

    /// The object, then what holds it, up to the root folder.
    pub fn ancestry<'a>(
        &'a self,
        moref: &'a MoRef,
    ) -> impl Iterator<Item = (&'a MoRef, &'a Object)> {
        let step = |(_, object): &(&'a MoRef, &'a Object)| {
            let parent = object.parent.as_ref()?;
            self.objects.get_key_value(parent)
        };
        std::iter::successors(self.objects.get_key_value(moref), step).take(MAX_DEPTH)
    }

    /// The datacenter that holds the object, or is it.
    pub fn datacenter_of<'a>(&'a self, moref: &'a MoRef) -> Option<&'a MoRef> {
        let is_datacenter = |(_, object): &(&MoRef, &Object)| object.kind == Kind::Datacenter;
        self.ancestry(moref)
            .find(is_datacenter)
            .map(|(moref, _)| moref)
    }

    /// The names from below the root folder down to the object, as vCenter writes them.
    pub fn segments<'a>(&'a self, moref: &'a MoRef) -> Vec<&'a str> {
        let mut names: Vec<_> = self
            .ancestry(moref)
            .filter(|(_, o)| o.parent.is_some())
            .map(|(_, o)| &*o.name)
            .collect();
        names.reverse();
        names
    }

    /// The inventory path of an object, `/DC0/host/C0`.
    pub fn path(&self, moref: &MoRef) -> String {
        path::absolute(self.segments(moref))
    }

    /// The object as a reply shows it.
    pub fn describe(&self, moref: &MoRef) -> InventoryObject {
        let Some(object) = self.get(moref) else {
            return InventoryObject {
                moref: moref.id.to_string(),
                ..InventoryObject::default()
            };
        };
        InventoryObject {
            kind: object.kind.on_the_wire().into(),
            moref: moref.id.to_string(),
            name: path::decode(&object.name),
            path: self.path(moref),
        }
    }

    /// The child folder of this name, compared as people write it.
    pub fn child_folder(&self, parent: &MoRef, name: &str) -> Option<&MoRef> {
        let wanted = path::decode(name);
        let fits = |(_, o): &(&MoRef, &Object)| {
            o.parent.as_ref() == Some(parent) && path::decode(&o.name) == wanted
        };
        self.of_kind(Kind::Folder)
            .find(fits)
            .map(|(moref, _)| moref)
    }
}

// === impl Kind ===

impl Kind {
    /// What a managed object type of the vSphere API is to us.
    pub fn of_type(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "Folder" | "StoragePod" => Self::Folder,
            "Datacenter" => Self::Datacenter,
            "ComputeResource" | "ClusterComputeResource" => Self::Cluster,
            "HostSystem" => Self::Host,
            "ResourcePool" | "VirtualApp" => Self::ResourcePool,
            "Datastore" => Self::Datastore,
            "Network" | "DistributedVirtualPortgroup" | "OpaqueNetwork" => Self::Network,
            "VmwareDistributedVirtualSwitch" | "DistributedVirtualSwitch" => Self::Switch,
            _ => return None,
        })
    }

    /// What people call it, in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Datacenter => "datacenter",
            Self::Cluster => "cluster",
            Self::Host => "host",
            Self::ResourcePool => "resource pool",
            Self::Datastore => "datastore",
            Self::Network => "network",
            Self::Switch => "distributed switch",
        }
    }

    /// The same in the contract, which has no word for a switch.
    pub fn on_the_wire(self) -> InventoryKind {
        match self {
            Self::Folder => InventoryKind::Folder,
            Self::Datacenter => InventoryKind::Datacenter,
            Self::Cluster => InventoryKind::Cluster,
            Self::Host => InventoryKind::Host,
            Self::ResourcePool => InventoryKind::ResourcePool,
            Self::Datastore => InventoryKind::Datastore,
            Self::Network => InventoryKind::Network,
            Self::Switch => InventoryKind::Unspecified,
        }
    }

    /// The folder of a datacenter in which such objects lie.
    fn datacenter_folder(self) -> &'static str {
        match self {
            Self::Folder | Self::Datacenter => "vm",
            Self::Cluster | Self::Host | Self::ResourcePool => "host",
            Self::Datastore => "datastore",
            Self::Network | Self::Switch => "network",
        }
    }
}

// === impl Object ===

impl Object {
    /// Whether a host can run machines.
    pub fn is_usable_host(&self) -> bool {
        self.connected && !self.in_maintenance
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: String::new(),
            parent: None,
            vm_folder: None,
            root_pool: None,
            owner: None,
            hosts: Vec::new(),
            datastores: Vec::new(),
            networks: Vec::new(),
            drs: None,
            connected: false,
            in_maintenance: false,
            cpus: 0,
            // Until vCenter says otherwise: a property that an account cannot read must not refuse work.
            accessible: true,
            browser: None,
            top_folders: TopFolders::Plain,
            port_group: None,
            switch_uuid: String::new(),
        }
    }
}
