//! Reconciles templates: `observe -> plan -> record -> act -> report`.
//!
//! Only this module, `act`, `leave`, `secrets`, `withdrawal` and `writing` do I/O. All rules are in the other
//! ones, which are pure.

mod act;
mod attempts;
mod checks;
mod conditions;
mod error;
mod events;
mod handover;
mod hosts;
mod iso;
mod leave;
mod memory;
mod plan;
mod record;
mod report;
mod room;
mod secrets;
mod withdrawal;
mod writing;

pub(crate) use conditions::CONDITIONS;
pub use error::Error;
pub use memory::{Memories, Memory};
pub(crate) use plan::Seen;
#[cfg(test)]
pub(crate) use room::Measurement;
#[cfg(test)]
pub(crate) use {
    attempts::Attempts,
    checks::{Checks, IsoCheck},
    handover::Handover,
    record::{Naming, Record},
};

use crate::{
    adoption::is_credible,
    capacity::Taken,
    context::Context,
    crd::{FINALIZER, VMwareNodePoolTemplate, VMwareNodePoolTemplateStatus},
    demand::{Asking, demand},
    driver::{Driver, Fault, Kind, On},
    leaving::secret,
    link::{Connection, Link, Sight},
    pool::Pool,
    wish::Wish,
};
use attempts::Work as Task;
use checks::Looking;
use jiff::Timestamp;
use kube::{
    Api, ResourceExt as _,
    runtime::{
        controller::Action,
        finalizer::{Event, finalizer},
        reflector::ObjectRef,
    },
};
use plan::{Plan, plan};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// What one reconciliation works with.
struct Work<'a, D> {
    ctx: &'a Context<D>,
    templates: &'a Api<VMwareNodePoolTemplate>,
    template: &'a Arc<VMwareNodePoolTemplate>,
    wish: Wish,
    link: Arc<Link>,
}

/// Brings the world closer to what `template` says, and says how it is. kube's span names the template.
#[tracing::instrument(
    level = "debug",
    skip_all,
    fields(template = template.name_any(), namespace = template.namespace())
)]
pub async fn reconcile<D: Driver>(
    template: Arc<VMwareNodePoolTemplate>,
    ctx: Arc<Context<D>>,
) -> Result<Action, Error> {
    let namespace = template.namespace().ok_or(Error::Incomplete("namespace"))?;
    ctx.metrics.started(&namespace, &template.name_any());
    let templates = Api::namespaced(ctx.client.clone(), &namespace);
    let since = Instant::now();
    let outcome = finalizer(&templates, FINALIZER, template, |event| async {
        match event {
            Event::Apply(template) => Ok(work(&ctx, &templates, &template).await?.1),
            Event::Cleanup(template) => {
                let (finished, again) = work(&ctx, &templates, &template).await?;
                // kube drops the finalizer on any `Ok`, so "not yet" has to be an error.
                if finished {
                    Ok(again)
                } else {
                    Err(Error::StillDeleting(again))
                }
            }
        }
    })
    .await
    .map_err(Error::from);
    ctx.metrics.took(result(outcome.as_ref()), since.elapsed());
    outcome
}

/// Says when to try again after `error`.
#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
pub fn error_policy<D: Driver>(
    template: Arc<VMwareNodePoolTemplate>,
    error: &Error,
    ctx: Arc<Context<D>>,
) -> Action {
    if let Error::StillDeleting(again) = error {
        return again.clone();
    }
    let namespace = template.namespace().unwrap_or_default();
    ctx.metrics.failed(&namespace, &template.name_any());
    error.retry()
}

/// How a reconciliation ended, in a word of the metrics.
fn result(outcome: Result<&Action, &Error>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(Error::StillDeleting(_)) => "removing",
        Err(Error::Incomplete(_) | Error::WriteStatus(_) | Error::WriteFinalizer(_)) => "failed",
    }
}

async fn work<D: Driver>(
    ctx: &Context<D>,
    templates: &Api<VMwareNodePoolTemplate>,
    template: &Arc<VMwareNodePoolTemplate>,
) -> Result<(bool, Action), Error> {
    let wish = Wish::of(template).ok_or(Error::Incomplete("name, namespace or UID"))?;
    let user = ObjectRef::from_obj(&**template);
    let link = ctx.links.link(&wish.secret, &wish.owner.uid, user.clone());
    let memory = ctx.memories.of(&wish.owner.uid);
    let mut memory = memory.lock().await;
    let work = Work {
        ctx,
        templates,
        template,
        wish,
        link,
    };
    // It is large: two plans and two statuses.
    let outcome = Box::pin(work.run(&mut memory)).await;
    let cached = ctx.hub.template(&user);
    cached.inspect(|cached| memory.caught_up(cached));
    outcome
}

// === impl Work ===

impl<D: Driver> Work<'_, D> {
    async fn run(&self, memory: &mut Memory) -> Result<(bool, Action), Error> {
        let recorded = memory.status(self.template);
        let sight = self.look(&recorded);
        self.count_faults(memory, &sight);
        memory.rest_on(&self.wish, &sight);
        self.check(&sight, memory).await;
        withdrawal::from_former(self, &sight, memory).await;
        secrets::keep(self, &sight, memory).await;

        let pool = self.ctx.hub.pool(&self.wish);
        // Anew each time: nothing is destroyed because of what was found a while ago.
        memory.looks.clear();
        let (first, record, desired) = {
            let seen = self.seen(&sight, &pool, &recorded, memory);
            let first = plan(&seen);
            let differs = first.record.next_slot != recorded.next_slot
                || first.record.leaves_more_than(&recorded)
                || first.adopts_more_than(&recorded, self.wish.adopt);
            let record = differs.then(|| report::record_only(&seen, &first));
            (first, record, seen.demand.desired)
        };
        secrets::let_former_go(self, &sight, &first, (&recorded, memory)).await;
        if let Some(status) = record {
            self.write(memory, &recorded, &status).await?;
        }
        leave::fence(self, &first, &first.fence, memory).await;
        act::act(self, (&sight, &pool), &first, memory).await;
        leave::bury(self, &first, memory).await;
        self.measure(&sight, desired, memory).await;

        // What was answered is part of what is seen now.
        let old = memory.status(self.template);
        let sight = self.look(&old);
        self.count_faults(memory, &sight);
        let seen = self.seen(&sight, &pool, &old, memory);
        let next = plan(&seen);
        let plan = next.after(&first, seen.now);
        let status = report::status(&seen, &plan);
        let (finished, due) = (plan.finished, seen.demand.wake);
        let again = self.report(memory, &old, (&status, &plan)).await?;
        let parted = finished && self.part((&old, &sight), &plan, memory).await;
        if !finished {
            memory.attempts.succeeded(Task::Part);
            memory.wishes.stays();
        }
        let measure = self.next_measurement(&sight, desired, memory);
        let now = (self.ctx.now)();
        let keeping = [Task::Keep, Task::LetGo, Task::Part, Task::Withdraw];
        let retry = memory.attempts.next_retry(&keeping, now);
        let wake = [plan.wake, again, due, measure, retry];
        Ok((parted, next_look(wake, now)))
    }

    /// Lets go of what the template holds, and tells of what it leaves behind. Whether all is let go.
    async fn part(
        &self,
        (status, sight): (&VMwareNodePoolTemplateStatus, &Sight),
        plan: &Plan,
        memory: &mut Memory,
    ) -> bool {
        let now = (self.ctx.now)();
        if !memory.attempts.due(Task::Part, None, now).is_now() {
            return false;
        }
        if let Err(fault) = self.let_go((status, sight), plan, memory).await {
            self.ctx.metrics.fault(fault.word);
            memory.attempts.note(Task::Part, Some(fault), now);
            return false;
        }
        if let Some(event) = events::farewell(self.wish.ending, &plan.record) {
            self.tell(&event).await;
        }
        true
    }

    /// Lets go of Agents, ISO and Secrets, in this order: without its Secret nobody could be told of the ISO.
    async fn let_go(
        &self,
        (status, sight): (&VMwareNodePoolTemplateStatus, &Sight),
        plan: &Plan,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        leave::let_agents_go(self, plan, memory).await?;
        withdrawal::from_all(self, (status, sight), &mut memory.wishes).await?;
        secrets::let_all_go(self, status).await
    }

    /// What is seen now, in the light of what was recorded.
    fn look(&self, status: &VMwareNodePoolTemplateStatus) -> Sight {
        let template = self.wish.companion_name();
        let mut sight = self.link.look(&self.wish.owner.uid, &template);
        let prefix = &self.wish.prefix;
        sight.owner.doubt(|it| is_credible(it, prefix, status));
        sight
    }

    fn count_faults(&self, memory: &mut Memory, sight: &Sight) {
        for word in memory.new_faults(sight) {
            self.ctx.metrics.fault(word);
        }
    }

    /// Looks up names and ISO, where that is due and of use.
    async fn check(&self, sight: &Sight, memory: &mut Memory) {
        let vcenter = sight.vcenter.as_ref().filter(|_| self.is_checked(sight));
        let Some(vcenter) = vcenter else { return };
        let on = On {
            caller: &self.ctx.caller,
            vcenter: &vcenter.name,
        };
        let wanted = iso::wanted(self, memory);
        let now = (self.ctx.now)();
        let due = checks::due(memory.checks.as_ref(), &wanted, &sight.iso, now);
        if due.asks_for_iso() && wanted.is_ok() {
            memory.wishes.add(&vcenter.name);
        }
        let before = memory.iso_before(&self.wish.iso).cloned();
        let looking = Looking {
            driver: &*self.ctx.driver,
            on,
            wish: &self.wish,
            before: before.as_ref(),
            link: &self.link,
            told: &sight.iso,
            now,
        };
        let last = memory.checks.take();
        let (checks, faults) = looking
            .check((last, due), wanted, &mut memory.attempts)
            .await;
        for fault in &faults {
            self.heed(fault);
        }
        memory.checked(&self.wish, checks);
    }

    /// Asks how much room there is, where that is due. Once machines are asked for: they are not delayed,
    /// and what the driver has accepted is no longer free.
    async fn measure(&self, sight: &Sight, desired: i32, memory: &mut Memory) {
        let now = (self.ctx.now)();
        let due = room::is_due(memory.measurement.as_ref(), desired, now);
        let measured = due && room::is_measured(&self.wish, sight);
        let vcenter = sight.vcenter.as_ref().filter(|_| measured);
        let Some(vcenter) = vcenter else { return };
        let driver = &*self.ctx.driver;
        let told = room::measure(driver, &vcenter.name, &self.wish).await;
        let last = memory.measurement.take();
        let measurement = room::believed(told, (&self.wish, desired), last, now);
        if let Some(fault) = &measurement.fault {
            self.heed(fault);
        }
        memory.measurement = Some(measurement);
    }

    /// When the room is measured anew. Notes what is missing until then, for others to leave to it.
    fn next_measurement(&self, sight: &Sight, desired: i32, memory: &Memory) -> Option<Timestamp> {
        let measurement = memory.measurement.as_ref();
        let commitment = room::commitment((&self.wish, desired), sight, measurement);
        self.ctx.commitments.note(&self.wish.owner.uid, commitment);
        let measurement = measurement.filter(|_| room::is_measured(&self.wish, sight));
        measurement.map(|measurement| measurement.next)
    }

    /// What other templates will take of the room.
    fn taken(&self, sight: &Sight, memory: &Memory) -> Taken {
        let site = room::site(sight, memory.measurement.as_ref());
        let uid = &self.wish.owner.uid;
        site.map(|site| self.ctx.commitments.of_others(uid, &site))
            .unwrap_or_default()
    }

    /// Does what a fault of a whole call asks for, beyond trying again.
    fn heed(&self, fault: &Fault) {
        match fault.kind {
            Kind::VcenterUnknown => self.link.forgotten(),
            Kind::StaleEpoch { highest } => self.ctx.links.challenge(highest),
            Kind::BadLogin(_) | Kind::Unreachable | Kind::Other => {}
        }
    }

    fn is_checked(&self, sight: &Sight) -> bool {
        let wish = &self.wish;
        let acting = !wish.paused && !wish.deleting && wish.problems.is_empty();
        acting && sight.connection == Connection::Live
    }

    fn seen<'a>(
        &'a self,
        sight: &'a Sight,
        pool: &'a Pool,
        status: &'a VMwareNodePoolTemplateStatus,
        memory: &'a Memory,
    ) -> Seen<'a> {
        let now = (self.ctx.now)();
        let asking = Asking {
            wish: &self.wish,
            status,
            grace: self.ctx.scale_down_grace,
            now,
        };
        Seen {
            wish: &self.wish,
            pool,
            demand: demand(&asking, pool),
            hub_id: &self.ctx.caller.hub_id,
            sight,
            status,
            checks: memory.checks.as_ref(),
            measurement: memory.measurement.as_ref(),
            taken: self.taken(sight, memory),
            attempts: &memory.attempts,
            handover: &memory.handover,
            looks: &memory.looks,
            secret_in_use: secret::in_use(
                &self.wish,
                sight.guard,
                &status.secret_in_use,
                memory.let_go.as_ref() == Some(&status.secret_in_use),
            ),
            now,
        }
    }
}

fn next_look(wake: [Option<Timestamp>; 5], now: Timestamp) -> Action {
    let next = wake.into_iter().flatten().min();
    next.map_or_else(Action::await_change, |next| {
        let wait = next.duration_since(now);
        Action::requeue(Duration::try_from(wait).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
