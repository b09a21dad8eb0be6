//! How many machines a node pool asks for. Pure.

use super::{Asking, Basis, Held, Parts, Source};
use crate::{hub::Sought, kinds::node_pool::NodePool, pool::Pool};
use jiff::Timestamp;

/// The platform of machines that boot a discovery ISO.
const PLATFORM: &str = "Agent";

/// How many machines the node pool asks for, before the quota.
pub(super) fn asked(asking: &Asking<'_>, pool: &Pool) -> Result<(i32, Basis), Held> {
    if let Some(elder) = &pool.elder {
        return Err(Held::Conflict(elder.clone()));
    }
    let node_pool = match &pool.node_pool {
        Sought::Syncing => return Err(Held::Syncing),
        Sought::KindMissing => return Err(Held::KindMissing),
        Sought::Unreadable(why) => return Err(Held::Unreadable(why.clone())),
        Sought::Absent => {
            let status = asking.status;
            let before = status.next_slot.is_some() || !status.vm_status.is_empty();
            let (hosts, _) = number(hosts(pool))?;
            let deleted = status.node_pool_deleting;
            return Ok((hosts, Basis::PoolAbsent { before, deleted }));
        }
        Sought::Found(node_pool) => node_pool,
    };
    heard(node_pool, asking.now)?;
    let (hosts, lacks_hosts) = number(hosts(pool))?;
    if node_pool.meta.deleting {
        return Ok((hosts, Basis::PoolDeleting));
    }
    let (replicas, source, lacks_replicas) = replicas(node_pool, &pool.replicas)?;
    let parts = Parts {
        hosts,
        replicas,
        source,
        spares: asking.wish.spares,
        partial: lacks_hosts || lacks_replicas,
    };
    let wanted = parts.hosts.max(parts.replicas);
    let asked = wanted.saturating_add(parts.spares);
    let before = asking.status.desired_replicas.unwrap_or_default();
    let least = if parts.partial { before } else { 0 };
    Ok((asked.max(least), Basis::Pool(parts)))
}

/// Whether the node pool may be heeded.
fn heard(node_pool: &NodePool, now: Timestamp) -> Result<(), Held> {
    let platform = node_pool.spec.platform.type_.as_deref().unwrap_or_default();
    if platform != PLATFORM {
        return Err(Held::Platform(platform.to_owned()));
    }
    pause(node_pool.spec.paused_until.as_deref(), now).map_or(Ok(()), Err)
}

/// Whether it is paused, as HyperShift reads it: a time, or a word for true. Anything else is no pause.
fn pause(until: Option<&str>, now: Timestamp) -> Option<Held> {
    let until = until?;
    if let Ok(until) = until.parse::<Timestamp>() {
        return (until > now).then_some(Held::Paused(Some(until)));
    }
    let says_true = ["1", "t", "T", "TRUE", "true", "True"].contains(&until);
    says_true.then_some(Held::Paused(None))
}

fn hosts(pool: &Pool) -> Sought<i32> {
    pool.live_hosts()
        .and_then(|hosts| i32::try_from(hosts).ok())
}

/// A number of Cluster API, 0 where there is none; and whether the hub lacks the kinds that say it.
fn number(sought: Sought<i32>) -> Result<(i32, bool), Held> {
    match sought {
        Sought::Syncing => Err(Held::Syncing),
        Sought::Unreadable(why) => Err(Held::Unreadable(why)),
        Sought::KindMissing => Ok((0, true)),
        Sought::Absent => Ok((0, false)),
        Sought::Found(number) => Ok((number, false)),
    }
}

/// How many machines a node pool is to have, who says so, and whether the hub lacks the kinds that would.
fn replicas(node_pool: &NodePool, told: &Sought<i32>) -> Result<(i32, Source, bool), Held> {
    if let Sought::Found(replicas) = told {
        return Ok((*replicas, Source::ClusterApi, false));
    }
    let (_, lacks) = number(told.clone())?;
    let spec = &node_pool.spec;
    let least = spec.auto_scaling.as_ref().map(|bounds| bounds.min);
    Ok(match (spec.replicas, least) {
        (None, Some(least)) => (least.unwrap_or_default(), Source::Least, lacks),
        (replicas, _) => (replicas.unwrap_or_default(), Source::Replicas, lacks),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_as_hypershift_reads_it() {
        let now = Timestamp::from_second(1_000_000_000).unwrap(); // 2001-09-09
        let later = "2001-09-10T00:00:00Z";
        let until = || Some(Held::Paused(later.parse().ok()));
        let always = || Some(Held::Paused(None));
        for (text, expected) in [
            (None, None),
            (Some("true"), always()),
            (Some("True"), always()),
            (Some("false"), None),
            (Some(""), None),
            (Some("tomorrow"), None),
            (Some("2001-09-08T00:00:00Z"), None),
            (Some(later), until()),
            (Some("2001-09-10T02:00:00+02:00"), until()),
        ] {
            assert_eq!(pause(text, now), expected, "{text:?}");
        }
    }
}
