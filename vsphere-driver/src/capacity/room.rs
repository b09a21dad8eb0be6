//! How many machines fit: reckoned from what was measured and what is about to be taken.

use super::{Amount, Claim, Datastore, Host, Measured, Needs, Site, amount::times};
use contract::v1::{ComputeCapacity, DatastoreState, Room, RoomLimit};

/// From which sum the room is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// What usable hosts offer, less what HA and reservations keep back, and space that no disk may claim.
    Effective,
    /// All that is installed, and all space that is free now.
    Total,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where.
    pub site: Site,
    /// The pool is not the root pool of the cluster, and has bounds of its own.
    pub own_pool: bool,
    /// For machines of which size.
    pub needs: Needs,
    /// From which sum.
    pub basis: Basis,
    /// MHz that a CPU is reckoned with.
    pub mhz_per_cpu: i64,
}

/// The room, with the figures that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Reckoned {
    /// CPU and memory. Its objects are left out.
    pub compute: ComputeCapacity,
    /// Space that is left.
    pub available_bytes: i64,
    /// How many machines fit.
    pub room: Room,
}

/// The room for what is asked; `claims` are of machines that are accepted and not in the measurement.
pub fn reckon<'a>(
    question: &Question,
    measured: &Measured,
    claims: impl Iterator<Item = &'a Claim>,
) -> Reckoned {
    let taken = Taken::of(question, claims);
    let hosts = offers(measured, question.basis);
    let cluster = of_cluster(question, measured, &taken, &hosts);
    let sums = if question.own_pool {
        of_pool(question, measured, &taken, &cluster)
    } else {
        cluster
    };
    let compute = told(&sums, &cluster, (measured.cluster.hosts.len(), hosts.len()));
    let one = question.needs.amount(question.mhz_per_cpu);
    let available_bytes = available_bytes(question.basis, &measured.datastore, taken.bytes);
    let by_host = by_host(question, measured, one, &hosts);
    let room = room([
        (
            RoomLimit::Cpu,
            times(compute.cpu_available_mhz, one.cpu_mhz),
        ),
        (
            RoomLimit::Memory,
            times(compute.memory_available_mib, one.memory_mib),
        ),
        (
            RoomLimit::Storage,
            times(available_bytes, question.needs.bytes()),
        ),
        (
            RoomLimit::Host,
            by_host.saturating_sub(taken.of_cluster.places(one)),
        ),
    ]);
    Reckoned {
        compute,
        available_bytes,
        room,
    }
}

/// What machines are about to take of a site.
#[derive(Debug, Default)]
struct Taken {
    of_cluster: Amount,
    of_pool: Amount,
    bytes: i64,
}

/// What a host offers, where it can be used.
type Offer<'a> = (&'a Host, Amount);

fn offers(measured: &Measured, basis: Basis) -> Vec<Offer<'_>> {
    let cluster = &measured.cluster;
    let usable = || cluster.hosts.iter().filter(|host| host.usable);
    let all: Amount = usable().map(|host| host.total).sum();
    let offer = |host: &Host| match basis {
        Basis::Total => host.total,
        // vCenter says only of the whole cluster what is left beside the hypervisors' own needs: each host
        // bears its share of them.
        Basis::Effective => Amount {
            cpu_mhz: share(host.total.cpu_mhz, cluster.effective.cpu_mhz, all.cpu_mhz),
            memory_mib: share(
                host.total.memory_mib,
                cluster.effective.memory_mib,
                all.memory_mib,
            ),
        },
    };
    usable().map(|host| (host, offer(host))).collect()
}

fn share(part: i64, effective: i64, all: i64) -> i64 {
    if all <= 0 {
        return 0;
    }
    let share = i128::from(part) * i128::from(effective) / i128::from(all);
    i64::try_from(share).unwrap_or(i64::MAX).min(part)
}

/// How much there is of CPU and memory.
#[derive(Clone, Copy, Debug)]
struct Sums {
    total: Amount,
    effective: Amount,
    used: Amount,
    failover: Amount,
    available: Amount,
}

fn of_cluster(
    question: &Question,
    measured: &Measured,
    taken: &Taken,
    hosts: &[Offer<'_>],
) -> Sums {
    let cluster = &measured.cluster;
    let used: Amount = cluster.hosts.iter().map(|host| host.used).sum();
    let used = used.plus(taken.of_cluster);
    let (failover, available) = match question.basis {
        Basis::Effective => {
            let failover = cluster.admission.kept_back(cluster.effective, hosts);
            (failover, cluster.effective.minus(failover).minus(used))
        }
        Basis::Total => (Amount::default(), cluster.total.minus(used)),
    };
    let available = if question.own_pool {
        available
    } else {
        unpromised(question, measured, available)
    };
    Sums {
        total: cluster.total,
        effective: cluster.effective,
        used,
        failover,
        available,
    }
}

fn of_pool(question: &Question, measured: &Measured, taken: &Taken, cluster: &Sums) -> Sums {
    let pool = &measured.pool;
    let total = pool.limit.least(cluster.effective);
    let used = pool.used.plus(taken.of_pool);
    let available = total.minus(used).least(cluster.available);
    Sums {
        total,
        effective: total,
        used,
        failover: Amount::default(),
        available: unpromised(question, measured, available),
    }
}

/// What is available in the pool beside what is reserved for others.
fn unpromised(question: &Question, measured: &Measured, available: Amount) -> Amount {
    match question.basis {
        Basis::Effective => available.least(measured.pool.unreserved),
        Basis::Total => available,
    }
}

fn told(sums: &Sums, cluster: &Sums, (all, usable): (usize, usize)) -> ComputeCapacity {
    let Sums {
        total,
        effective,
        used,
        failover,
        available,
    } = sums;
    ComputeCapacity {
        object: None,
        cpu_total_mhz: total.cpu_mhz,
        cpu_effective_mhz: effective.cpu_mhz,
        cpu_used_mhz: used.cpu_mhz,
        cpu_failover_mhz: failover.cpu_mhz,
        cpu_available_mhz: available.cpu_mhz,
        memory_total_mib: total.memory_mib,
        memory_effective_mib: effective.memory_mib,
        memory_used_mib: used.memory_mib,
        memory_failover_mib: failover.memory_mib,
        memory_available_mib: available.memory_mib,
        hosts: count(all),
        usable_hosts: count(usable),
        cluster: None,
        cluster_cpu_available_mhz: cluster.available.cpu_mhz,
        cluster_memory_available_mib: cluster.available.memory_mib,
    }
}

fn available_bytes(basis: Basis, datastore: &Datastore, taken: i64) -> i64 {
    if datastore.state != DatastoreState::Normal {
        return 0;
    }
    let promised = match basis {
        Basis::Effective => datastore.uncommitted_bytes,
        Basis::Total => 0,
    };
    let left = datastore.free_bytes.saturating_sub(promised);
    left.saturating_sub(taken).max(0)
}

/// How many whole machines fit on the hosts, each by itself.
fn by_host(question: &Question, measured: &Measured, one: Amount, hosts: &[Offer<'_>]) -> i64 {
    let admission = &measured.cluster.admission;
    let keeps = |host: &Host| question.basis == Basis::Effective && admission.keeps(&host.moref);
    // A host whose CPUs cannot be read has 0, which proves nothing.
    let large_enough = |host: &Host| host.threads == 0 || host.threads >= question.needs.cpus;
    let takes = |host: &Host| host.reaches && !keeps(host) && large_enough(host);
    let fits = hosts.iter().filter(|(host, _)| takes(host));
    fits.map(|(host, offer)| offer.minus(host.used).fits(one))
        .fold(0, i64::saturating_add)
}

fn room(all: [(RoomLimit, i64); 4]) -> Room {
    let [(_, by_cpu), (_, by_memory), (_, by_storage), (_, by_host)] = all;
    // The first of equals.
    let least = all.into_iter().min_by_key(|(_, machines)| *machines);
    let (limit, machines) = least.unwrap_or_default();
    Room {
        machines: clamp(machines),
        by_cpu: clamp(by_cpu),
        by_memory: clamp(by_memory),
        by_storage: clamp(by_storage),
        by_host: clamp(by_host),
        limited_by: limit.into(),
    }
}

fn clamp(number: i64) -> i32 {
    i32::try_from(number.max(0)).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

// === impl Taken ===

impl Taken {
    fn of<'a>(question: &Question, claims: impl Iterator<Item = &'a Claim>) -> Self {
        claims.fold(Self::default(), |mut taken, Claim { site, needs }| {
            let amount = needs.amount(question.mhz_per_cpu);
            if site.cluster == question.site.cluster {
                taken.of_cluster = taken.of_cluster.plus(amount);
            }
            if site.pool == question.site.pool {
                taken.of_pool = taken.of_pool.plus(amount);
            }
            if site.datastore == question.site.datastore {
                taken.bytes = taken.bytes.saturating_add(needs.bytes());
            }
            taken
        })
    }
}

#[cfg(test)]
mod tests;
