//! What both modes look at, with govc.

use std::time::Duration;

use anyhow::ensure;
use lab::Lab;
use lab::vcenter::Machine;

/// How long each change may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// So many machines are on, and there are no others.
pub(super) async fn machines_on(lab: &Lab, count: u32) -> anyhow::Result<String> {
    let what = format!("{count} machines that are on");
    let reached = |machines: &[Machine]| {
        machines.len() == count as usize && machines.iter().all(|machine| machine.on)
    };
    let machines = lab.wait_for_machines(&what, PATIENCE, reached).await?;
    no_twins(&machines)?;
    Ok(format!("govc: {}", names(&machines)))
}

/// A machine that was made twice would have a name or an identity twice.
fn no_twins(machines: &[Machine]) -> anyhow::Result<()> {
    for key in [
        |it: &Machine| it.name.clone(),
        |it: &Machine| it.instance_uuid.clone(),
    ] {
        let mut keys: Vec<_> = machines.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        ensure!(
            keys.len() == machines.len(),
            "some machine is there twice: {}",
            names(machines)
        );
    }
    Ok(())
}

/// The first of them.
pub(super) fn names(machines: &[Machine]) -> String {
    let names: Vec<_> = machines.iter().take(8).map(|it| it.name.as_str()).collect();
    let more = if machines.len() > names.len() {
        ", …"
    } else {
        ""
    };
    format!("{} machines, {}{more}", machines.len(), names.join(", "))
}

/// There is no machine.
pub(super) async fn nothing_left(lab: &Lab) -> anyhow::Result<String> {
    let machines = lab.vcenter().govc().machines().await?;
    ensure!(machines.is_empty(), "left in vCenter: {}", names(&machines));
    Ok("govc: no machine".to_owned())
}
