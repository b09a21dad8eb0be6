use super::*;
use crate::{
    capacity::{Admission, Cluster, Pool},
    soap::MoRef,
};

const GIB: i64 = 1 << 30;

fn amount(cpu_mhz: i64, memory_mib: i64) -> Amount {
    Amount {
        cpu_mhz,
        memory_mib,
    }
}

fn site() -> Site {
    Site {
        cluster: MoRef::new("ClusterComputeResource", "c-1"),
        pool: MoRef::new("ResourcePool", "pool-1"),
        datastore: MoRef::new("Datastore", "ds-1"),
    }
}

/// Machines of 2 CPUs, 8 GiB of memory and a disk of 100 GiB; from EFFECTIVE, of the root pool.
fn question() -> Question {
    Question {
        site: site(),
        own_pool: false,
        needs: Needs {
            cpus: 2,
            memory_mib: 8_192,
            disk_bytes: 100 * GIB,
        },
        basis: Basis::Effective,
        mhz_per_cpu: 1_000,
    }
}

fn host(id: &str) -> Host {
    Host {
        moref: MoRef::new("HostSystem", id),
        total: amount(10_000, 40_960),
        threads: 8,
        ..Host::default()
    }
}

/// Two equal hosts with nothing on them, and a datastore of 1 TiB.
fn measured() -> Measured {
    let total = amount(20_000, 81_920);
    Measured {
        cluster: Cluster {
            total,
            effective: total,
            admission: Admission::Off,
            hosts: vec![host("h-1"), host("h-2")],
        },
        pool: Pool {
            limit: total,
            used: Amount::default(),
            unreserved: total,
        },
        datastore: Datastore {
            state: DatastoreState::Normal,
            capacity_bytes: 1_024 * GIB,
            free_bytes: 1_080 * GIB,
            uncommitted_bytes: 0,
        },
        ..Measured::default()
    }
}

fn reckoned(change: impl FnOnce(&mut Question, &mut Measured)) -> Reckoned {
    let (mut question, mut measured) = (question(), measured());
    change(&mut question, &mut measured);
    reckon(&question, &measured, std::iter::empty())
}

/// By CPU, memory, storage and host; then what limits.
fn shown(room: &Room) -> ([i32; 4], RoomLimit) {
    let by = [room.by_cpu, room.by_memory, room.by_storage, room.by_host];
    assert_eq!(Some(&room.machines), by.iter().min());
    (by, room.limited_by())
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn the_room_is_the_least_of_what_each_resource_permits() {
    type Change = fn(&mut Question, &mut Measured);
    use RoomLimit as L;
    let cases: [(&str, Change, [i32; 4], RoomLimit); 17] = [
        (
            "the first of equals limits",
            |_, _| {},
            [10, 10, 10, 10],
            L::Cpu,
        ),
        (
            "what is in use is not there",
            |_, m| m.cluster.hosts[0].used = amount(1_000, 20_480),
            [9, 7, 10, 7],
            L::Memory,
        ),
        (
            "memory is not divided twice: effective is in MiB, as the total is by then",
            |_, m| m.cluster.effective.memory_mib = 73_728,
            [10, 9, 10, 8],
            L::Host,
        ),
        (
            "from the total, hypervisors' needs do not count",
            |q, m| {
                q.basis = Basis::Total;
                m.cluster.effective = amount(1, 1);
            },
            [10, 10, 10, 10],
            L::Cpu,
        ),
        (
            "a percentage is kept back for failures",
            |_, m| m.cluster.admission = Admission::Percent(amount(50, 25)),
            [5, 7, 10, 10],
            L::Cpu,
        ),
        (
            "as is the largest host",
            |_, m| m.cluster.admission = Admission::Level(1),
            [5, 5, 10, 10],
            L::Cpu,
        ),
        (
            "no machine fits on a host that is kept for failures",
            |_, m| m.cluster.admission = Admission::Hosts(vec![m.cluster.hosts[0].moref.clone()]),
            [5, 5, 10, 5],
            L::Cpu,
        ),
        (
            "from the total, nothing is kept back",
            |q, m| {
                q.basis = Basis::Total;
                m.cluster.admission = Admission::Hosts(vec![m.cluster.hosts[0].moref.clone()]);
            },
            [10, 10, 10, 10],
            L::Cpu,
        ),
        (
            "what is reserved for others is theirs, used or not",
            |_, m| m.pool.unreserved = amount(20_000, 16_384),
            [10, 2, 10, 10],
            L::Memory,
        ),
        (
            "a machine does not span hosts",
            |q, _| q.needs.memory_mib = 24_576,
            [10, 3, 8, 2],
            L::Host,
        ),
        (
            "a host needs as many CPUs as the machine",
            |q, m| {
                q.needs.cpus = 9;
                m.cluster.hosts[1].threads = 16;
            },
            [2, 10, 10, 1],
            L::Host,
        ),
        (
            "a host that does not reach the datastore runs none",
            |_, m| m.cluster.hosts[1].reaches = false,
            [10, 10, 10, 5],
            L::Host,
        ),
        (
            "nor does one in maintenance",
            |_, m| {
                m.cluster.hosts[1].usable = false;
                m.cluster.effective = amount(10_000, 40_960);
            },
            [5, 5, 10, 5],
            L::Cpu,
        ),
        (
            "thin disks may still grow",
            |_, m| m.datastore.uncommitted_bytes = 540 * GIB,
            [10, 10, 5, 10],
            L::Storage,
        ),
        (
            "more than is free, as on a datastore that is overcommitted",
            |_, m| m.datastore.uncommitted_bytes = 9_999 * GIB,
            [10, 10, 0, 10],
            L::Storage,
        ),
        (
            "which the total leaves to the one who asks for it",
            |q, m| {
                q.basis = Basis::Total;
                m.datastore.uncommitted_bytes = 9_999 * GIB;
            },
            [10, 10, 10, 10],
            L::Cpu,
        ),
        (
            "a datastore in maintenance takes none",
            |_, m| m.datastore.state = DatastoreState::InMaintenance,
            [10, 10, 0, 10],
            L::Storage,
        ),
    ];
    for (why, change, by, limit) in cases {
        assert_eq!(shown(&reckoned(change).room), (by, limit), "{why}");
    }
}

#[test]
fn a_pool_has_its_own_bounds_and_never_more_than_its_cluster() {
    let of_pool = |change: fn(&mut Measured)| {
        let reckoned = reckoned(|question, measured| {
            question.own_pool = true;
            measured.pool.limit = amount(8_000, 32_768);
            change(measured);
        });
        let compute = reckoned.compute;
        (
            (compute.cpu_total_mhz, compute.cpu_used_mhz),
            (compute.memory_total_mib, compute.memory_available_mib),
            reckoned.room.machines,
        )
    };
    assert_eq!(of_pool(|_| {}), ((8_000, 0), (32_768, 32_768), 4));
    let used = of_pool(|m| m.pool.used = amount(2_000, 8_192));
    assert_eq!(used, ((8_000, 2_000), (32_768, 24_576), 3));
    let full = of_pool(|m| m.cluster.hosts.iter_mut().for_each(|h| h.used = h.total));
    assert_eq!(full, ((8_000, 0), (32_768, 0), 0));
    let unlimited = of_pool(|m| m.pool.limit = amount(i64::MAX, i64::MAX));
    assert_eq!(unlimited, ((20_000, 0), (81_920, 81_920), 10));
}

#[test]
fn what_is_accepted_and_not_yet_on_is_not_promised_again() {
    let elsewhere = |kind: &str| MoRef::new(kind, "other");
    let question = question();
    let claim = Claim {
        site: site(),
        needs: question.needs,
    };
    let other_pool = Claim {
        site: Site {
            pool: elsewhere("ResourcePool"),
            ..site()
        },
        ..claim.clone()
    };
    let other_cluster = Claim {
        site: Site {
            cluster: elsewhere("ClusterComputeResource"),
            pool: elsewhere("ResourcePool"),
            ..site()
        },
        ..claim.clone()
    };
    let other_datastore = Claim {
        site: Site {
            datastore: elsewhere("Datastore"),
            ..site()
        },
        ..claim.clone()
    };
    for (claims, by) in [
        (vec![claim.clone()], [9, 9, 9, 9]),
        (vec![claim.clone(), other_pool], [8, 8, 8, 8]),
        (vec![other_cluster], [10, 10, 9, 10]),
        (vec![other_datastore], [9, 9, 10, 9]),
        (vec![claim; 12], [0, 0, 0, 0]),
    ] {
        let reckoned = reckon(&question, &measured(), claims.iter());
        assert_eq!(shown(&reckoned.room).0, by, "{claims:?}");
    }
}

#[test]
fn the_figures_of_a_cluster_are_told_as_they_are() {
    let reckoned = reckoned(|_, measured| {
        measured.cluster.effective = amount(18_000, 73_728);
        measured.cluster.admission = Admission::Percent(amount(10, 25));
        measured.cluster.hosts[1].used = amount(3_000, 10_000);
        measured.cluster.hosts.push(Host {
            usable: false,
            ..host("h-3")
        });
    });
    assert_eq!(
        reckoned.compute,
        ComputeCapacity {
            object: None,
            cpu_total_mhz: 20_000,
            cpu_effective_mhz: 18_000,
            cpu_used_mhz: 3_000,
            cpu_failover_mhz: 1_800,
            cpu_available_mhz: 13_200,
            memory_total_mib: 81_920,
            memory_effective_mib: 73_728,
            memory_used_mib: 10_000,
            memory_failover_mib: 18_432,
            memory_available_mib: 45_296,
            hosts: 3,
            usable_hosts: 2,
            cluster: None,
            cluster_cpu_available_mhz: 13_200,
            cluster_memory_available_mib: 45_296,
        }
    );
}
