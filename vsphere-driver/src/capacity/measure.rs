//! What is read of vCenter to know the room: one call for cluster, hosts, pool and datastore.

use super::{Admission, Amount, MIB, Site};
use crate::{
    inventory::{Inventory, Object},
    soap::{
        Element, MoRef,
        property_collector::{FilterSpec, MissingProperty, ObjectContent, PropertySpec},
    },
};
use contract::v1::DatastoreState;
use prost_types::Timestamp;

const DAS: &str = "configurationEx.dasConfig";
const TOTAL_CPU: &str = "summary.totalCpu";
const TOTAL_MEMORY: &str = "summary.totalMemory";
const EFFECTIVE_CPU: &str = "summary.effectiveCpu";
const EFFECTIVE_MEMORY: &str = "summary.effectiveMemory";
const COMPUTE: [&str; 4] = [TOTAL_CPU, TOTAL_MEMORY, EFFECTIVE_CPU, EFFECTIVE_MEMORY];
const HOST_MHZ: &str = "summary.hardware.cpuMhz";
const HOST_CORES: &str = "summary.hardware.numCpuCores";
const HOST_MEMORY: &str = "summary.hardware.memorySize";
const HOST_USAGE: &str = "summary.quickStats";
const HOST: [&str; 4] = [HOST_MHZ, HOST_CORES, HOST_MEMORY, HOST_USAGE];
const POOL_CPU: &str = "runtime.cpu";
const POOL_MEMORY: &str = "runtime.memory";
const POOL: [&str; 2] = [POOL_CPU, POOL_MEMORY];
const CAPACITY: &str = "summary.capacity";
const FREE: &str = "summary.freeSpace";
const UNCOMMITTED: &str = "summary.uncommitted";
const DATASTORE: [&str; 3] = [CAPACITY, FREE, UNCOMMITTED];

/// What vCenter measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When it was read.
    pub at: Timestamp,
    /// The cluster or stand-alone host.
    pub cluster: Cluster,
    /// The resource pool.
    pub pool: Pool,
    /// The datastore.
    pub datastore: Datastore,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// All that its hosts have.
    pub total: Amount,
    /// What machines can use of it.
    pub effective: Amount,
    /// What HA keeps back.
    pub admission: Admission,
    /// Its hosts.
    pub hosts: Vec<Host>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Which.
    pub moref: MoRef,
    /// All that it has.
    pub total: Amount,
    /// What is in use.
    pub used: Amount,
    /// Its logical CPUs; 0 where they cannot be read.
    pub threads: i64,
    /// It is connected and not in maintenance.
    pub usable: bool,
    /// It has the datastore.
    pub reaches: bool,
}

/// A resource pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// What it may use at most, by its own limit and those above it.
    pub limit: Amount,
    /// What is in use.
    pub used: Amount,
    /// What is not promised to others by a reservation.
    pub unreserved: Amount,
}

/// A datastore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datastore {
    /// Whether it can be used.
    pub state: DatastoreState,
    /// Size.
    pub capacity_bytes: i64,
    /// Free now.
    pub free_bytes: i64,
    /// What thin disks may still grow by.
    pub uncommitted_bytes: i64,
}

/// Why the room is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// This is no longer there.
    Gone(MoRef),
    /// A property cannot be read.
    Unreadable(MissingProperty),
}

/// What is read for a site with these hosts.
pub fn filter(site: &Site, hosts: &[MoRef]) -> FilterSpec {
    let Site {
        cluster,
        pool,
        datastore,
    } = site;
    let is_cluster = &*cluster.kind == "ClusterComputeResource";
    let compute = COMPUTE.into_iter().chain(is_cluster.then_some(DAS));
    let properties = [
        PropertySpec::new(&*cluster.kind, compute),
        PropertySpec::new(&*pool.kind, POOL),
        PropertySpec::new(&*datastore.kind, DATASTORE),
        PropertySpec::new("HostSystem", HOST),
    ];
    let objects = [cluster, pool, datastore].into_iter().chain(hosts);
    FilterSpec::of_objects(objects.cloned(), properties).tolerating_missing()
}

/// What was read, together with what the inventory knows of the hosts.
pub fn measured(
    site: &Site,
    inventory: &Inventory,
    read: &[ObjectContent],
    at: Timestamp,
) -> Result<Measured, Unmeasured> {
    let compute = inventory.get(&site.cluster);
    let hosts = compute.map(|cluster| &*cluster.hosts).unwrap_or_default();
    let hosts = hosts.iter().filter_map(|moref| {
        let object = inventory.get(moref)?;
        Some(host(moref, object, read, &site.datastore))
    });
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    Ok(Measured {
        at,
        cluster: cluster(content(read, &site.cluster)?, hosts),
        pool: pool(content(read, &site.pool)?),
        datastore: datastore(
            content(read, &site.datastore)?,
            inventory.get(&site.datastore),
        ),
    })
}

/// What was read of an object, all of it.
fn content<'a>(read: &'a [ObjectContent], moref: &MoRef) -> Result<&'a ObjectContent, Unmeasured> {
    let found = read.iter().find(|content| content.object == *moref);
    let found = found.ok_or_else(|| Unmeasured::Gone(moref.clone()))?;
    match found.missing.first() {
        Some(missing) => Err(Unmeasured::Unreadable(missing.clone())),
        None => Ok(found),
    }
}

fn number(content: &ObjectContent, path: &str) -> i64 {
    let value = content.property(path).and_then(Element::as_i64);
    value.unwrap_or_default().max(0)
}

fn part(content: &ObjectContent, path: &str, of: &str) -> i64 {
    let value = content.property(path).and_then(|value| value.i64(of));
    value.unwrap_or_default().max(0)
}

fn cluster(content: &ObjectContent, hosts: Vec<Host>) -> Cluster {
    let total = Amount {
        cpu_mhz: number(content, TOTAL_CPU),
        memory_mib: number(content, TOTAL_MEMORY) / MIB,
    };
    let effective = Amount {
        cpu_mhz: number(content, EFFECTIVE_CPU),
        // In MiB already, other than the total.
        memory_mib: number(content, EFFECTIVE_MEMORY),
    };
    Cluster {
        total,
        effective: effective.least(total),
        admission: Admission::of(content.property(DAS)),
        hosts,
    }
}

fn host(
    moref: &MoRef,
    object: &Object,
    read: &[ObjectContent],
    datastore: &MoRef,
) -> Result<Host, Unmeasured> {
    let known = Host {
        moref: moref.clone(),
        threads: i64::from(object.cpus),
        usable: object.is_usable_host(),
        reaches: object.datastores.contains(datastore),
        ..Host::default()
    };
    let content = match content(read, moref) {
        Ok(content) => content,
        // One that was removed meanwhile, or that runs nothing, has nothing to offer.
        Err(Unmeasured::Gone(_)) => {
            return Ok(Host {
                usable: false,
                ..known
            });
        }
        Err(_) if !known.usable => return Ok(known),
        Err(unreadable) => return Err(unreadable),
    };
    Ok(Host {
        total: Amount {
            cpu_mhz: number(content, HOST_MHZ) * number(content, HOST_CORES),
            memory_mib: number(content, HOST_MEMORY) / MIB,
        },
        used: Amount {
            cpu_mhz: part(content, HOST_USAGE, "overallCpuUsage"),
            memory_mib: part(content, HOST_USAGE, "overallMemoryUsage"),
        },
        ..known
    })
}

fn pool(content: &ObjectContent) -> Pool {
    let both = |of| Amount {
        cpu_mhz: part(content, POOL_CPU, of),
        // In bytes, other than the limit that a person writes.
        memory_mib: part(content, POOL_MEMORY, of) / MIB,
    };
    Pool {
        limit: both("maxUsage"),
        used: both("overallUsage"),
        unreserved: both("unreservedForVm"),
    }
}

fn datastore(content: &ObjectContent, object: Option<&Object>) -> Datastore {
    let state = match object {
        Some(object) if object.in_maintenance => DatastoreState::InMaintenance,
        Some(object) if !object.accessible => DatastoreState::Inaccessible,
        Some(_) | None => DatastoreState::Normal,
    };
    Datastore {
        state,
        capacity_bytes: number(content, CAPACITY),
        free_bytes: number(content, FREE),
        uncommitted_bytes: number(content, UNCOMMITTED),
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            moref: MoRef::new("HostSystem", ""),
            total: Amount::default(),
            used: Amount::default(),
            threads: 0,
            usable: true,
            reaches: true,
        }
    }
}

#[cfg(test)]
mod tests;
