//! What the names of a spec stand for.

mod field;
mod folder;
#[cfg(test)]
mod tests;

use super::FolderPlan;
use crate::{
    capacity::Site,
    inventory::{
        Inventory, Kind, Object,
        resolve::{Scope, Unresolved, only, resolve},
    },
    soap::MoRef,
};
use contract::v1::{
    Fault, NetworkInterface, Placement, Reason, Resolution, ResolutionState, VirtualMachineSpec,
};
use field::Field;

/// Resolves names one after the other and notes what became of each.
pub(super) struct Names<'a> {
    inventory: &'a Inventory,
    pub(super) resolutions: Vec<Resolution>,
    pub(super) folders_to_create: Vec<String>,
    pub(super) faults: Vec<Fault>,
}

/// What all names of a spec stand for.
pub(super) struct Found {
    pub(super) datacenter: MoRef,
    pub(super) cluster: MoRef,
    pub(super) pool: MoRef,
    pub(super) datastore: MoRef,
    pub(super) folder: FolderPlan,
    pub(super) networks: Vec<MoRef>,
}

/// Where machines take their room from, as far as it resolves.
struct Room {
    datacenter: MoRef,
    cluster: Option<MoRef>,
    pool: Option<MoRef>,
    datastore: Option<MoRef>,
}

impl<'a> Names<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            resolutions: Vec::new(),
            folders_to_create: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Resolves everything; `None` when something does not resolve, which `faults` then says.
    pub(super) fn resolve(&mut self, spec: &VirtualMachineSpec) -> Option<Found> {
        let placement = spec.placement.clone().unwrap_or_default();
        let Room {
            datacenter,
            cluster,
            pool,
            datastore,
        } = self.room(&placement)?;
        let has = cluster
            .as_ref()
            .and_then(|cluster| self.inventory.get(cluster));
        let folder = self.folder(&placement.folder, &datacenter);
        let interfaces = spec.network_interfaces.iter().enumerate();
        let networks: Vec<_> = interfaces
            .map(|(i, nic)| self.network(i, nic, &datacenter, has))
            .collect();
        Some(Found {
            datacenter,
            cluster: cluster?,
            pool: pool?,
            datastore: datastore?,
            folder: folder?,
            networks: networks.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Resolves only what machines take their room from.
    pub(super) fn site(&mut self, spec: &VirtualMachineSpec) -> Option<Site> {
        let placement = spec.placement.clone().unwrap_or_default();
        let room = self.room(&placement)?;
        Some(Site {
            cluster: room.cluster?,
            pool: room.pool?,
            datastore: room.datastore?,
        })
    }

    fn room(&mut self, placement: &Placement) -> Option<Room> {
        let Placement {
            datacenter,
            cluster,
            resource_pool,
            datastore,
            folder: _,
        } = placement;
        let datacenter = self.datacenter(datacenter)?;
        let named_cluster = !cluster.is_empty();
        let cluster = if named_cluster || resource_pool.is_empty() {
            self.cluster(cluster, &datacenter)
        } else {
            None
        };
        let pool = self.pool(resource_pool, &datacenter, cluster.as_ref());
        let cluster = match (&cluster, &pool) {
            (None, Some(pool)) if !named_cluster && !resource_pool.is_empty() => {
                self.owner_of(pool)
            }
            _ => cluster,
        };
        let has = cluster
            .as_ref()
            .and_then(|cluster| self.inventory.get(cluster));
        let datastore = self.datastore(datastore, &datacenter, has);
        Some(Room {
            datacenter,
            cluster,
            pool,
            datastore,
        })
    }

    fn datacenter(&mut self, asked: &str) -> Option<MoRef> {
        let field = Field::of("datacenter", Kind::Datacenter, asked);
        self.find(&field, Scope::default(), |_| true)
    }

    fn cluster(&mut self, asked: &str, datacenter: &MoRef) -> Option<MoRef> {
        let scope = Scope {
            datacenter: Some(datacenter),
            preferred: None,
        };
        self.find(&Field::of("cluster", Kind::Cluster, asked), scope, |_| true)
    }

    fn pool(&mut self, asked: &str, datacenter: &MoRef, cluster: Option<&MoRef>) -> Option<MoRef> {
        let field = Field::of("resource_pool", Kind::ResourcePool, asked);
        if asked.is_empty() {
            let root = self.inventory.get(cluster?)?.root_pool.clone()?;
            return Some(self.note(&field, ResolutionState::Chosen, root));
        }
        let of_cluster: Vec<_> = self
            .inventory
            .of_kind(Kind::ResourcePool)
            .filter(|(_, pool)| cluster.is_some() && pool.owner.as_ref() == cluster)
            .map(|(moref, _)| moref.clone())
            .collect();
        let scope = Scope {
            datacenter: Some(datacenter),
            preferred: Some(&of_cluster),
        };
        self.find(&field, scope, |_| true)
    }

    /// A pool that was named without its cluster brings the cluster along.
    fn owner_of(&mut self, pool: &MoRef) -> Option<MoRef> {
        let owner = self.inventory.get(pool)?.owner.clone()?;
        let field = Field::of("cluster", Kind::Cluster, "");
        Some(self.note(&field, ResolutionState::Chosen, owner))
    }

    fn datastore(&mut self, asked: &str, dc: &MoRef, cluster: Option<&Object>) -> Option<MoRef> {
        let preferred = cluster.map(|cluster| &*cluster.datastores);
        let scope = Scope {
            datacenter: Some(dc),
            preferred,
        };
        let field = Field::of("datastore", Kind::Datastore, asked);
        self.find(&field, scope, |moref| {
            preferred.is_none_or(|has| has.contains(moref))
        })
    }

    fn network(
        &mut self,
        index: usize,
        interface: &NetworkInterface,
        datacenter: &MoRef,
        cluster: Option<&Object>,
    ) -> Option<MoRef> {
        let inventory = self.inventory;
        let preferred = cluster.map(|cluster| &*cluster.networks);
        let scope = Scope {
            datacenter: Some(datacenter),
            preferred,
        };
        let path = format!("spec.network_interfaces[{index}].network");
        let field = Field {
            path,
            kind: Kind::Network,
            asked: &interface.network,
        };
        let uplink = |m: &MoRef| {
            inventory
                .get(m)
                .and_then(|o| o.port_group.as_ref())
                .is_some_and(|group| group.uplink)
        };
        self.find(&field, scope, |m| {
            preferred.is_none_or(|has| has.contains(m)) && !uplink(m)
        })
    }

    /// What a field stands for: the object it names, or the only one that `fits`.
    fn find(
        &mut self,
        field: &Field<'_>,
        scope: Scope<'_>,
        fits: impl Fn(&MoRef) -> bool,
    ) -> Option<MoRef> {
        let (found, state) = if field.asked.is_empty() {
            let inside = |moref: &MoRef| {
                scope
                    .datacenter
                    .is_none_or(|dc| self.inventory.datacenter_of(moref) == Some(dc))
            };
            let candidates = self.inventory.of_kind(field.kind).map(|(moref, _)| moref);
            let all: Vec<_> = candidates.filter(|m| inside(m) && fits(m)).collect();
            (only(self.inventory, &all), ResolutionState::Chosen)
        } else {
            let found = resolve(self.inventory, field.kind, field.asked, scope);
            (found, ResolutionState::Resolved)
        };
        match found {
            Ok(moref) => Some(self.note(field, state, moref)),
            Err(unresolved) => {
                self.fail(field, unresolved);
                None
            }
        }
    }

    fn note(&mut self, field: &Field<'_>, state: ResolutionState, moref: MoRef) -> MoRef {
        let object = Some(self.inventory.describe(&moref));
        self.resolutions.push(Resolution {
            object,
            ..field.resolution(state)
        });
        moref
    }

    fn fail(&mut self, field: &Field<'_>, unresolved: Unresolved) {
        let (state, reason, candidates) = match unresolved {
            Unresolved::NotFound(near) => {
                (ResolutionState::NotFound, Reason::PlacementNotFound, near)
            }
            Unresolved::Ambiguous(all) => {
                (ResolutionState::Ambiguous, Reason::PlacementAmbiguous, all)
            }
        };
        let candidates: Vec<_> = candidates
            .iter()
            .map(|moref| self.inventory.describe(moref))
            .collect();
        let paths: Vec<_> = candidates.iter().map(|object| &*object.path).collect();
        let what = field.problem(reason, &paths.join(", "));
        let fault = Fault::new(reason, what)
            .at(&field.path)
            .with("asked", field.asked)
            .with("candidates", paths.join(", "));
        self.faults.push(fault.clone());
        let fault = Some(fault);
        self.resolutions.push(Resolution {
            candidates,
            fault,
            ..field.resolution(state)
        });
    }
}
