//! The rules of conditions, as tables.

use super::*;
use crate::{
    agents::fixtures::bound,
    capacity::{Amount, Taken},
    crd::{AGENT_FINALIZER, Awaited, SelfHealingStatus},
    credentials::InvalidSecret,
    driver::{LoginPart, Placement, Retry, State, needs},
    fixtures::{capacity, checks, fault, world::World},
    healing::Healing,
    hub::Sought,
    iso::IsoSight,
    kinds::{agent::Agent, node_pool::NodePool},
    link::Connection,
    reconcile::{attempts::Work, checks::Checks, plan::plan, room::Measurement},
    wish::{Ending, Mode},
};
use std::sync::Arc;

/// Status and reason of one condition.
/// What a condition of this type says.
fn verdict_of(world: &World, type_: &str) -> Verdict {
    let seen = world.seen();
    let plan = plan(&seen);
    let counts = Counts {
        desired: seen.demand.desired,
        current: 1,
        ready: 1,
    };
    let verdicts = verdicts(&seen, &plan, counts);
    let found = verdicts.into_iter().find(|verdict| verdict.type_ == type_);
    found.unwrap_or_else(|| panic!("no {type_}"))
}

fn of(world: &World, type_: &str) -> (Holds, &'static str) {
    let found = verdict_of(world, type_);
    let advice = found.holds == Holds::True || found.message.is_empty();
    assert!(
        advice || found.message.contains(". "),
        "no advice: {found:?}"
    );
    (found.holds, found.reason)
}

fn running(replicas: i32, slots: &[i32]) -> World {
    let machines: Vec<_> = slots.iter().map(|slot| (*slot, State::Running)).collect();
    World::new(replicas, &machines)
}

#[test]
fn the_connection_says_what_holds_of_vcenter_and_driver() {
    use Holds::{False, True, Unknown};
    let failed = || fault(Retry::Backoff);
    for (connection, vsphere, driver) in [
        (Connection::Live, (True, "Connected"), (True, "Connected")),
        (
            Connection::Syncing,
            (Unknown, "Syncing"),
            (True, "Connected"),
        ),
        (
            Connection::Starting,
            (Unknown, "Connecting"),
            (Unknown, "Connecting"),
        ),
        (
            Connection::NoSecret,
            (False, "CredentialsNotFound"),
            (Unknown, "NotAsked"),
        ),
        (
            Connection::BadSecret(InvalidSecret::Missing("server")),
            (False, "CredentialsInvalid"),
            (Unknown, "NotAsked"),
        ),
        (
            Connection::BadSecret(InvalidSecret::Unusable {
                part: LoginPart::CaBundle,
                problem: "holds no certificate".into(),
            }),
            (False, "CredentialsInvalid"),
            (True, "Connected"),
        ),
        (
            Connection::SecretRefused("forbidden".into()),
            (Unknown, "CredentialsUnreadable"),
            (Unknown, "NotAsked"),
        ),
        (
            Connection::VcenterDown(Some(failed())),
            (False, "SomeFault"),
            (True, "Connected"),
        ),
        (
            Connection::DriverFault(failed()),
            (Unknown, "SomeFault"),
            (False, "SomeFault"),
        ),
    ] {
        let live = connection == Connection::Live;
        let mut world = running(1, &[1]);
        world.sight.connection = connection;
        assert_eq!(of(&world, "VSphereConnected"), vsphere);
        assert_eq!(of(&world, "DriverConnected"), driver);
        let ready = if live {
            (True, "AllReady")
        } else {
            (Unknown, "NotSeen")
        };
        assert_eq!(of(&world, "Ready"), ready);
    }
}

#[test]
fn the_quota_says_when_it_is_near_and_when_it_is_reached() {
    // One machine exists.
    for (asked, max, soft, expected) in [
        (3, None, None, (Holds::True, "NoQuotaConfigured")),
        (3, Some(3), None, (Holds::True, "WithinQuota")),
        (4, Some(3), None, (Holds::False, "MaxVmsReached")),
        (0, Some(0), None, (Holds::False, "MaxVmsReached")),
        (3, Some(9), Some(3), (Holds::False, "ApproachingQuota")),
        (2, Some(9), Some(3), (Holds::True, "WithinQuota")),
        (0, Some(9), Some(1), (Holds::False, "ApproachingQuota")),
    ] {
        let mut world = running(asked, &[]);
        (world.wish.max, world.wish.soft_max) = (max, soft);
        assert_eq!(
            of(&world, "QuotaAvailable"),
            expected,
            "{asked} {max:?} {soft:?}"
        );
    }
}

#[test]
fn the_room_is_enough_when_all_that_is_missing_fits_beside_what_others_lack() {
    use Holds::{False, True};
    // Two machines of these are there.
    for (why, desired, fits, others, expected) in [
        ("all are there", 2, 0, 0, (True, "SufficientResources")),
        (
            "there is room for the rest",
            5,
            3,
            0,
            (True, "SufficientResources"),
        ),
        ("for some of it", 5, 2, 0, (False, "InsufficientResources")),
        ("for none of it", 5, 0, 0, (False, "NoCapacity")),
        (
            "others need of it",
            5,
            4,
            2,
            (False, "InsufficientResources"),
        ),
        ("others need all of it", 5, 4, 9, (False, "NoCapacity")),
    ] {
        let mut world = running(desired, &[1, 2]);
        let needs = needs(&world.wish.spec);
        let all = |one: i64| one * i64::from(others);
        let amount = Amount {
            cpu_mhz: all(needs.cpu_mhz),
            memory_mib: all(needs.memory_mib),
        };
        world.taken = Taken {
            of_cluster: amount,
            of_compute: amount,
            bytes: all(needs.bytes()),
            machines: others,
        };
        world.measurement = Some(Box::new(Measurement {
            capacity: Some(capacity(fits, needs)),
            fault: None,
            next: Timestamp::MAX,
            desired,
        }));
        assert_eq!(of(&world, "ResourcesAvailable"), expected, "{why}");
    }
}

#[test]
fn a_room_that_is_not_known_is_neither_enough_nor_too_little() {
    let mut world = running(5, &[1, 2]);
    let unknown = (Holds::Unknown, "CapacityNotRead");
    assert_eq!(of(&world, "ResourcesAvailable"), unknown);
    world.measurement = Some(Box::new(Measurement {
        capacity: Some(capacity(9, needs(&world.wish.spec))),
        fault: Some(fault(Retry::Slow)),
        next: Timestamp::MAX,
        desired: 5,
    }));
    let failed = (Holds::Unknown, "SomeFault");
    assert_eq!(of(&world, "ResourcesAvailable"), failed);
}

#[test]
fn what_was_looked_up_says_what_holds_of_names_and_iso() {
    let missing = Placement {
        faults: vec![fault(Retry::Slow)],
        ..Placement::default()
    };
    let unasked = Checks {
        placement: Err(fault(Retry::Backoff)),
        ..checks()
    };
    let unplaced = Checks {
        placement: Ok(missing),
        ..checks()
    };
    let mut no_iso = checks();
    no_iso.iso.sight = IsoSight::Failed(fault(Retry::Slow));
    let (good, bad) = (
        (Holds::True, "ResourcesValidated"),
        (Holds::False, "SomeFault"),
    );
    for (checks, names, iso, made) in [
        (
            Some(checks()),
            good,
            (Holds::True, "ISOReady"),
            (Holds::True, "VMsReconciled"),
        ),
        (
            Some(unasked),
            (Holds::Unknown, "SomeFault"),
            (Holds::True, "ISOReady"),
            bad,
        ),
        (Some(unplaced), bad, (Holds::True, "ISOReady"), bad),
        (Some(no_iso), good, bad, bad),
        (
            None,
            (Holds::Unknown, "NotChecked"),
            (Holds::Unknown, "NotChecked"),
            (Holds::True, "VMsReconciled"),
        ),
    ] {
        let mut world = running(1, &[1]);
        world.checks = checks;
        assert_eq!(of(&world, "ResourcesValidated"), names);
        assert_eq!(of(&world, "ISOReady"), iso);
        assert_eq!(of(&world, "VMsCreated"), made);
    }
}

#[test]
fn machines_say_whether_all_are_made() {
    let mut failed = World::new(1, &[(1, State::Failed)]);
    failed.machine(1).fault = Some(fault(Retry::Backoff));
    let mut refused = running(1, &[]);
    refused
        .attempts
        .note(Work::Ensure, Some(fault(Retry::Slow)), refused.now);
    let mut paused = running(1, &[1]);
    paused.wish.paused = true;
    for (why, world, expected) in [
        (
            "all there",
            running(1, &[1]),
            (Holds::True, "VMsReconciled"),
        ),
        ("to come", running(2, &[1]), (Holds::False, "Reconciling")),
        ("one failed", failed, (Holds::False, "SomeFault")),
        ("refused as a whole", refused, (Holds::False, "SomeFault")),
        ("paused", paused, (Holds::Unknown, "Paused")),
    ] {
        assert_eq!(of(&world, "VMsCreated"), expected, "{why}");
    }
}

/// A world of one machine that has an Agent, which is bound or not.
fn worker(bound: bool) -> World {
    let mut world = running(1, &[1]);
    let mut agent = Agent::default();
    agent.meta.name = "agent-1".into();
    agent.meta.finalizers = vec![AGENT_FINALIZER.into()];
    agent.spec.cluster_deployment_name = bound.then(Default::default);
    world.pool.agents = Sought::Found(vec![Arc::new(agent)]);
    world.entry(1).agent_name = "agent-1".into();
    world
}

/// The template of a machine that nobody uses is being deleted, and this has failed.
fn failing(work: Work) -> World {
    let mut world = worker(false).deleting();
    let fault = Some(fault(Retry::Backoff));
    world.attempts.note(work, fault, world.now);
    world
}

#[test]
fn what_fails_on_the_way_out_is_told() {
    for work in [
        Work::Fence(1),
        Work::Remove(1),
        Work::Bury(1),
        Work::Delete,
        Work::Part,
        Work::LetGo,
        Work::Keep,
    ] {
        let told = of(&failing(work), "VMsRemoved");
        assert_eq!(told, (Holds::False, "SomeFault"), "{work:?}");
    }
}

#[test]
fn machines_say_whether_those_that_are_to_go_are_gone() {
    let deleting = |bound| worker(bound).deleting();
    let mut unseen = deleting(false);
    unseen.pool.agents = Sought::Unreadable("Agent: forbidden".into());
    let mut orphan = deleting(true);
    orphan.pool.agents = Sought::Syncing;
    orphan.wish.ending = Ending::Orphan;
    let mut scaled = worker(true);
    scaled.wish.mode = Mode::Test { replicas: 0 };
    for (why, world, expected) in [
        (
            "none is to go",
            worker(false),
            (Holds::True, "NothingToRemove"),
        ),
        ("it goes", deleting(false), (Holds::False, "Removing")),
        (
            "a worker stays",
            deleting(true),
            (Holds::False, "WorkersBound"),
        ),
        ("a lower number", scaled, (Holds::True, "NothingToRemove")),
        (
            "nobody sees its Agent",
            unseen,
            (Holds::Unknown, "AgentsNotSeen"),
        ),
        (
            "it stays, and holds its Agent",
            orphan,
            (Holds::Unknown, "AgentsNotSeen"),
        ),
    ] {
        assert_eq!(of(&world, "VMsRemoved"), expected, "{why}");
    }
}

#[test]
fn what_holds_everything_holds_machines_on_their_way_out() {
    let mut down = worker(false).deleting();
    down.sight.connection = Connection::NoSecret;
    let mut paused = worker(false).deleting();
    paused.wish.paused = true;
    assert_eq!(of(&down, "VMsRemoved"), (Holds::Unknown, "NotSeen"));
    assert_eq!(of(&paused, "VMsRemoved"), (Holds::Unknown, "Paused"));
    down.wish.deleting = false;
    assert_eq!(of(&down, "VMsRemoved"), (Holds::True, "NothingToRemove"));
}

#[test]
fn machines_of_another_spec_and_copies_are_told_of() {
    let mut world = running(1, &[1]);
    assert_eq!(of(&world, "VMsUpToDate"), (Holds::True, "UpToDate"));
    world.sight.owner.copies.insert("pool-n01-clone".into());
    assert_eq!(of(&world, "VMsUpToDate"), (Holds::False, "MarkCopied"));
    world.machine(1).spec_hash = "another".into();
    assert_eq!(of(&world, "VMsUpToDate"), (Holds::False, "Drifted"));
}

#[test]
fn the_companions_machines_ask_for_adoption() {
    let mut world = running(1, &[]);
    assert_eq!(
        of(&world, "AdoptionRequired"),
        (Holds::False, "NoCompanionVMs")
    );
    world.sight.owner.doubtful.insert("somebodys-vm".into());
    let passed_over = verdict_of(&world, "AdoptionRequired");
    assert_eq!(passed_over.holds, Holds::False);
    assert!(passed_over.message.contains("somebodys-vm"));
    world.sight.owner.companions.insert("pool-n01".into());
    assert_eq!(
        of(&world, "AdoptionRequired"),
        (Holds::True, "CompanionVMs")
    );
    assert_eq!(
        of(&world, "VMsCreated"),
        (Holds::Unknown, "AdoptionRequired")
    );
}

#[test]
fn a_vcenter_that_was_exchanged_is_told_of() {
    let mut world = running(1, &[1]);
    world.status.vcenter_instance_uuid = Some("vc-b".into());
    assert_eq!(
        of(&world, "VSphereConnected"),
        (Holds::False, "VCenterChanged")
    );
    assert_eq!(of(&world, "Ready"), (Holds::Unknown, "NotSeen"));
}

#[test]
fn a_spec_with_a_field_that_changes_nothing_is_valid_and_names_it() {
    let mut world = running(1, &[]);
    world.wish.ignored = vec!["spec.spares, which are a NodePool's"];
    let seen = world.seen();
    let valid = spec_valid(&seen);
    assert_eq!(
        (valid.holds, valid.reason, valid.message.as_str()),
        (
            Holds::True,
            "Valid",
            "Ignored: spec.spares, which are a NodePool's."
        )
    );
}

#[test]
fn a_spec_that_is_not_valid_says_why() {
    let mut world = running(1, &[]);
    world.wish.problems = vec!["spec.replicas must be 0 to 2000".into()];
    assert_eq!(of(&world, "SpecValid"), (Holds::False, "Invalid"));
    assert_eq!(of(&world, "VMsCreated"), (Holds::Unknown, "SpecInvalid"));
}

#[test]
fn only_a_change_of_the_status_moves_the_time() {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let one = |holds, reason| vec![verdict("Ready", holds, reason, "")];
    let first = conditions(one(Holds::False, Reason::NotAllReady), &[], Some(1), at(1));
    let reworded = conditions(
        one(Holds::False, Reason::NodePoolNotHeard),
        &first,
        Some(2),
        at(2),
    );
    assert_eq!(
        (&*reworded[0].reason, &reworded[0].last_transition_time),
        ("NodePoolNotHeard", &Time(at(1)))
    );
    let turned = conditions(
        one(Holds::True, Reason::AllReady),
        &reworded,
        Some(2),
        at(3),
    );
    assert_eq!(turned[0].last_transition_time, Time(at(3)));
}

fn of_pool() -> Mode {
    Mode::NodePool {
        name: "workers".into(),
        replicas_ignored: false,
    }
}

#[test]
fn a_node_pool_is_told_of_and_where_nobody_is_heard_nothing_is_said_to_be_ready() {
    use Holds::{False, True, Unknown};
    let found = |change: fn(&mut NodePool)| {
        let mut pool = NodePool::default();
        pool.spec.platform.type_ = Some("Agent".into());
        pool.spec.replicas = Some(1);
        change(&mut pool);
        Sought::Found(Arc::new(pool))
    };
    let ready = (True, "AllReady");
    let unsure = (Unknown, "NodePoolNotHeard");
    for (node_pool, expected, is_ready) in [
        (found(|_| ()), (True, "NodePoolFound"), ready),
        (
            found(|pool| pool.spec.paused_until = Some("true".into())),
            (True, "NodePoolPaused"),
            ready,
        ),
        (
            found(|pool| pool.spec.platform.type_ = Some("AWS".into())),
            (False, "NodePoolPlatform"),
            unsure,
        ),
        (
            found(|pool| pool.meta.deleting = true),
            (False, "NodePoolDeleting"),
            (False, "NotAllReady"),
        ),
        (
            Sought::Absent,
            (False, "NodePoolDeleted"),
            (False, "NotAllReady"),
        ),
        (Sought::Syncing, (Unknown, "NodePoolSyncing"), unsure),
        (
            Sought::KindMissing,
            (Unknown, "NodePoolKindMissing"),
            unsure,
        ),
        (
            Sought::Unreadable("forbidden".into()),
            (Unknown, "NodePoolUnreadable"),
            unsure,
        ),
    ] {
        let mut world = running(1, &[1]);
        world.status.desired_replicas = Some(1);
        world.wish.mode = of_pool();
        world.pool.node_pool = node_pool;
        assert_eq!(of(&world, "NodePoolFound"), expected);
        assert_eq!(of(&world, "Ready"), is_ready, "{expected:?}");
        assert_eq!(of(&world, "ScaleDownHeld"), (False, "NothingHeld"));
    }
}

#[test]
fn a_fall_that_is_held_is_told_with_the_way_out() {
    let mut world = running(1, &[1, 2, 3, 4]);
    world.status.desired_replicas = Some(4);
    world.wish.mode = of_pool();
    let mut pool = NodePool::default();
    pool.spec.platform.type_ = Some("Agent".into());
    world.pool.node_pool = Sought::Found(Arc::new(pool));
    assert_eq!(of(&world, "ScaleDownHeld"), (Holds::True, "ScaleDownHeld"));
}

/// A machine of a node pool that waits for its Agent from now on.
fn waiting() -> World {
    let mut world = running(0, &[1]).of_node_pool(1);
    world.entry(1).awaited = Some(Awaited {
        stage: "Registration".into(),
        since: Some(Time(world.now)),
        retried: false,
    });
    world
}

#[test]
fn healing_says_whether_machines_get_on_and_whether_they_are_still_replaced() {
    use Holds::{False, True, Unknown};
    let late = |world: &mut World| world.now += jiff::SignedDuration::from_mins(6);
    let bind = |world: &mut World| {
        let agent = bound(world.agent(1, "installing"));
        world.pool.agents = Sought::Found(vec![Arc::new(agent)]);
        world.entry(1).awaited.as_mut().unwrap().stage = "Installation".into();
        world.now += jiff::SignedDuration::from_mins(7);
    };
    let mut world = waiting();
    assert_eq!(of(&world, "SelfHealing"), (True, "Healthy"));
    late(&mut world);
    assert_eq!(of(&world, "SelfHealing"), (True, "Replacing"));
    world.status.self_healing = Some(SelfHealingStatus {
        replacements: 5,
        ..SelfHealingStatus::default()
    });
    assert_eq!(of(&world, "SelfHealing"), (False, "CircuitOpen"));
    world.wish.paused = true;
    assert_eq!(of(&world, "SelfHealing"), (Unknown, "Paused"));
    world.wish.paused = false;
    world.pool.node_pool = Sought::Syncing;
    assert_eq!(of(&world, "SelfHealing"), (Unknown, "NodePoolNotHeard"));
    world.pool.node_pool = waiting().pool.node_pool;
    world.pool.agents = Sought::Unreadable("forbidden".into());
    assert_eq!(of(&world, "SelfHealing"), (Unknown, "AgentsNotSeen"));
    let mut world = waiting();
    bind(&mut world);
    assert_eq!(of(&world, "SelfHealing"), (True, "InstallationOverdue"));
}

#[test]
fn every_condition_is_in_the_list() {
    let mut world = running(1, &[]);
    world.wish.paused = true;
    world.wish.mode = of_pool();
    world.wish.healing = Healing::of(None, false);
    let seen = world.seen();
    let counts = Counts {
        desired: 1,
        current: 0,
        ready: 0,
    };
    let verdicts = verdicts(&seen, &plan(&seen), counts);
    let types: Vec<_> = verdicts.iter().map(|verdict| verdict.type_).collect();
    assert_eq!(types, CONDITIONS);
}

#[test]
fn of_many_names_a_few_are_shown() {
    assert_eq!(some(&["a", "b", "c"]), "a, b, c");
    assert_eq!(some(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
}
