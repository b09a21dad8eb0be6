//! When all is as it shall be.

use crate::world::World;

/// What is not yet as it shall be.
pub(super) fn unsettled(world: &World) -> Option<String> {
    if world.vcenter.is_busy() {
        return Some("tasks go on".into());
    }
    let names: Vec<_> = world.hub.templates.keys().collect();
    names.into_iter().find_map(|name| {
        let problem = unsettled_template(world, name)?;
        Some(format!("{name}: {problem}"))
    })
}

fn unsettled_template(world: &World, name: &str) -> Option<String> {
    let template = world.hub.template(name)?;
    let uid = template.metadata.uid.clone().unwrap_or_default();
    if template.metadata.deletion_timestamp.is_some() {
        return Some("is still there".into());
    }
    let quota = template.spec.quota.as_ref().and_then(|quota| quota.max_vms);
    let desired = template.spec.replicas.unwrap_or_default();
    let desired = desired.min(quota.unwrap_or(i32::MAX));
    let Some(status) = template.status.as_ref() else {
        return Some("has no status".into());
    };
    let machines: Vec<_> = world.vcenter.machines_of(&uid).collect();
    let count = |n: usize| i32::try_from(n).ok();
    if count(machines.len()) != Some(desired) {
        return Some(format!("{} machines instead of {desired}", machines.len()));
    }
    for (moref, machine, key) in &machines {
        let listed = status
            .vm_status
            .iter()
            .find(|entry| entry.slot == Some(key.slot));
        if listed.is_none_or(|entry| *entry.moref != *moref.id) {
            return Some(format!("{} is not listed as {moref}", machine.name));
        }
        if !machine.on && !machine.switched_off {
            return Some(format!("{} is off", machine.name));
        }
    }
    let on = machines.iter().filter(|(_, machine, _)| machine.on).count();
    let expected = (
        Some(desired),
        count(machines.len()),
        count(on),
        machines.len(),
    );
    let told = (
        status.desired_replicas,
        status.current_replicas,
        status.ready_replicas,
        status.vm_status.len(),
    );
    if told != expected {
        return Some(format!("tells {told:?} instead of {expected:?}"));
    }
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
    let ready = ready.is_some_and(|ready| ready.status == "True");
    let is = on == machines.len();
    (ready != is).then(|| format!("tells Ready {ready}, and it is {is}"))
}
