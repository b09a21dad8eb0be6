//! Says how much room there is for machines.

use crate::{
    capacity::{
        Basis, Measured, Needs, Question, Reckoned, Site, Unmeasured, filter, measured, reckon,
    },
    placement,
    vcenter::{VCenter, clock},
};
use contract::v1::{Capacity, DatastoreCapacity, Fault, Reason, RoomLimit, VirtualMachineSpec};
use std::time::Duration;

/// MHz that a CPU is reckoned with where nobody says otherwise.
pub const MHZ_PER_CPU: i64 = 2_000;
/// How old a measurement may be where nobody says otherwise.
pub const MAX_AGE: Duration = Duration::from_mins(1);

const DOING: &str = "measuring the room";

/// What is asked of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// From which sum it is reckoned.
    pub basis: Basis,
    /// MHz that a CPU is reckoned with.
    pub mhz_per_cpu: i64,
    /// How old the measurement may be.
    pub max_age: Duration,
}

/// The room for machines of `spec`, which has its defaults filled in.
pub async fn capacity(
    vcenter: &VCenter,
    spec: &VirtualMachineSpec,
    asked: Asked,
) -> Result<Capacity, Fault> {
    vcenter.require_synced_once().map_err(|fault| *fault)?;
    let question = question(vcenter, spec, asked)?;
    let site = &question.site;
    let measured = vcenter
        .measurements
        .within(asked.max_age, site, measure(vcenter, site))
        .await?;
    Ok(told(vcenter, &question, &measured))
}

/// Why so many machines of `spec` do not fit, if they do not.
pub fn shortage(capacity: &Capacity, spec: &VirtualMachineSpec, count: i32) -> Option<Fault> {
    let room = capacity.room.as_ref()?;
    if count <= room.machines {
        return None;
    }
    let fits = room.machines;
    let too_little = |resource: &str| {
        let what = format!("{count} machines are asked, and there is {resource} for {fits}");
        Fault::new(Reason::CapacityExhausted, what)
            .with("resource", resource)
            .with("asked", count)
            .with("available", fits)
    };
    Some(match room.limited_by() {
        RoomLimit::Storage => too_little_space(capacity, spec, count, fits),
        RoomLimit::Cpu => too_little("CPU"),
        RoomLimit::Memory => too_little("memory"),
        RoomLimit::Host | RoomLimit::Unspecified => too_little("room on single hosts"),
    })
}

fn too_little_space(
    capacity: &Capacity,
    spec: &VirtualMachineSpec,
    count: i32,
    fits: i32,
) -> Fault {
    let what = format!("{count} machines are asked, and there is space for {fits}");
    let needed = Needs::of(spec).bytes().saturating_mul(count.into());
    let fault = Fault::new(Reason::DatastoreFull, what).with("needed_bytes", needed);
    match capacity.datastores.first() {
        Some(datastore) => {
            let object = datastore.object.clone().unwrap_or_default();
            fault
                .with("datastore", object.path)
                .with("free_bytes", datastore.available_bytes)
        }
        None => fault,
    }
}

fn question(vcenter: &VCenter, spec: &VirtualMachineSpec, asked: Asked) -> Result<Question, Fault> {
    vcenter.read(|state| {
        let site = placement::site(&state.inventory, spec)?;
        let cluster = state.inventory.get(&site.cluster);
        let root_pool = cluster.and_then(|cluster| cluster.root_pool.as_ref());
        Ok(Question {
            own_pool: root_pool != Some(&site.pool),
            site,
            needs: Needs::of(spec),
            basis: asked.basis,
            mhz_per_cpu: asked.mhz_per_cpu,
        })
    })
}

async fn measure(vcenter: &VCenter, site: &Site) -> Result<Measured, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let hosts = vcenter.read(|state| {
        let cluster = state.inventory.get(&site.cluster);
        cluster.map(|cluster| cluster.hosts.clone())
    });
    let hosts = hosts.unwrap_or_default();
    // From before the call: what is made while it is under way may not be in it, and is counted.
    let at = clock::now();
    let read = vcenter.session.retrieve(filter(site, &hosts)).await;
    let read = read.map_err(|failure| vcenter.explain(&failure, DOING))?;
    let result = vcenter.read(|state| measured(site, &state.inventory, &read, at));
    result.map_err(|unmeasured| explain(vcenter, unmeasured))
}

fn explain(vcenter: &VCenter, unmeasured: Unmeasured) -> Fault {
    match unmeasured {
        Unmeasured::Gone(moref) => {
            let what = format!("{DOING}: {} was removed", moref.id);
            Fault::new(Reason::ObjectGone, what).with("object", moref.id)
        }
        Unmeasured::Unreadable(missing) => {
            let doing = format!("{DOING}: reading {}", missing.path);
            vcenter.explain_vim(&missing.fault, &doing)
        }
    }
}

fn told(vcenter: &VCenter, question: &Question, measured: &Measured) -> Capacity {
    vcenter.read(|state| {
        let Reckoned {
            compute,
            available_bytes,
            room,
        } = reckon(question, measured, state.claims(measured.at));
        let Site {
            cluster,
            pool,
            datastore,
        } = &question.site;
        let object = if question.own_pool { pool } else { cluster };
        let describe = |moref| Some(state.inventory.describe(moref));
        let space = &measured.datastore;
        Capacity {
            measured_at: Some(measured.at),
            compute: Some(contract::v1::ComputeCapacity {
                object: describe(object),
                cluster: describe(cluster),
                ..compute
            }),
            datastores: vec![DatastoreCapacity {
                object: describe(datastore),
                state: space.state.into(),
                capacity_bytes: space.capacity_bytes,
                free_bytes: space.free_bytes,
                uncommitted_bytes: space.uncommitted_bytes,
                available_bytes,
            }],
            room: Some(room),
        }
    })
}

// === impl Asked ===

impl Default for Asked {
    fn default() -> Self {
        Self {
            basis: Basis::Effective,
            mhz_per_cpu: MHZ_PER_CPU,
            max_age: MAX_AGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Room;

    #[test]
    fn more_than_fit_is_a_fault_that_says_what_is_short() {
        let capacity = |limit: RoomLimit| Capacity {
            room: Some(Room {
                machines: 3,
                limited_by: limit.into(),
                ..Room::default()
            }),
            ..Capacity::default()
        };
        let short =
            |limit, count| shortage(&capacity(limit), &VirtualMachineSpec::default(), count);
        assert_eq!(short(RoomLimit::Cpu, 3), None);
        assert_eq!(short(RoomLimit::Cpu, 0), None);
        for (limit, reason) in [
            (RoomLimit::Cpu, Reason::CapacityExhausted),
            (RoomLimit::Memory, Reason::CapacityExhausted),
            (RoomLimit::Host, Reason::CapacityExhausted),
            (RoomLimit::Storage, Reason::DatastoreFull),
        ] {
            let fault = short(limit, 4).expect("too many");
            assert_eq!(fault.reason(), reason);
            assert!(fault.message.contains("for 3"), "{}", fault.message);
        }
    }
}
