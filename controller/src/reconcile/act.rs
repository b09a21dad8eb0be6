//! Carries out a plan: removes first, then makes, then sees to the Agents.

mod agents;
mod ejection;
mod node_pool;

use super::{
    Work,
    attempts::{Attempts, Work as Task},
    handover::{Question, question},
    leave,
    memory::Memory,
    plan::Plan,
};
use crate::{
    driver::{Adopted, Adopting, Adoption, Answer, Driver, Fault, MachineRef, On, State, Wanted},
    leaving::release::Sighting,
    link::Sight,
    pool::Pool,
    wish::Adopt,
};
use jiff::Timestamp;

/// As many as one call takes.
const BATCH: usize = 1000;
/// As many machines with Agents as one call destroys: each Agent is looked at right before, and the first look is
/// still a fresh one when the last is done.
const LOOKED_AT: usize = 64;

/// Does what `plan` says. What fails is noted, and seen in the status.
pub(super) async fn act<D: Driver>(
    work: &Work<'_, D>,
    (sight, pool): (&Sight, &Pool),
    plan: &Plan,
    memory: &mut Memory,
) {
    let Some(vcenter) = &sight.vcenter else {
        return;
    };
    let on = On {
        caller: &work.ctx.caller,
        vcenter: &vcenter.name,
    };
    // Boxed, as it is seldom done: a reconciliation without it stays small.
    Box::pin(hand_over(work, on, plan, memory)).await;
    delete(work, on, (sight, pool), plan, memory).await;
    prove(work, on, plan, memory).await;
    ensure(work, on, plan, memory).await;
    node_pool::select(work, plan, memory).await;
    agents::apply(work, plan, memory).await;
    ejection::eject(work, on, plan, memory).await;
    memory
        .attempts
        .keep_slots(|slot| plan.record.entries.contains_key(&slot));
    memory
        .attempts
        .keep_leaving(|slot| plan.record.leaves(slot));
}

async fn hand_over<D: Driver>(work: &Work<'_, D>, on: On<'_>, plan: &Plan, memory: &mut Memory) {
    let Some(question) = question(plan, work.wish.adopt) else {
        return;
    };
    if !memory.handover.is_due(&question, (work.ctx.now)()) {
        return;
    }
    let answer = match &question {
        Question::Adopt(how, adoptions) => adopt(work, on, *how, adoptions).await,
        Question::Release(machines) => release(work, on, machines).await,
    };
    if let Err(fault) = &answer {
        tracing::warn!(reason = fault.word, problem = fault.message, "Call refused");
        work.ctx.metrics.fault(fault.word);
        work.heed(fault);
    }
    memory.handover.note(question, answer, (work.ctx.now)());
}

async fn adopt<D: Driver>(
    work: &Work<'_, D>,
    on: On<'_>,
    how: Adopt,
    adoptions: &[Adoption],
) -> Result<Vec<Adopted>, Fault> {
    let mut all = Vec::new();
    for batch in adoptions.chunks(BATCH) {
        tracing::info!(machines = batch.len(), ?how, "Adopting machines");
        let adopting = Adopting {
            owner: &work.wish.owner,
            adoptions: batch,
            spec: &work.wish.spec,
            plan: how == Adopt::Plan,
        };
        all.extend(work.ctx.driver.adopt(on, &adopting).await?);
    }
    Ok(all)
}

async fn release<D: Driver>(
    work: &Work<'_, D>,
    on: On<'_>,
    machines: &[MachineRef],
) -> Result<Vec<Adopted>, Fault> {
    let mut all = Vec::new();
    for batch in machines.chunks(BATCH) {
        tracing::info!(machines = batch.len(), "Giving machines up");
        let template = work.wish.companion_name();
        let answers = work.ctx.driver.release(on, batch, &template).await?;
        all.extend(answers.into_iter().map(|answer| Adopted {
            answer,
            changes: Vec::new(),
        }));
    }
    Ok(all)
}

/// Has machines destroyed that nobody uses at this moment.
///
/// # Guarantees
///
/// A machine goes only if its Agent was not in use when it was read from the API server for this very call. What
/// can still happen in between is that somebody binds the Agent after its reading and before the driver has the
/// call: the time of reading at most [`LOOKED_AT`] Agents and of one call. That call waits at most ten seconds for
/// a connection, should it break in this moment; where there was none before, nothing is destroyed at all.
async fn delete<D: Driver>(
    work: &Work<'_, D>,
    on: On<'_>,
    seen: (&Sight, &Pool),
    plan: &Plan,
    memory: &mut Memory,
) {
    let has_agent = |it: &MachineRef| matches!(plan.ties.sighting(it.key.slot), Sighting::There(_));
    let (known, alone): (Vec<_>, Vec<_>) = plan.delete.iter().cloned().partition(has_agent);
    let alone = leave::still_alone(work, seen, plan, alone, memory).await;
    for batch in alone.chunks(BATCH) {
        if !remove(work, on, batch, memory).await {
            return;
        }
    }
    for batch in known.chunks(LOOKED_AT) {
        let batch = leave::still_fenced(work, plan, batch, memory).await;
        if !batch.is_empty() && !remove(work, on, &batch, memory).await {
            return;
        }
    }
}

/// Whether the driver took the call.
async fn remove<D: Driver>(
    work: &Work<'_, D>,
    on: On<'_>,
    machines: &[MachineRef],
    memory: &mut Memory,
) -> bool {
    tracing::info!(machines = machines.len(), "Removing machines");
    let answer = work.ctx.driver.delete(on, machines).await;
    let tasks = machines
        .iter()
        .map(|machine| Task::Remove(machine.key.slot));
    take(work, memory, Task::Delete, tasks, answer)
}

/// Finds out about machines that are out of sight. Nobody chose them to go: one that comes back meanwhile
/// may be a node.
async fn prove<D: Driver>(work: &Work<'_, D>, on: On<'_>, plan: &Plan, memory: &mut Memory) {
    for batch in plan.prove.chunks(BATCH) {
        tracing::info!(machines = batch.len(), "Looking for machines out of sight");
        let answer = work.ctx.driver.prove(on, batch).await;
        let tasks = batch.iter().map(|machine| Task::Remove(machine.key.slot));
        if !take(work, memory, Task::Delete, tasks, answer) {
            return;
        }
    }
}

async fn ensure<D: Driver>(work: &Work<'_, D>, on: On<'_>, plan: &Plan, memory: &mut Memory) {
    let Some(spec) = memory
        .checks
        .as_ref()
        .map(|checks| checks.spec(&work.wish.spec))
    else {
        return;
    };
    for batch in plan.ensure.chunks(BATCH) {
        tracing::info!(machines = batch.len(), "Making machines");
        let wanted = Wanted {
            owner: &work.wish.owner,
            identities: batch.to_vec(),
            spec: &spec,
        };
        let answer = work.ctx.driver.ensure(on, &wanted).await;
        let tasks = batch.iter().map(|(slot, _)| Task::Make(*slot));
        if !take(work, memory, Task::Ensure, tasks, answer) {
            return;
        }
    }
}

/// Takes in an answer; whether it makes sense to go on.
fn take<D: Driver>(
    work: &Work<'_, D>,
    memory: &mut Memory,
    call: Task,
    tasks: impl Iterator<Item = Task>,
    answer: Result<Vec<Answer>, Fault>,
) -> bool {
    let now = (work.ctx.now)();
    match answer {
        Ok(answers) => {
            memory.attempts.succeeded(call);
            for (task, answer) in tasks.zip(&answers) {
                // That of a machine is counted where the machine is seen.
                if let (Some(fault), None) = (&answer.fault, &answer.machine.fault) {
                    work.ctx.metrics.fault(fault.word);
                }
                note(&mut memory.attempts, task, answer, now);
            }
            work.link.learn(answers);
            true
        }
        Err(fault) => {
            tracing::warn!(reason = fault.word, problem = fault.message, "Call refused");
            work.ctx.metrics.fault(fault.word);
            work.heed(&fault);
            memory.attempts.note(call, Some(fault), now);
            false
        }
    }
}

fn note(attempts: &mut Attempts, task: Task, answer: &Answer, now: Timestamp) {
    let done = matches!(answer.machine.state, State::Running | State::Gone);
    match &answer.fault {
        None if done => attempts.succeeded(task),
        fault => attempts.note(task, fault.clone(), now),
    }
}
