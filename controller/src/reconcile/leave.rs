//! Fences, deletes and lets go the Agents of machines that leave.

use super::{Work, attempts::Work as Task, memory::Memory, plan::Plan};
use crate::{
    driver::{Driver, Fault, Kind, MachineRef, Retry},
    leaving::{
        agent::{self, Place},
        course::Look,
    },
    link::Sight,
    pool::Pool,
    wish::{Ending, Mode},
};
use futures::{StreamExt as _, stream};

/// Agents that are dealt with at the same time.
const AT_ONCE: usize = 8;

/// Fences the Agents of machines that leave, and notes what was found then.
pub(super) async fn fence<D: Driver>(
    work: &Work<'_, D>,
    plan: &Plan,
    slots: &[i32],
    memory: &mut Memory,
) {
    let client = &work.ctx.client;
    let places = places(plan, slots);
    let looks = stream::iter(places)
        .map(async |(slot, place)| (slot, agent::fence(client, &place).await))
        .buffer_unordered(AT_ONCE);
    for (slot, look) in looks.collect::<Vec<_>>().await {
        match look {
            Ok(look) => {
                memory.attempts.succeeded(Task::Fence(slot));
                memory.looks.insert(slot, look);
            }
            Err(error) => failed(work, memory, Task::Fence(slot), error),
        }
    }
}

/// Of these machines, whose Agents are known, those that may be destroyed at this moment. Since they were chosen,
/// the driver may have refused for hours, and what a watch has told may be some minutes old: the fence is looked
/// at again, and put up again where somebody took it down.
pub(super) async fn still_fenced<D: Driver>(
    work: &Work<'_, D>,
    plan: &Plan,
    machines: &[MachineRef],
    memory: &mut Memory,
) -> Vec<MachineRef> {
    let slots: Vec<_> = machines.iter().map(|it| it.key.slot).collect();
    fence(work, plan, &slots, memory).await;
    let clear = |it: &&MachineRef| memory.looks.get(&it.key.slot) == Some(&Look::Clear);
    let clear: Vec<_> = machines.iter().filter(clear).cloned().collect();
    if clear.len() < machines.len() {
        let machines = machines.len() - clear.len();
        tracing::info!(machines, "Agents are in use or cannot be withdrawn");
    }
    clear
}

/// Of these machines, which have no Agent as far as is known, those that have none at this moment.
pub(super) async fn still_alone<D: Driver>(
    work: &Work<'_, D>,
    (sight, pool): (&Sight, &Pool),
    plan: &Plan,
    mut machines: Vec<MachineRef>,
    memory: &mut Memory,
) -> Vec<MachineRef> {
    let unknowns = match work.wish.mode {
        Mode::NodePool { .. } => plan.unknowns(&sight.owner),
        Mode::Test { .. } => return machines,
    };
    if unknowns.entries.is_empty() {
        return machines;
    }
    let slots = unknowns.entries.keys().copied();
    let looked = unknowns
        .known(&work.ctx.client, &work.wish.owner.name, pool)
        .await;
    let (known, error) = match looked {
        Ok(known) => (known, None),
        Err(error) => (slots.clone().collect(), Some(fault(error))),
    };
    for slot in slots {
        if !known.contains(&slot) {
            memory.attempts.succeeded(Task::Fence(slot));
            continue;
        }
        let why = error.clone();
        let why = why.unwrap_or_else(|| fault(agent::Error::Registered));
        work.ctx.metrics.fault(why.word);
        memory
            .attempts
            .note(Task::Fence(slot), Some(why), (work.ctx.now)());
    }
    machines.retain(|it| !known.contains(&it.key.slot));
    machines
}

/// Deletes the Agents of machines that are gone, and lets them go.
pub(super) async fn bury<D: Driver>(work: &Work<'_, D>, plan: &Plan, memory: &mut Memory) {
    let client = &work.ctx.client;
    let places = places(plan, &plan.bury);
    let buried = stream::iter(places)
        .map(async |(slot, place)| (slot, agent::bury(client, &place).await))
        .buffer_unordered(AT_ONCE);
    for (slot, buried) in buried.collect::<Vec<_>>().await {
        match buried {
            // What became of it is told by the watch.
            Ok(()) => memory
                .attempts
                .note(Task::Bury(slot), None, (work.ctx.now)()),
            Err(error) => failed(work, memory, Task::Bury(slot), error),
        }
    }
}

/// Lets go of each Agent whose machine stays when the template goes.
pub(super) async fn let_agents_go<D: Driver>(
    work: &Work<'_, D>,
    plan: &Plan,
    memory: &mut Memory,
) -> Result<(), Fault> {
    for (slot, agent) in plan.ties.agents.iter().filter(|(_, agent)| agent.held) {
        let place = Place {
            namespace: agent.namespace.clone(),
            name: agent.name.clone(),
            referred: false,
            was_bound: false,
        };
        match agent::let_go(&work.ctx.client, &place).await {
            Ok(()) => memory.attempts.succeeded(Task::Bury(*slot)),
            Err(error) => {
                let fault = fault(error);
                let now = (work.ctx.now)();
                memory
                    .attempts
                    .note(Task::Bury(*slot), Some(fault.clone()), now);
                // Who abandons a template wants it gone.
                if work.wish.ending != Ending::Abandon {
                    return Err(fault);
                }
            }
        }
    }
    Ok(())
}

/// Where the Agents of these machines are.
fn places(plan: &Plan, slots: &[i32]) -> Vec<(i32, Place)> {
    let place = |slot: &i32| {
        let agent = plan.ties.agents.get(slot)?;
        let entry = plan.record.entries.get(slot)?;
        let place = Place {
            namespace: agent.namespace.clone(),
            name: agent.name.clone(),
            referred: plan.ties.referred.contains(&agent.name),
            was_bound: entry.was_bound,
        };
        Some((*slot, place))
    };
    slots.iter().filter_map(place).collect()
}

fn failed<D: Driver>(work: &Work<'_, D>, memory: &mut Memory, task: Task, error: agent::Error) {
    let fault = fault(error);
    work.ctx.metrics.fault(fault.word);
    memory.attempts.note(task, Some(fault), (work.ctx.now)());
}

/// The error as a fault, which is logged.
fn fault(error: agent::Error) -> Fault {
    let advice = error.advice();
    let problem = format!("{:#}", anyhow::Error::new(error));
    tracing::warn!(problem, "An Agent could not be withdrawn");
    Fault {
        word: "AgentNotWithdrawn",
        message: format!("{problem}. {advice}"),
        retry: Retry::Backoff,
        after: None,
        kind: Kind::Other,
    }
}
