//! How many machines there shall be, as tables.

use super::*;
use crate::{
    fixtures::{condition, template},
    hub::Sought,
    kinds::{
        agent_machine::AgentMachine,
        machine::Machine,
        node_pool::{AutoScaling, NodePool},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::sync::Arc;

const GRACE: SignedDuration = SignedDuration::from_mins(5);

type Change = Box<dyn FnOnce(&mut Case)>;

/// A template of a node pool, what is known of that, and what was written before.
struct Case {
    wish: Wish,
    pool: Pool,
    status: VMwareNodePoolTemplateStatus,
    now: Timestamp,
}

fn node_pool(change: impl FnOnce(&mut NodePool)) -> Sought<Arc<NodePool>> {
    let mut pool = NodePool::default();
    pool.spec.cluster_name = Some("east".into());
    pool.spec.platform.type_ = Some("Agent".into());
    change(&mut pool);
    Sought::Found(Arc::new(pool))
}

fn fixed(replicas: i32) -> Sought<Arc<NodePool>> {
    node_pool(|pool| pool.spec.replicas = Some(replicas))
}

/// So many machines of Cluster API with their hosts, the first of which are being deleted.
fn machines(pool: &mut Pool, count: usize, deleted: usize) {
    let machines = (0..count).map(|number| {
        let mut machine = Machine::default();
        machine.meta.name = format!("m{number}");
        machine.meta.deleting = number < deleted;
        machine.spec.infrastructure_ref.kind = "AgentMachine".into();
        machine.spec.infrastructure_ref.name = format!("m{number}");
        Arc::new(machine)
    });
    let hosts = (0..count).map(|number| {
        let mut host = AgentMachine::default();
        host.meta.name = format!("m{number}");
        Arc::new(host)
    });
    pool.machines = Sought::Found(machines.collect());
    pool.agent_machines = Sought::Found(hosts.collect());
}

// === impl Case ===

impl Case {
    /// A pool whose spec says so many, of which Cluster API has not heard.
    fn new(replicas: i32) -> Self {
        let template = template(&json!({"testMode": false, "nodePoolRef": {"name": "workers"}}));
        let pool = Pool {
            node_pool: fixed(replicas),
            replicas: Sought::Absent,
            machines: Sought::Found(Vec::new()),
            agent_machines: Sought::Found(Vec::new()),
            ..Pool::default()
        };
        Self {
            wish: Wish::of(&template).unwrap(),
            pool,
            status: VMwareNodePoolTemplateStatus::default(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// So many there were to be before.
    fn from(mut self, before: i32) -> Self {
        self.status.desired_replicas = Some(before);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn demand(&self) -> Demand {
        let asking = Asking {
            wish: &self.wish,
            status: &self.status,
            grace: GRACE,
            now: self.now,
        };
        demand(&asking, &self.pool)
    }
}

#[test]
fn the_number_is_the_larger_of_what_is_wanted_and_what_there_is() {
    for (why, case, desired) in [
        ("the spec, at first", Case::new(3), 3),
        (
            "Cluster API, once it has heard",
            Case::new(3).with(|it| it.pool.replicas = Sought::Found(4)),
            4,
        ),
        (
            "a surge",
            Case::new(3).with(|it| {
                it.pool.replicas = Sought::Found(3);
                machines(&mut it.pool, 4, 0);
            }),
            4,
        ),
        (
            "machines that go make room",
            Case::new(2).with(|it| {
                it.pool.replicas = Sought::Found(2);
                machines(&mut it.pool, 5, 2);
            }),
            3,
        ),
        (
            "spares come on top",
            Case::new(3).with(|it| it.wish.spares = 2),
            5,
        ),
        (
            "neither number nor scaling is none",
            Case::new(0).with(|it| it.pool.node_pool = node_pool(|_| ())),
            0,
        ),
    ] {
        let demand = case.demand();
        assert_eq!((demand.asked, demand.desired), (desired, desired), "{why}");
        assert!(matches!(demand.basis, Basis::Pool(_)), "{why}");
    }
}

#[test]
fn automatic_scaling_is_at_its_least_until_cluster_api_says_more() {
    let scaled = |told| {
        Case::new(0).with(|it| {
            it.pool.node_pool = node_pool(|pool| {
                pool.spec.auto_scaling = Some(AutoScaling {
                    min: Some(2),
                    max: Some(9),
                });
            });
            it.pool.replicas = told;
        })
    };
    assert_eq!(scaled(Sought::Absent).demand().desired, 2);
    assert_eq!(scaled(Sought::Found(7)).demand().desired, 7);
}

#[test]
fn the_quota_bounds_what_is_desired_and_not_what_is_told_of_it() {
    let bounded = Case::new(9).with(|it| it.wish.max = Some(5)).demand();
    assert_eq!((bounded.asked, bounded.desired), (9, 5));
    let most = Case::new(MAX_REPLICAS + 1).demand();
    assert_eq!((most.asked, most.desired), (MAX_REPLICAS + 1, MAX_REPLICAS));
}

#[test]
fn what_cannot_be_heard_changes_no_number() {
    let until = Timestamp::from_second(60).unwrap();
    let paused = |text: &str| node_pool(|pool| pool.spec.paused_until = Some(text.into()));
    let rows: Vec<(Change, Held)> = vec![
        (
            Box::new(|it| it.pool.node_pool = Sought::Syncing),
            Held::Syncing,
        ),
        (
            Box::new(|it| it.pool.node_pool = Sought::KindMissing),
            Held::KindMissing,
        ),
        (
            Box::new(move |it| it.pool.node_pool = Sought::Unreadable("forbidden".into())),
            Held::Unreadable("forbidden".into()),
        ),
        (
            Box::new(|it| it.pool.replicas = Sought::Syncing),
            Held::Syncing,
        ),
        (
            Box::new(|it| it.pool.agent_machines = Sought::Syncing),
            Held::Syncing,
        ),
        (
            Box::new(move |it| it.pool.agent_machines = Sought::Unreadable("forbidden".into())),
            Held::Unreadable("forbidden".into()),
        ),
        (
            Box::new(move |it| it.pool.node_pool = paused("true")),
            Held::Paused(None),
        ),
        (
            Box::new(move |it| it.pool.node_pool = paused("1970-01-01T00:01:00Z")),
            Held::Paused(Some(until)),
        ),
        (
            Box::new(|it| {
                it.pool.node_pool =
                    node_pool(|pool| pool.spec.platform.type_ = Some("KubeVirt".into()));
            }),
            Held::Platform("KubeVirt".into()),
        ),
        (
            Box::new(|it| it.pool.elder = Some("older".into())),
            Held::Conflict("older".into()),
        ),
    ];
    for (change, held) in rows {
        let mut case = Case::new(1).from(6);
        change(&mut case);
        let demand = case.demand();
        assert_eq!(demand.desired, 6, "{held:?}");
        assert_eq!(demand.held(), Some(&held));
        let ends = matches!(held, Held::Paused(Some(_)));
        assert_eq!(demand.wake, ends.then_some(until), "{held:?}");
    }
}

#[test]
fn a_pool_that_goes_keeps_the_machines_that_are_still_wanted() {
    let deleting = |replicas| {
        node_pool(|pool| {
            pool.spec.replicas = Some(replicas);
            pool.meta.deleting = true;
        })
    };
    for (why, node_pool, count, deleted, basis) in [
        ("deleted", deleting(6), 6, 4, Basis::PoolDeleting),
        ("all unbound", deleting(6), 6, 6, Basis::PoolDeleting),
        (
            "gone",
            Sought::Absent,
            6,
            5,
            Basis::PoolAbsent {
                before: true,
                deleted: true,
            },
        ),
    ] {
        let case = Case::new(0).from(6).with(|it| {
            it.pool.node_pool = node_pool;
            it.pool.replicas = Sought::Found(6);
            it.status.next_slot = Some(7);
            it.status.node_pool_deleting = true;
            it.wish.spares = 3;
            machines(&mut it.pool, count, deleted);
        });
        let demand = case.demand();
        let left = i32::try_from(count - deleted).unwrap();
        assert_eq!((demand.desired, demand.basis), (left, basis), "{why}");
        assert_eq!(demand.fall, None, "{why}: nothing is held");
    }
}

#[test]
fn a_pool_that_was_never_there_is_told_from_one_that_is_gone() {
    let case = Case::new(0).with(|it| it.pool.node_pool = Sought::Absent);
    let never = Basis::PoolAbsent {
        before: false,
        deleted: false,
    };
    assert_eq!(case.demand().basis, never);
}

#[test]
fn a_pool_that_vanished_without_being_deleted_is_a_fall() {
    let vanished = |before| {
        Case::new(0).from(before).with(|it| {
            it.pool.node_pool = Sought::Absent;
            it.status.next_slot = Some(7);
        })
    };
    let held = vanished(6).demand();
    let until = Timestamp::UNIX_EPOCH + GRACE;
    assert_eq!(held.fall, Some(Fall { to: 0, until }));
    assert_eq!(
        (held.desired, held.needed(), held.wake),
        (6, 0, Some(until))
    );
    for (why, case) in [
        ("the pool was small", vanished(3)),
        (
            "that is permitted",
            vanished(6).with(|it| it.wish.may_scale_down = true),
        ),
        (
            "it was seen being deleted",
            vanished(6).with(|it| it.status.node_pool_deleting = true),
        ),
        (
            "Cluster API still wants them",
            vanished(6).with(|it| machines(&mut it.pool, 6, 0)),
        ),
    ] {
        assert_eq!(case.demand().fall, None, "{why}");
    }
}

#[test]
fn a_pool_that_is_missed_where_nothing_could_be_seen_is_held_however_small() {
    let missed = |conditions: &[(&str, &str, &str)]| {
        let conditions = conditions.iter();
        let conditions = conditions.map(|(type_, status, why)| condition(type_, status, why));
        let conditions = conditions.collect();
        Case::new(0).from(2).with(|it| {
            it.pool.node_pool = Sought::Absent;
            it.status.next_slot = Some(3);
            it.status.conditions = conditions;
        })
    };
    let blind = ("NodePoolFound", "Unknown", "NodePoolKindMissing");
    let held = ("ScaleDownHeld", "True", "ScaleDownHeld");
    let gone = ("NodePoolFound", "False", "NodePoolVanished");
    let until = Timestamp::UNIX_EPOCH + GRACE;
    for (conditions, desired) in [
        (&[blind][..], 2),
        (&[gone, held], 2),
        (&[gone], 0),
        (&[("NodePoolFound", "True", "NodePoolFound")], 0),
    ] {
        let demand = missed(conditions).demand();
        let wake = (desired > 0).then_some(until);
        assert_eq!(
            (demand.desired, demand.wake),
            (desired, wake),
            "{conditions:?}"
        );
    }
    let later = missed(&[gone, held]).with(|it| it.now = until);
    assert_eq!(later.demand().desired, 0);
    let permitted = missed(&[blind]).with(|it| it.wish.may_scale_down = true);
    assert_eq!(permitted.demand().desired, 0);
    let deleted = missed(&[blind]).with(|it| it.status.node_pool_deleting = true);
    assert_eq!(deleted.demand().desired, 0);
}

#[test]
fn without_the_kinds_of_cluster_api_the_number_only_rises() {
    let lacking = |replicas| {
        Case::new(replicas).from(3).with(|it| {
            it.pool.replicas = Sought::KindMissing;
            it.pool.machines = Sought::KindMissing;
            it.pool.agent_machines = Sought::KindMissing;
        })
    };
    assert_eq!(lacking(5).demand().desired, 5);
    assert_eq!(lacking(2).demand().desired, 3);
}

#[test]
fn a_fall_by_more_than_half_is_held_unless_the_pool_is_small() {
    for (before, asked, held) in [
        (4, 2, false),
        (4, 1, true),
        (5, 3, false),
        (5, 2, true),
        (3, 0, false),
        (100, 49, true),
        (100, 50, false),
        (4, 9, false),
    ] {
        let demand = Case::new(asked).from(before).demand();
        let until = Timestamp::UNIX_EPOCH + GRACE;
        let fall = held.then_some(Fall { to: asked, until });
        assert_eq!(demand.fall, fall, "{before} to {asked}");
        assert_eq!(demand.desired, if held { before } else { asked });
        assert_eq!(demand.wake, held.then_some(until));
    }
}

#[test]
fn a_held_fall_ends_with_its_time_or_with_leave() {
    let began = Timestamp::from_second(100).unwrap();
    let held = || {
        Case::new(1).from(8).with(|it| {
            let mut held = condition("ScaleDownHeld", "True", "ScaleDownHeld");
            held.last_transition_time = Time(began);
            it.status.conditions = vec![held];
        })
    };
    let end = began + GRACE;
    for (now, desired) in [
        (began, 8),
        (end - SignedDuration::from_secs(1), 8),
        (end, 1),
    ] {
        let demand = held().with(|it| it.now = now).demand();
        assert_eq!(demand.desired, desired, "{now}");
    }
    let permitted = held().with(|it| {
        it.now = began;
        it.wish.may_scale_down = true;
    });
    assert_eq!(permitted.demand().desired, 1);
}

#[test]
fn an_edited_quota_is_no_fall() {
    let demand = Case::new(8)
        .from(8)
        .with(|it| it.wish.max = Some(1))
        .demand();
    assert_eq!((demand.desired, demand.fall), (1, None));
}

#[test]
fn a_template_that_goes_wants_nothing() {
    let demand = Case::new(8)
        .from(8)
        .with(|it| it.wish.deleting = true)
        .demand();
    assert_eq!((demand.desired, demand.basis), (0, Basis::Leaving));
}

#[test]
fn machines_that_are_let_go_one_after_the_other_make_one_fall() {
    let until = Timestamp::UNIX_EPOCH + GRACE;
    for (kept, expected) in [(5, Some(2)), (4, Some(2)), (3, Some(2)), (2, Some(2))] {
        let case = Case::new(2).with(|it| {
            it.status.desired_replicas = Some(5);
            it.pool.replicas = Sought::Found(2);
            machines(&mut it.pool, 5, 5 - kept);
        });
        let demand = case.demand();
        let fall = expected.map(|to| Fall { to, until });
        assert_eq!((demand.desired, demand.fall), (5, fall), "{kept} are kept");
    }
    // The least of an automatic scaling is not where it leads.
    let scaled = Case::new(0).with(|it| {
        let bounds = AutoScaling {
            min: Some(1),
            ..AutoScaling::default()
        };
        it.pool.node_pool = node_pool(|pool| pool.spec.auto_scaling = Some(bounds));
        it.status.desired_replicas = Some(5);
        machines(&mut it.pool, 5, 0);
    });
    assert_eq!(scaled.demand().fall, None);
}
