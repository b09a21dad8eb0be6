//! What both modes look at, with govc.

use std::time::Duration;

use anyhow::ensure;
use lab::Lab;
use lab::vcenter::Machine;

/// How long each change may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// How many machines are left when those that there are shrink to a few.
pub(super) fn few(many: u32) -> u32 {
    // Less than half where that leaves any: such a fall is the one that is held.
    (many.saturating_sub(1) / 2).clamp(1, 2)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_fewer_than_there_are_and_fewer_than_half_where_that_leaves_any() {
        for (many, left) in [(2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (1000, 2)] {
            assert_eq!(few(many), left, "{many}");
            assert!(left < many && (2 * left < many || left == 1), "{many}");
        }
    }
}
