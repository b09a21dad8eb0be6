//! How many more machines fit. Pure.

use crate::driver::{Capacity, Needs};

/// So much CPU and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// CPU.
    pub cpu_mhz: i64,
    /// Memory.
    pub memory_mib: i64,
}

/// What others will take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Of the cluster.
    pub of_cluster: Amount,
    /// Of the pool, or of the cluster again.
    pub of_compute: Amount,
    /// Of the datastore.
    pub bytes: i64,
    /// Machines in the cluster.
    pub machines: i32,
}

/// How many more machines fit, and what permits no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// So many.
    pub machines: i32,
    /// What permits no more.
    pub limit: Limit,
}

/// What limits the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// CPU of the cluster or pool.
    Cpu,
    /// Memory of the cluster or pool.
    Memory,
    /// Space on the datastore.
    Storage,
    /// What fits on single hosts.
    Host,
}

/// The room for machines that need so much each, once others have taken theirs.
pub fn room(capacity: &Capacity, needs: Needs, taken: Taken) -> Room {
    let compute = &capacity.compute;
    // A pool has its own bounds, and those of its cluster.
    let left = |own: i64, of_own: i64, all: i64, of_all: i64| (own - of_own).min(all - of_all);
    let cpu = left(
        compute.cpu_mhz.available,
        taken.of_compute.cpu_mhz,
        compute.cluster_cpu_mhz,
        taken.of_cluster.cpu_mhz,
    );
    let memory = left(
        compute.memory_mib.available,
        taken.of_compute.memory_mib,
        compute.cluster_memory_mib,
        taken.of_cluster.memory_mib,
    );
    let space = capacity.datastore.available_bytes - taken.bytes;
    let places = places(taken.of_cluster.cpu_mhz, needs.cpu_mhz)
        .max(places(taken.of_cluster.memory_mib, needs.memory_mib));
    let limits = [
        (times(cpu, needs.cpu_mhz), Limit::Cpu),
        (times(memory, needs.memory_mib), Limit::Memory),
        (times(space, needs.bytes()), Limit::Storage),
        ((i64::from(capacity.by_host) - places).max(0), Limit::Host),
    ];
    let [first, ..] = limits;
    let least = limits
        .into_iter()
        .min_by_key(|(machines, _)| *machines)
        .unwrap_or(first);
    Room {
        machines: i32::try_from(least.0).unwrap_or(i32::MAX),
        limit: least.1,
    }
}

/// How many times `one` is in `all`, whole. Of what takes nothing there is room without end.
fn times(all: i64, one: i64) -> i64 {
    if one <= 0 {
        return i64::MAX;
    }
    all.max(0) / one
}

/// How many times `one` it takes to hold `all`.
fn places(all: i64, one: i64) -> i64 {
    if one <= 0 {
        return 0;
    }
    (all.max(0) + one - 1) / one
}

// === impl Limit ===

impl Limit {
    /// What there is too little of.
    pub fn what(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Storage => "space on the datastore",
            Self::Host => "room on single hosts",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::capacity;

    const GIB: i64 = 1 << 30;

    fn needs() -> Needs {
        Needs {
            cpu_mhz: 1_000,
            memory_mib: 4_096,
            disk_gib: 96,
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    #[test]
    fn the_scarcest_limits_and_what_others_take_is_not_there() {
        type Change = fn(&mut Capacity, &mut Taken);
        let cases: [(&str, Change, i32, Limit); 11] = [
            ("nothing is taken", |_, _| {}, 10, Limit::Cpu),
            (
                "memory is scarce",
                |c, _| c.compute.memory_mib.available = 4_096 * 3 + 4_095,
                3,
                Limit::Memory,
            ),
            (
                "space is scarce",
                |c, _| c.datastore.available_bytes = 99 * GIB,
                0,
                Limit::Storage,
            ),
            ("hosts are small", |c, _| c.by_host = 2, 2, Limit::Host),
            (
                "others take CPU of the pool",
                |_, t| t.of_compute.cpu_mhz = 2_500,
                7,
                Limit::Cpu,
            ),
            (
                "others take of the cluster and leave the pool enough",
                |c, t| {
                    c.compute.cluster_memory_mib = 4_096 * 100;
                    c.by_host = 100;
                    t.of_cluster.memory_mib = 4_096 * 50;
                },
                10,
                Limit::Cpu,
            ),
            (
                "others take of the cluster more than the pool can do without",
                |_, t| t.of_cluster.memory_mib = 4_096 * 6,
                4,
                Limit::Memory,
            ),
            (
                "large machines of others take the places of several",
                |c, t| {
                    c.compute.cluster_memory_mib = 4_096 * 100;
                    t.of_cluster.memory_mib = 4_096 * 4 + 1;
                },
                5,
                Limit::Host,
            ),
            (
                "others take space",
                |_, t| t.bytes = 150 * GIB,
                8,
                Limit::Storage,
            ),
            (
                "others take all",
                |_, t| t.bytes = 5_000 * GIB,
                0,
                Limit::Storage,
            ),
            (
                "nothing is left",
                |c, _| c.compute.cpu_mhz.available = 0,
                0,
                Limit::Cpu,
            ),
        ];
        for (why, change, machines, limit) in cases {
            let (mut capacity, mut taken) = (capacity(10, needs()), Taken::default());
            change(&mut capacity, &mut taken);
            let room = room(&capacity, needs(), taken);
            assert_eq!(room, Room { machines, limit }, "{why}");
        }
    }

    #[test]
    fn two_that_lack_as_much_are_never_promised_more_than_there_is() {
        let capacity = capacity(10, needs());
        for (mine, theirs) in [(0, 10), (3, 7), (5, 5), (10, 10)] {
            let taken = |machines: i32| {
                let all = i64::from(machines);
                let amount = Amount {
                    cpu_mhz: 1_000 * all,
                    memory_mib: 4_096 * all,
                };
                Taken {
                    of_cluster: amount,
                    of_compute: amount,
                    bytes: 100 * GIB * all,
                    machines,
                }
            };
            let for_me = room(&capacity, needs(), taken(theirs)).machines.min(mine);
            let for_them = room(&capacity, needs(), taken(mine)).machines.min(theirs);
            assert!(for_me + for_them <= 10, "{mine} and {theirs}");
        }
    }
}
