//! Has the ISO taken out of machines that are installed.

use super::{
    super::{
        Work,
        attempts::Work as Task,
        memory::Memory,
        plan::{Plan, patiently},
    },
    BATCH,
};
use crate::driver::{Driver, On};

/// Asks for it. How it ends is told of each machine.
pub(super) async fn eject<D: Driver>(
    work: &Work<'_, D>,
    on: On<'_>,
    plan: &Plan,
    memory: &mut Memory,
) {
    for batch in plan.eject.chunks(BATCH) {
        tracing::info!(machines = batch.len(), "Taking ISOs out of machines");
        let answer = work.ctx.driver.eject(on, batch).await;
        let now = (work.ctx.now)();
        let slots = batch.iter().map(|machine| machine.key.slot);
        match answer {
            Ok(answers) => {
                for (slot, answer) in slots.zip(&answers) {
                    if let Some(fault) = &answer.fault {
                        work.ctx.metrics.fault(fault.word);
                    }
                    let fault = answer.fault.clone().map(patiently);
                    memory.attempts.note(Task::Eject(slot), fault, now);
                }
                work.link.learn(answers);
            }
            Err(fault) => {
                tracing::warn!(reason = fault.word, problem = fault.message, "Call refused");
                work.ctx.metrics.fault(fault.word);
                work.heed(&fault);
                for slot in slots {
                    let fault = Some(fault.clone());
                    memory.attempts.note(Task::Eject(slot), fault, now);
                }
            }
        }
    }
}
