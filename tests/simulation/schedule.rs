//! A schedule: what users, others and mishaps do to a hub and a vCenter while both processes work, and
//! what is left in the end. All of it follows from its seed.

mod others;
pub(crate) mod scenes;
mod settled;

use crate::{
    processes::{self, Controller, Driver},
    vcenter,
    weather::Weather,
    wire::Address,
    world::{Shared, World},
};
use others::{delete_machine, delete_or_create, others, scale, switch_off};
use settled::unsettled;
use std::time::Duration;
use tokio::time::sleep;

const NAMES: [&str; 2] = ["pool-a", "pool-b"];
/// How long it may take until all is as it shall be, once the weather is calm.
const PATIENCE: Duration = Duration::from_mins(30);
const LOOK: Duration = Duration::from_secs(2);

/// How a schedule ended.
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// A hub, a vCenter, and the processes between them.
struct Play {
    shared: Shared,
    address: Address,
    driver: Option<Driver>,
    controller: Option<Controller>,
    /// The leader of before, which does not know yet.
    deposed: Option<Controller>,
    runs: u32,
    epoch: u32,
}

/// Plays the schedule of this seed.
pub(crate) fn play(seed: u64) -> Outcome {
    let shared = on_stage(seed, async |mut play| {
        play.run().await;
        play.shared
    });
    shared.with(|world| Outcome {
        seed,
        violations: world.judge.violations.clone(),
        trace: world.trace().to_vec(),
    })
}

/// Has a runtime of its own for what happens: time stands still until there is nothing left to do.
fn on_stage<T>(seed: u64, act: impl AsyncFnOnce(Play) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    fastrand::seed(seed);
    runtime.block_on(async {
        processes::start_clock();
        act(Play {
            shared: Shared::new(seed),
            address: Address::default(),
            driver: None,
            controller: None,
            deposed: None,
            runs: 0,
            epoch: 0,
        })
        .await
    })
}

impl Play {
    async fn run(&mut self) {
        self.shared.with(|world| {
            world.weather = Weather::of(&mut world.dice);
            let weather = format!("{:?}", world.weather);
            world.note(weather);
            let replicas = world.dice.u32(0..5);
            let quota = world.dice.bool().then(|| world.dice.u32(1..5));
            world.note(format!(
                "user: create pool-a, {replicas} replicas, quota {quota:?}"
            ));
            world.hub.create("pool-a", replicas, quota);
        });
        self.start_driver();
        self.start_controller();
        let steps = self.shared.with(|world| world.dice.u32(2..10));
        for _ in 0..steps {
            let pause = self.shared.with(|world| {
                let most = if world.chance(20) { 90 } else { 20 };
                world.time(Duration::from_secs(most))
            });
            sleep(pause).await;
            self.step().await;
            if self.is_over() {
                return;
            }
        }
        self.calm().await;
        self.settle("what was asked for").await;
        if self.is_over() {
            return;
        }
        self.shared.with(World::settle);
        self.shared.with(|world| {
            for name in NAMES {
                world.hub.delete(name);
                world.hub.let_go(name);
            }
            world.note("user: delete all");
        });
        self.settle("nothing left").await;
        if !self.is_over() {
            self.stop().await;
        }
    }

    fn is_over(&self) -> bool {
        self.shared.with(|world| !world.judge.violations.is_empty())
    }

    /// Something happens.
    async fn step(&mut self) {
        let (what, time) = self.shared.with(|world| {
            let what = world.dice.u32(0..16);
            (what, world.time(Duration::from_secs(20)))
        });
        match what {
            0..=3 => self.shared.with(scale),
            4 => self.shared.with(delete_or_create),
            5 => self.shared.with(switch_off),
            6 => self.shared.with(delete_machine),
            7 | 8 => {
                self.kill_driver();
                sleep(time + Duration::from_millis(100)).await;
                self.start_driver();
            }
            9 | 10 => {
                self.kill_controller();
                sleep(time).await;
                self.start_controller();
            }
            11 => {
                self.kill_driver();
                self.kill_controller();
                sleep(time + Duration::from_millis(100)).await;
                self.start_controller();
                self.start_driver();
            }
            12 => vcenter::restart(&self.shared, time),
            13 => self.shared.with(|world| {
                world.note("vCenter ends all sessions");
                world.vcenter.end_sessions();
            }),
            14 => self.shared.with(others),
            15 => self.lead_anew(time).await,
            _ => {}
        }
    }

    /// Another controller takes over while the one before has not noticed.
    async fn lead_anew(&mut self, time: Duration) {
        self.end_deposed();
        self.deposed = self.controller.take();
        self.start_controller();
        sleep(time).await;
        self.end_deposed();
    }

    fn end_deposed(&mut self) {
        if let Some(old) = self.deposed.take() {
            let (epoch, deposed) = (old.epoch, old.is_deposed());
            self.shared
                .note(format!("controller {epoch} ends, deposed: {deposed}"));
            old.kill();
        }
    }

    fn start_driver(&mut self) {
        self.runs += 1;
        self.driver = Some(Driver::start(&self.shared, &self.address, self.runs));
    }

    fn kill_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.shared.note(format!("driver {} is killed", driver.run));
            driver.kill();
        }
    }

    fn start_controller(&mut self) {
        self.epoch += 1;
        let controller = Controller::start(&self.shared, &self.address, self.epoch);
        self.controller = Some(controller);
    }

    fn kill_controller(&mut self) {
        if let Some(controller) = self.controller.take() {
            self.shared
                .note(format!("controller {} is killed", controller.epoch));
            controller.kill();
        }
    }

    /// Nothing goes wrong from now on.
    async fn calm(&mut self) {
        self.end_deposed();
        self.shared.with(|world| {
            world.note("all is calm");
            world.weather = Weather::default();
        });
        // A vCenter that is away comes back by itself.
        sleep(Duration::from_secs(20)).await;
    }

    /// Waits until all is as it shall be.
    async fn settle(&mut self, what: &str) {
        let mut problem = None;
        for _ in 0..(PATIENCE.as_secs() / LOOK.as_secs()) {
            problem = self.shared.with(|world| unsettled(world));
            if problem.is_none() || self.is_over() {
                self.shared.note(format!("settled: {what}"));
                return;
            }
            sleep(LOOK).await;
        }
        self.shared.with(|world| {
            let what = format!("{what}: {}", problem.unwrap_or_default());
            let now = world.now();
            world
                .judge
                .violated(now, "I8 all is well in the end", &what);
        });
    }

    /// Both end in order.
    async fn stop(&mut self) {
        self.kill_controller();
        let Some(driver) = self.driver.take() else {
            return;
        };
        let run = driver.run;
        driver.stop().await;
        self.shared.with(|world| {
            let left = world.vcenter.sessions_of(run);
            if left > 0 {
                let now = world.now();
                let what = format!("{left} sessions are left behind");
                world.judge.violated(now, "I7 none after shutdown", &what);
            }
        });
    }
}
