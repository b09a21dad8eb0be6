//! Placements of specs in a small inventory.

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
