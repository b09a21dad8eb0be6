//! What a name in a request stands for. The head of `virtual_machine_spec.proto` gives the rules.

use super::{Inventory, Kind, path};
use crate::soap::MoRef;

/// How many candidates a message lists.
const CANDIDATES: usize = 5;
/// How alike two names must be for one to be offered in place of the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.8;

/// Where a bare name is looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// Only in this datacenter.
    pub datacenter: Option<&'a MoRef>,
    /// Among several of the name, those that this one has are meant.
    pub preferred: Option<&'a [MoRef]>,
}

/// Why a name stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing of that name is in sight; these come near.
    NotFound(Vec<MoRef>),
    /// It stands for all of these.
    Ambiguous(Vec<MoRef>),
}

/// The object of `kind` that `asked` names.
pub fn resolve(
    inventory: &Inventory,
    kind: Kind,
    asked: &str,
    scope: Scope<'_>,
) -> Result<MoRef, Unresolved> {
    let in_scope = |moref: &MoRef| {
        scope
            .datacenter
            .is_none_or(|dc| inventory.datacenter_of(moref) == Some(dc))
    };
    if let Some(id) = asked.strip_prefix("moref:") {
        let found = inventory.of_kind(kind).find(|(moref, _)| &*moref.id == id);
        return found
            .map(|(moref, _)| moref.clone())
            .ok_or_else(|| Unresolved::NotFound(Vec::new()));
    }
    let all = || {
        inventory
            .of_kind(kind)
            .map(|(moref, _)| moref)
            .filter(|m| in_scope(m))
    };
    let found: Vec<_> = if asked.starts_with('/') {
        let wanted = path::split(asked);
        inventory
            .of_kind(kind)
            .map(|(m, _)| m)
            .filter(|m| decoded(inventory, m) == wanted)
            .collect()
    } else if asked.contains('/') {
        let wanted = path::split(asked);
        all()
            .filter(|m| relative(inventory, kind, m, &wanted))
            .collect()
    } else {
        let wanted = path::decode(asked);
        all().filter(|m| name(inventory, m) == wanted).collect()
    };
    match narrow(found, scope.preferred).as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Unresolved::NotFound(near(inventory, all(), asked))),
        several => Err(Unresolved::Ambiguous(first(inventory, several))),
    }
}

/// The only one of `candidates`, for a field that was left out.
pub fn only(inventory: &Inventory, candidates: &[&MoRef]) -> Result<MoRef, Unresolved> {
    match candidates {
        [one] => Ok((*one).clone()),
        [] => Err(Unresolved::NotFound(Vec::new())),
        several => Err(Unresolved::Ambiguous(first(inventory, several))),
    }
}

fn narrow<'a>(found: Vec<&'a MoRef>, preferred: Option<&[MoRef]>) -> Vec<&'a MoRef> {
    let Some(preferred) = preferred.filter(|_| found.len() > 1) else {
        return found;
    };
    let narrowed: Vec<_> = found
        .iter()
        .copied()
        .filter(|m| preferred.contains(m))
        .collect();
    if narrowed.is_empty() { found } else { narrowed }
}

fn name(inventory: &Inventory, moref: &MoRef) -> String {
    inventory
        .get(moref)
        .map(|object| path::decode(&object.name))
        .unwrap_or_default()
}

fn decoded(inventory: &Inventory, moref: &MoRef) -> Vec<String> {
    inventory
        .segments(moref)
        .into_iter()
        .map(path::decode)
        .collect()
}

/// Whether `wanted` leads to the object from the datacenter's folder of its kind; a port group may
/// also be named by its switch.
fn relative(inventory: &Inventory, kind: Kind, moref: &MoRef, wanted: &[String]) -> bool {
    let segments = decoded(inventory, moref);
    let below = segments
        .iter()
        .skip_while(|s| **s != kind.datacenter_folder())
        .skip(1);
    if below.eq(wanted.iter()) {
        return true;
    }
    let switch = inventory
        .get(moref)
        .and_then(|o| o.port_group.as_ref()?.switch.as_ref());
    switch.is_some_and(|s| wanted == [name(inventory, s), name(inventory, moref)])
}

fn near<'a>(
    inventory: &Inventory,
    candidates: impl Iterator<Item = &'a MoRef>,
    asked: &str,
) -> Vec<MoRef> {
    let wanted = path::split(asked).pop().unwrap_or_default().to_lowercase();
    let mut scored: Vec<_> = candidates
        .map(|m| {
            (
                strsim::jaro_winkler(&wanted, &name(inventory, m).to_lowercase()),
                m,
            )
        })
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|(a, m), (b, n)| b.total_cmp(a).then_with(|| m.cmp(n)));
    scored
        .into_iter()
        .take(CANDIDATES)
        .map(|(_, m)| m.clone())
        .collect()
}

fn first(inventory: &Inventory, several: &[&MoRef]) -> Vec<MoRef> {
    let mut sorted: Vec<_> = several.iter().map(|m| (inventory.path(m), *m)).collect();
    sorted.sort();
    sorted
        .into_iter()
        .take(CANDIDATES)
        .map(|(_, m)| m.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::properties::fixtures::{inventory, moref};

    fn asked(kind: Kind, name: &str) -> Result<MoRef, Unresolved> {
        let inventory = inventory();
        let datacenter = moref("Datacenter", "dc-1");
        let scope = Scope {
            datacenter: Some(&datacenter),
            preferred: None,
        };
        resolve(&inventory, kind, name, scope)
    }

    #[test]
    fn a_name_is_taken_in_its_four_forms() {
        let cluster = moref("ClusterComputeResource", "c-1");
        let group = moref("DistributedVirtualPortgroup", "pg-1");
        for (kind, name, found) in [
            (Kind::Cluster, "C0", &cluster),
            (Kind::Cluster, "/DC0/host/C0", &cluster),
            (Kind::Cluster, "moref:c-1", &cluster),
            (Kind::Network, "PG0", &group),
            (Kind::Network, "DVS0/PG0", &group),
            (Kind::Folder, "a/b%2fc", &moref("Folder", "f-2")),
        ] {
            assert_eq!(asked(kind, name).as_ref(), Ok(found), "{name}");
        }
    }

    #[test]
    fn a_bare_name_is_looked_up_in_the_datacenter_only() {
        assert_eq!(
            asked(Kind::Cluster, "other"),
            Err(Unresolved::NotFound(vec![]))
        );
        let far = asked(Kind::Cluster, "/DC1/host/other");
        assert_eq!(far, Ok(moref("ClusterComputeResource", "c-9")));
    }

    #[test]
    fn a_near_miss_is_offered() {
        let near = vec![moref("Datastore", "ds-1"), moref("Datastore", "ds-2")];
        assert_eq!(
            asked(Kind::Datastore, "Local_DS"),
            Err(Unresolved::NotFound(near))
        );
    }

    #[test]
    fn several_of_one_name_are_listed_unless_the_cluster_has_only_one_of_them() {
        let both = vec![moref("Network", "net-1"), moref("Network", "net-2")];
        assert_eq!(
            asked(Kind::Network, "twice"),
            Err(Unresolved::Ambiguous(both.clone()))
        );
        let inventory = inventory();
        let scope = Scope {
            datacenter: None,
            preferred: Some(&both[1..]),
        };
        assert_eq!(
            resolve(&inventory, Kind::Network, "twice", scope),
            Ok(both[1].clone())
        );
    }
}
