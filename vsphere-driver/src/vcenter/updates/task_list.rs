//! The list view of tasks that are waited for.

use crate::vcenter::VCenter;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long tasks gather for one change of the list.
const GATHER: Duration = Duration::from_millis(100);
/// How much longer where few of them come, and one after the other: each change costs a call, and mostly
/// an answer of the update loop.
const LONGER: Duration = Duration::from_millis(150);
/// So many are worth a call at once.
const ENOUGH: usize = 8;
/// Changes within such a time belong to one flow of work. What comes alone does not wait for others.
const FLOW: Duration = Duration::from_secs(1);

/// How much longer tasks gather, of which there are so many, so long after the last change.
fn longer(tasks: usize, since_last: Option<Duration>) -> Duration {
    let flows = since_last.is_some_and(|since| since < FLOW);
    if flows && tasks < ENOUGH {
        LONGER
    } else {
        Duration::ZERO
    }
}

/// Adds tasks that are waited for to the list view and takes ended ones off it, in batches.
pub(in crate::vcenter) async fn keep_task_list(vcenter: Arc<VCenter>) {
    let view_of = |vcenter: &VCenter| vcenter.read(|state| state.tasks_view.clone());
    let mut last: Option<Instant> = None;
    loop {
        vcenter.tasks.pending.notified().await;
        sleep(GATHER).await;
        let since_last = last.map(|last| last.elapsed());
        sleep(longer(vcenter.tasks.to_add(), since_last)).await;
        let Some(view) = view_of(&vcenter) else {
            // A new list view begins with all tasks that are waited for.
            continue;
        };
        let Some((add, remove)) = vcenter.tasks.take_pending() else {
            continue;
        };
        last = Some(Instant::now());
        let change = vcenter.session.run("", |vim, _| {
            let (view, add, remove) = (view.clone(), add.clone(), remove.clone());
            async move { vim.modify_list_view(&view, &add, &remove).await }
        });
        match change.await {
            Ok(unknown) => vcenter.tasks.lose(&unknown),
            Err(failure) => {
                let doing = "watching tasks";
                let fault = failure.explain(doing, &vcenter.session.server());
                tracing::warn!(
                    vcenter = vcenter.name,
                    error = fault.message,
                    "Tasks not listed"
                );
                // With a new view, they are in it already.
                if view_of(&vcenter) == Some(view) {
                    vcenter.tasks.put_back(add, remove);
                    vcenter.tasks.pending.notify_one();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_tasks_of_a_flow_wait_for_more() {
        let (soon, late) = (Some(FLOW / 2), Some(FLOW));
        for (why, tasks, since_last, expected) in [
            ("the first of all", 1, None, Duration::ZERO),
            ("alone", 1, late, Duration::ZERO),
            ("a few of a flow", ENOUGH - 1, soon, LONGER),
            ("many of a flow", ENOUGH, soon, Duration::ZERO),
        ] {
            assert_eq!(longer(tasks, since_last), expected, "{why}");
        }
    }
}
