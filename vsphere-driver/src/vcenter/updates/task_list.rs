//! The list view of tasks that are waited for.

use crate::vcenter::VCenter;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Between two changes of the list of tasks.
const LIST_CHANGES: Duration = Duration::from_millis(100);

/// Adds tasks that are waited for to the list view and takes ended ones off it, in batches.
pub(in crate::vcenter) async fn keep_task_list(vcenter: Arc<VCenter>) {
    let view_of = |vcenter: &VCenter| vcenter.read(|state| state.tasks_view.clone());
    loop {
        vcenter.tasks.pending.notified().await;
        sleep(LIST_CHANGES).await;
        let Some(view) = view_of(&vcenter) else {
            // A new list view begins with all tasks that are waited for.
            continue;
        };
        let Some((add, remove)) = vcenter.tasks.take_pending() else {
            continue;
        };
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
