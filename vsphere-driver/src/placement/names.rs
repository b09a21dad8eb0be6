//! What the names of a spec stand for.

use super::FolderPlan;
use crate::{
    capacity::Site,
    inventory::{
        Inventory, Kind, Object, path,
        resolve::{Scope, Unresolved, only, resolve},
    },
    soap::MoRef,
};
use contract::v1::{
    Fault, NetworkInterface, Placement, Reason, Resolution, ResolutionState, VirtualMachineSpec,
};

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

/// One field to resolve.
struct Field<'a> {
    path: String,
    kind: Kind,
    asked: &'a str,
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

    fn folder(&mut self, asked: &str, datacenter: &MoRef) -> Option<FolderPlan> {
        let field = Field::of("folder", Kind::Folder, asked);
        let root = self.inventory.get(datacenter)?.vm_folder.clone()?;
        if asked.is_empty() {
            let existing = self.note(&field, ResolutionState::Chosen, root);
            let path = self.inventory.path(&existing);
            return Some(FolderPlan {
                existing,
                missing: Vec::new(),
                path,
            });
        }
        if asked.starts_with("moref:") {
            let scope = Scope {
                datacenter: Some(datacenter),
                preferred: None,
            };
            let existing = self.find(&field, scope, |_| true)?;
            let path = self.inventory.path(&existing);
            return Some(FolderPlan {
                existing,
                missing: Vec::new(),
                path,
            });
        }
        let Some(levels) = below_root(self.inventory, &root, asked) else {
            self.fail(&field, Unresolved::NotFound(vec![root]));
            return None;
        };
        let plan = descend(self.inventory, root, levels);
        if plan.missing.is_empty() {
            self.note(&field, ResolutionState::Resolved, plan.existing.clone());
        } else {
            self.resolutions
                .push(field.resolution(ResolutionState::WillBeCreated));
            let base = self.inventory.path(&plan.existing);
            let mut level = base;
            for name in &plan.missing {
                level = format!("{level}/{}", path::encode(name));
                self.folders_to_create.push(level.clone());
            }
        }
        Some(plan)
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

/// The levels of a folder's name below the datacenter's folder of machines; nothing for a path that
/// leads elsewhere.
fn below_root(inventory: &Inventory, root: &MoRef, asked: &str) -> Option<Vec<String>> {
    let levels = path::split(asked);
    if !asked.starts_with('/') {
        return Some(levels);
    }
    let root: Vec<_> = inventory
        .segments(root)
        .into_iter()
        .map(path::decode)
        .collect();
    levels.strip_prefix(&*root).map(<[String]>::to_vec)
}

/// A bare name means a folder anywhere only where it exists; what does not is made level by level.
fn descend(inventory: &Inventory, root: MoRef, levels: Vec<String>) -> FolderPlan {
    let mut existing = root;
    let mut levels = levels.into_iter().peekable();
    while let Some(child) = levels
        .peek()
        .and_then(|name| inventory.child_folder(&existing, name))
    {
        existing = child.clone();
        levels.next();
    }
    let missing: Vec<_> = levels.collect();
    let below = missing.iter().map(|name| path::encode(name));
    let path = below.fold(inventory.path(&existing), |path, name| {
        format!("{path}/{name}")
    });
    FolderPlan {
        existing,
        missing,
        path,
    }
}

// === impl Field ===

impl<'a> Field<'a> {
    fn of(name: &str, kind: Kind, asked: &'a str) -> Self {
        Self {
            path: format!("spec.placement.{name}"),
            kind,
            asked,
        }
    }

    fn resolution(&self, state: ResolutionState) -> Resolution {
        Resolution {
            field: self.path.clone(),
            kind: self.kind.on_the_wire().into(),
            asked: self.asked.to_owned(),
            state: state.into(),
            object: None,
            candidates: Vec::new(),
            fault: None,
        }
    }

    fn problem(&self, reason: Reason, candidates: &str) -> String {
        let Self { path, kind, asked } = self;
        let noun = kind.noun();
        let ambiguous = reason == Reason::PlacementAmbiguous;
        match (asked.is_empty(), ambiguous, candidates.is_empty()) {
            (true, true, _) => format!("`{path}` is left out, and there are several: {candidates}"),
            (true, false, _) => format!("`{path}` is left out, and no {noun} is in sight"),
            (false, true, _) => format!("`{path}`: several are called `{asked}`: {candidates}"),
            (false, false, true) => format!("`{path}`: no {noun} `{asked}` is in sight"),
            (false, false, false) => {
                format!("`{path}`: no {noun} `{asked}` is in sight; near it: {candidates}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        inventory::properties::fixtures::{inventory, moref},
        placement::place,
    };
    use contract::v1::{NetworkInterface, Placement, Reason, ResolutionState, VirtualMachineSpec};

    fn spec() -> VirtualMachineSpec {
        VirtualMachineSpec {
            placement: Some(Placement {
                datacenter: "DC0".into(),
                cluster: "C0".into(),
                datastore: "LocalDS_0".into(),
                ..Placement::default()
            }),
            network_interfaces: vec![NetworkInterface {
                network: "PG0".into(),
            }],
            ..VirtualMachineSpec::default()
        }
    }

    #[test]
    fn everything_resolves_and_what_was_left_out_is_chosen() {
        let placed = place(&inventory(), &spec());
        assert_eq!(placed.faults, []);
        let placement = placed.placement.expect("resolves");
        assert_eq!(placement.pool, moref("ResourcePool", "pool-1"));
        assert_eq!(placement.folder.path, "/DC0/vm");
        let states: Vec<_> = placed
            .resolutions
            .iter()
            .map(|r| (&*r.field, r.state()))
            .collect();
        assert_eq!(
            states,
            [
                ("spec.placement.datacenter", ResolutionState::Resolved),
                ("spec.placement.cluster", ResolutionState::Resolved),
                ("spec.placement.resource_pool", ResolutionState::Chosen),
                ("spec.placement.datastore", ResolutionState::Resolved),
                ("spec.placement.folder", ResolutionState::Chosen),
                (
                    "spec.network_interfaces[0].network",
                    ResolutionState::Resolved
                ),
            ]
        );
    }

    #[test]
    fn a_pool_without_its_cluster_brings_it_along() {
        let mut spec = spec();
        let placement = spec.placement.get_or_insert_default();
        placement.cluster.clear();
        placement.resource_pool = "Resources".into();
        let placed = place(&inventory(), &spec);
        assert_eq!(
            placed.placement.map(|p| p.cluster),
            Some(moref("ClusterComputeResource", "c-1"))
        );
    }

    #[test]
    fn missing_levels_of_a_folder_are_planned_below_those_that_are_there() {
        let mut spec = spec();
        spec.placement.get_or_insert_default().folder = "a/new/x%2fy".into();
        let placed = place(&inventory(), &spec);
        assert_eq!(
            placed.folders_to_create,
            ["/DC0/vm/a/new", "/DC0/vm/a/new/x%2fy"]
        );
        let folder = placed.placement.expect("resolves").folder;
        assert_eq!(folder.existing, moref("Folder", "f-1"));
        assert_eq!(folder.missing, ["new", "x/y"]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_with_candidates() {
        let mut spec = spec();
        spec.placement.get_or_insert_default().datastore = "LocalDS".into();
        spec.network_interfaces[0].network = "twice".into();
        let placed = place(&inventory(), &spec);
        assert_eq!(placed.placement, None);
        let faults: Vec<_> = placed
            .faults
            .iter()
            .map(|f| (f.reason(), &*f.field))
            .collect();
        assert_eq!(
            faults,
            [
                (Reason::PlacementNotFound, "spec.placement.datastore"),
                (
                    Reason::PlacementAmbiguous,
                    "spec.network_interfaces[0].network"
                ),
            ]
        );
        assert!(
            placed.faults[0]
                .message
                .contains("/DC0/datastore/LocalDS_0")
        );
    }

    #[test]
    fn a_datacenter_that_is_left_out_must_be_the_only_one() {
        let mut spec = spec();
        spec.placement.get_or_insert_default().datacenter.clear();
        let placed = place(&inventory(), &spec);
        assert_eq!(placed.faults[0].reason(), Reason::PlacementAmbiguous);
    }
}
