use super::*;
use crate::{
    inventory::properties::fixtures::{inventory, moref},
    soap::VimFault,
};

fn site() -> Site {
    Site {
        cluster: moref("ClusterComputeResource", "c-1"),
        pool: moref("ResourcePool", "pool-1"),
        datastore: moref("Datastore", "ds-1"),
    }
}

fn leaf(text: &str) -> Element {
    Element::leaf("val", text)
}

fn parts(all: &[(&str, &str)]) -> Element {
    let children = all.iter().map(|(name, text)| Element::leaf(*name, *text));
    Element::parent("val", children.collect())
}

fn object(moref: MoRef, properties: Vec<(&str, Element)>) -> ObjectContent {
    ObjectContent {
        object: moref,
        properties: properties
            .into_iter()
            .map(|(path, value)| (path.to_owned(), value))
            .collect(),
        missing: Vec::new(),
    }
}

/// A cluster of one host, as vCenter tells of it: memory in bytes, but for what is effective or in use.
fn read() -> Vec<ObjectContent> {
    let Site {
        cluster,
        pool,
        datastore,
    } = site();
    let usage = [
        ("maxUsage", "8589934592"),
        ("overallUsage", "1073741824"),
        ("unreservedForVm", "4294967296"),
    ];
    vec![
        object(
            cluster,
            vec![
                (TOTAL_CPU, leaf("8000")),
                (TOTAL_MEMORY, leaf("17179869184")),
                (EFFECTIVE_CPU, leaf("7000")),
                (EFFECTIVE_MEMORY, leaf("15000")),
                (DAS, parts(&[("enabled", "true"), ("failoverLevel", "1")])),
            ],
        ),
        object(
            pool,
            vec![
                (
                    POOL_CPU,
                    parts(&[("maxUsage", "6000"), ("overallUsage", "50")]),
                ),
                (POOL_MEMORY, parts(&usage)),
            ],
        ),
        object(
            datastore,
            vec![(CAPACITY, leaf("1000")), (FREE, leaf("600"))],
        ),
        object(
            moref("HostSystem", "h-1"),
            vec![
                (HOST_MHZ, leaf("2000")),
                (HOST_CORES, leaf("4")),
                (HOST_MEMORY, leaf("17179869184")),
                (
                    HOST_USAGE,
                    parts(&[("overallCpuUsage", "70"), ("overallMemoryUsage", "1400")]),
                ),
            ],
        ),
    ]
}

fn found(
    change: impl FnOnce(&mut Inventory, &mut Vec<ObjectContent>),
) -> Result<Measured, Unmeasured> {
    let (mut inventory, mut read) = (inventory(), read());
    change(&mut inventory, &mut read);
    measured(&site(), &inventory, &read, Timestamp::default())
}

fn amount(cpu_mhz: i64, memory_mib: i64) -> Amount {
    Amount {
        cpu_mhz,
        memory_mib,
    }
}

#[test]
fn each_figure_has_its_own_unit() {
    let host = Host {
        moref: moref("HostSystem", "h-1"),
        total: amount(8_000, 16_384),
        used: amount(70, 1_400),
        threads: 8,
        usable: true,
        reaches: true,
    };
    let expected = Measured {
        at: Timestamp::default(),
        cluster: Cluster {
            total: amount(8_000, 16_384),
            effective: amount(7_000, 15_000),
            admission: Admission::Level(1),
            hosts: vec![host],
        },
        pool: Pool {
            limit: amount(6_000, 8_192),
            used: amount(50, 1_024),
            unreserved: amount(0, 4_096),
        },
        datastore: Datastore {
            state: DatastoreState::Normal,
            capacity_bytes: 1_000,
            free_bytes: 600,
            uncommitted_bytes: 0,
        },
    };
    assert_eq!(found(|_, _| {}), Ok(expected));
}

#[test]
fn what_is_effective_is_never_more_than_there_is() {
    let measured = found(|_, read| {
        read[0].properties[3] = (EFFECTIVE_MEMORY.into(), leaf("17179869184"));
    });
    assert_eq!(
        measured.expect("read").cluster.effective,
        amount(7_000, 16_384)
    );
}

#[test]
fn a_datastore_that_cannot_be_used_says_so() {
    let state = |change: fn(&mut Object)| {
        let measured = found(|inventory, _| {
            change(inventory.entry(&moref("Datastore", "ds-1")).expect("known"));
        });
        measured.expect("read").datastore.state
    };
    assert_eq!(
        state(|o| o.in_maintenance = true),
        DatastoreState::InMaintenance
    );
    assert_eq!(
        state(|o| o.accessible = false),
        DatastoreState::Inaccessible
    );
}

#[test]
fn what_is_gone_or_cannot_be_read_is_no_measurement() {
    let fault = VimFault {
        type_name: "NoPermission".into(),
        message: String::new().into(),
        detail: Element::default(),
    };
    let missing = MissingProperty {
        path: FREE.into(),
        fault,
    };
    let unreadable = |of: usize| {
        let missing = missing.clone();
        found(move |_, read| read[of].missing.push(missing))
    };
    let expected = Err(Unmeasured::Unreadable(missing.clone()));
    assert_eq!(unreadable(2), expected);
    assert_eq!(unreadable(3), expected);
    let pool = found(|_, read| drop(read.remove(1)));
    assert_eq!(pool, Err(Unmeasured::Gone(site().pool)));
}

#[test]
fn a_host_that_is_gone_or_runs_nothing_offers_nothing_and_fails_nothing() {
    let usable = |measured: Result<Measured, _>| measured.expect("read").cluster.hosts[0].usable;
    assert!(!usable(found(|_, read| drop(read.pop()))));
    let away = found(|inventory, read| {
        let host = inventory.entry(&moref("HostSystem", "h-1")).expect("known");
        host.connected = false;
        let fault = VimFault {
            type_name: "HostNotConnected".into(),
            message: String::new().into(),
            detail: Element::default(),
        };
        read[3].missing.push(MissingProperty {
            path: HOST_USAGE.into(),
            fault,
        });
    });
    assert!(!usable(away));
}

#[test]
fn a_stand_alone_host_is_not_asked_for_what_only_clusters_have() {
    let asked = |kind: &str| {
        let site = Site {
            cluster: moref(kind, "c-1"),
            ..site()
        };
        filter(&site, &[]).properties[0]
            .paths
            .contains(&DAS.to_owned())
    };
    assert!(asked("ClusterComputeResource"));
    assert!(!asked("ComputeResource"));
}
