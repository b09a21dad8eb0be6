//! Schedules without chance: one mishap each, and what it costs.

use super::{Play, on_stage};
use crate::{hub::NAMESPACE, vcenter, weather::Weather};
use std::time::Duration;
use tokio::time::sleep;

/// Calls that arrived in some time: rpcs at the driver, and SOAP calls at vCenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) rpcs: u64,
    pub(crate) soap: u64,
}

/// Both services run, and there are machines.
async fn with_machines(play: &mut Play, count: u32) {
    play.start_driver();
    play.start_controller();
    play.shared
        .with(|world| world.hub.create("pool-a", count, None));
    play.settle("machines").await;
}

/// Calls from now on until that time has passed.
async fn calls_in(play: &Play, time: Duration) -> Calls {
    let so_far = || {
        play.shared.with(|world| Calls {
            rpcs: world.rpcs,
            soap: world.vcenter.calls,
        })
    };
    let before = so_far();
    sleep(time).await;
    let after = so_far();
    Calls {
        rpcs: after.rpcs - before.rpcs,
        soap: after.soap - before.soap,
    }
}

/// Calls in the first minutes of both services where all machines are there, and in the first minutes after
/// vCenter was away for half an hour: by then each of them has come back, as pauses grow to a minute.
pub(crate) fn calls_of_a_start_and_after_half_an_hour_without_a_vcenter() -> [Calls; 2] {
    const MINUTES: Duration = Duration::from_mins(3);
    const AWAY: Duration = Duration::from_mins(30);
    on_stage(1, async |mut play| {
        with_machines(&mut play, 5).await;
        play.kill_controller();
        play.kill_driver();
        play.start_driver();
        play.start_controller();
        let start = calls_in(&play, MINUTES).await;
        vcenter::restart(&play.shared, AWAY);
        sleep(AWAY).await;
        let healed = calls_in(&play, MINUTES).await;
        play.settle("as before").await;
        play.shared
            .with(|world| assert_eq!(world.judge.violations, Vec::<String>::new()));
        [start, healed]
    })
}

/// Collectors and views that the driver has while vCenter refuses each filter, in one session.
pub(crate) fn watched_with_while_filters_are_refused() -> (usize, usize) {
    on_stage(1, async |mut play| {
        with_machines(&mut play, 1).await;
        play.shared.with(|world| {
            world.weather.filters_refused = true;
            world.weather.busy = 100;
            world.vcenter.changes += 1;
        });
        sleep(Duration::from_mins(3)).await;
        play.shared.with(|world| world.weather.busy = 0);
        sleep(Duration::from_mins(30)).await;
        play.shared
            .with(|world| world.vcenter.watching_of(play.runs))
    })
}

/// Collectors and views that the driver has after vCenter was busy for a while, in the same session.
pub(crate) fn watched_with_after_a_while_of_503() -> (usize, usize) {
    on_stage(1, async |mut play| {
        with_machines(&mut play, 1).await;
        for busy in [100, 0, 100, 0] {
            play.shared.with(|world| {
                world.weather.busy = busy;
                world
                    .hub
                    .edit("pool-a", |spec| spec["replicas"] = (1 + busy / 100).into());
                // Something to tell: the call for updates is answered, and another is made.
                world.vcenter.changes += 1;
            });
            sleep(Duration::from_mins(3)).await;
        }
        play.shared.with(|world| {
            assert_eq!(world.judge.violations, Vec::<String>::new());
            world.vcenter.watching_of(play.runs)
        })
    })
}

/// Has two machines of the companion adopted while both services are killed in any weather, and says what
/// was violated, and what became of the machines.
pub(crate) fn adopted_whatever_happens(seed: u64) -> Vec<String> {
    const ADOPT: &str = "vmware.hcp.open-cluster-management.io/adopt";
    on_stage(seed, async |mut play| {
        let theirs = play.shared.with(|world| {
            world.weather = Weather::of(&mut world.dice);
            let template = format!("{NAMESPACE}/pool-a");
            let names = ["pool-a-n01", "pool-a-n02"];
            let theirs = names.map(|name| world.vcenter.make_of_companion(name, &template));
            world.hub.create("pool-a", 2, None);
            world.hub.touch("pool-a", |metadata| {
                metadata["annotations"][ADOPT] = "true".into();
            });
            theirs
        });
        play.start_driver();
        play.start_controller();
        for _ in 0..3 {
            let (driver, pause) = play
                .shared
                .with(|world| (world.dice.bool(), world.time(Duration::from_secs(20))));
            sleep(pause).await;
            if driver {
                play.kill_driver();
                sleep(Duration::from_millis(100)).await;
                play.start_driver();
            } else {
                play.kill_controller();
                play.start_controller();
            }
        }
        play.calm().await;
        play.settle("adopted").await;
        play.shared.with(|world| {
            let mut violations = world.judge.violations.clone();
            for vm in &theirs {
                let machine = world.vcenter.machines.get(vm);
                if !machine.is_some_and(|machine| machine.on && machine.key.is_some()) {
                    violations.push(format!("{vm} was not adopted as it ran: {machine:?}"));
                }
            }
            if !world.vcenter.made.is_empty() {
                violations.push(format!("others were made: {:?}", world.vcenter.made));
            }
            violations
        })
    })
}
