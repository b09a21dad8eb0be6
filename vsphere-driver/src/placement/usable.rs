//! Whether what a spec names can be used: hosts, datastore, networks.

use super::{Network, Placement, names::Found};
use crate::{
    inventory::{Inventory, Object, path},
    soap::MoRef,
};
use contract::v1::{Fault, Reason, VirtualMachineSpec};

const DATASTORE: &str = "spec.placement.datastore";

/// The placement, with each fault that speaks against it added to `faults`.
pub(super) fn check(
    inventory: &Inventory,
    spec: &VirtualMachineSpec,
    found: Found,
    faults: &mut Vec<Fault>,
) -> Option<Placement> {
    let cluster = inventory.get(&found.cluster)?;
    let usable = usable_hosts(inventory, &found, cluster, faults);
    check_cpus(spec, &usable, faults);
    check_datastore(inventory, &found, cluster, faults);
    let networks = networks(inventory, &found, cluster, faults);
    let hosts = hosts_to_choose_from(&found, cluster, &usable, faults);
    let Found {
        datacenter,
        cluster,
        pool,
        datastore,
        folder,
        ..
    } = found;
    let datastore_name = inventory.get(&datastore).map(|o| path::decode(&o.name))?;
    let networks = networks.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Placement {
        datacenter,
        cluster,
        pool,
        datastore,
        datastore_name,
        folder,
        networks,
        hosts,
    })
}

type Host<'a> = (&'a MoRef, &'a Object);

fn usable_hosts<'a>(
    inventory: &'a Inventory,
    found: &Found,
    cluster: &'a Object,
    faults: &mut Vec<Fault>,
) -> Vec<Host<'a>> {
    let hosts = cluster
        .hosts
        .iter()
        .filter_map(|host| Some((host, inventory.get(host)?)));
    let usable: Vec<_> = hosts.filter(|(_, host)| host.is_usable_host()).collect();
    if usable.is_empty() {
        let name = inventory.path(&found.cluster);
        let count = cluster.hosts.len();
        let what = format!("none of the {count} hosts of `{name}` is connected and in service");
        let fault = Fault::new(Reason::NoHost, what)
            .with("cluster", name)
            .with("hosts", count);
        faults.push(fault.at("spec.placement.cluster"));
    }
    usable
}

fn check_cpus(spec: &VirtualMachineSpec, usable: &[Host<'_>], faults: &mut Vec<Fault>) {
    let asked = spec
        .hardware
        .as_ref()
        .map_or(0, |hardware| hardware.num_cpus);
    let most = usable
        .iter()
        .map(|(_, host)| host.cpus)
        .max()
        .unwrap_or_default();
    // A host whose CPUs cannot be read has 0, which proves nothing.
    if most > 0 && asked > most {
        let what = format!("{asked} CPUs are asked, and the largest host has {most}");
        let fault = Fault::new(Reason::NotEnoughCpus, what)
            .with("asked", asked)
            .with("most", most);
        faults.push(fault.at("spec.hardware.num_cpus"));
    }
}

fn check_datastore(
    inventory: &Inventory,
    found: &Found,
    cluster: &Object,
    faults: &mut Vec<Fault>,
) {
    let Some(datastore) = inventory.get(&found.datastore) else {
        return;
    };
    let name = inventory.path(&found.datastore);
    let problem = if !cluster.datastores.contains(&found.datastore) {
        Some((
            Reason::DatastoreNotOnHosts,
            "is not mounted on a host of the cluster",
        ))
    } else if datastore.in_maintenance {
        Some((Reason::DatastoreInMaintenance, "is in maintenance"))
    } else if !datastore.accessible {
        Some((Reason::DatastoreUnavailable, "is not reached by its hosts"))
    } else {
        None
    };
    if let Some((reason, problem)) = problem {
        let fault = Fault::new(reason, format!("datastore `{name}` {problem}"));
        faults.push(fault.with("datastore", name).at(DATASTORE));
    }
}

fn networks(
    inventory: &Inventory,
    found: &Found,
    cluster: &Object,
    faults: &mut Vec<Fault>,
) -> Vec<Option<Network>> {
    let mut check = |(index, moref): (usize, &MoRef)| {
        if !cluster.networks.contains(moref) {
            let (network, on) = (inventory.path(moref), inventory.path(&found.cluster));
            let what = format!("network `{network}` is on no host of `{on}`");
            let fault = Fault::new(Reason::NetworkNotOnHosts, what);
            let fault = fault.with("network", network).with("cluster", on);
            faults.push(fault.at(format!("spec.network_interfaces[{index}].network")));
        }
        network(inventory, moref)
    };
    found.networks.iter().enumerate().map(&mut check).collect()
}

fn network(inventory: &Inventory, moref: &MoRef) -> Option<Network> {
    let object = inventory.get(moref)?;
    let Some(group) = &object.port_group else {
        return Some(Network::Standard {
            moref: moref.clone(),
            name: path::decode(&object.name),
        });
    };
    let switch = inventory.get(group.switch.as_ref()?)?;
    Some(Network::Distributed {
        switch_uuid: switch.switch_uuid.clone(),
        port_group: group.key.clone(),
    })
}

/// vCenter chooses the host of a stand-alone compute resource and, with DRS, of a cluster. Without DRS
/// the create call must name one that is in service and has datastore and networks.
fn hosts_to_choose_from(
    found: &Found,
    cluster: &Object,
    usable: &[Host<'_>],
    faults: &mut Vec<Fault>,
) -> Vec<MoRef> {
    if cluster.drs != Some(false) || usable.is_empty() {
        return Vec::new();
    }
    let fits = |(_, host): &&Host<'_>| {
        host.datastores.contains(&found.datastore)
            && found
                .networks
                .iter()
                .all(|network| host.networks.contains(network))
    };
    let mut hosts: Vec<_> = usable
        .iter()
        .filter(fits)
        .map(|(moref, _)| (*moref).clone())
        .collect();
    hosts.sort();
    if hosts.is_empty() && faults.is_empty() {
        let what = "no host in service has both the datastore and the networks";
        faults.push(Fault::new(Reason::NoHost, what).at("spec.placement.cluster"));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use crate::{
        inventory::{
            Inventory,
            properties::fixtures::{inventory, moref},
        },
        placement::{Network, Placed, place},
    };
    use contract::v1::{Fault, Hardware, NetworkInterface, Placement, Reason, VirtualMachineSpec};

    fn placed(change: impl FnOnce(&mut Inventory, &mut VirtualMachineSpec)) -> Placed {
        let mut inventory = inventory();
        let mut spec = VirtualMachineSpec {
            placement: Some(Placement {
                datacenter: "DC0".into(),
                cluster: "C0".into(),
                datastore: "LocalDS_0".into(),
                ..Placement::default()
            }),
            network_interfaces: vec![NetworkInterface {
                network: "PG0".into(),
            }],
            hardware: Some(Hardware {
                num_cpus: 2,
                ..Hardware::default()
            }),
            ..VirtualMachineSpec::default()
        };
        change(&mut inventory, &mut spec);
        place(&inventory, &spec)
    }

    fn change<'a>(
        inventory: &'a mut Inventory,
        kind: &str,
        id: &str,
    ) -> &'a mut crate::inventory::Object {
        inventory.entry(&moref(kind, id)).expect("known kind")
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        type Change = fn(&mut Inventory, &mut VirtualMachineSpec);
        let cases: [(Reason, Change); 6] = [
            (Reason::NoHost, |i, _| {
                change(i, "HostSystem", "h-1").connected = false;
            }),
            (Reason::NotEnoughCpus, |_, s| {
                s.hardware.get_or_insert_default().num_cpus = 99;
            }),
            (Reason::DatastoreNotOnHosts, |i, _| {
                change(i, "ClusterComputeResource", "c-1")
                    .datastores
                    .clear();
            }),
            (Reason::DatastoreInMaintenance, |i, _| {
                change(i, "Datastore", "ds-1").in_maintenance = true;
            }),
            (Reason::DatastoreUnavailable, |i, _| {
                change(i, "Datastore", "ds-1").accessible = false;
            }),
            (Reason::NetworkNotOnHosts, |i, _| {
                change(i, "ClusterComputeResource", "c-1").networks.clear();
            }),
        ];
        for (reason, change) in cases {
            let faults = placed(change).faults;
            assert_eq!(
                faults.iter().map(Fault::reason).collect::<Vec<_>>(),
                [reason]
            );
        }
    }

    #[test]
    fn a_host_is_chosen_only_where_drs_does_not() {
        let hosts = |drs| {
            let placed = placed(|i, _| change(i, "ClusterComputeResource", "c-1").drs = drs);
            placed.placement.expect("usable").hosts
        };
        assert_eq!(hosts(Some(true)), []);
        assert_eq!(hosts(None), []);
        assert_eq!(hosts(Some(false)), [moref("HostSystem", "h-1")]);
    }

    #[test]
    fn without_drs_a_host_must_have_datastore_and_network_together() {
        let placed = placed(|i, _| {
            change(i, "ClusterComputeResource", "c-1").drs = Some(false);
            change(i, "HostSystem", "h-1").datastores.clear();
        });
        assert_eq!(placed.faults[0].reason(), Reason::NoHost);
    }

    #[test]
    fn a_port_group_is_named_by_its_switch_and_key() {
        let network = Network::Distributed {
            switch_uuid: "uuid-1".into(),
            port_group: "pg-1".into(),
        };
        assert_eq!(
            placed(|_, _| {}).placement.expect("usable").networks,
            [network]
        );
    }
}
