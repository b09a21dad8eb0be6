//! Tasks of vCenter that somebody waits for: one list view, changed in batches, watched by the one
//! update loop.

use crate::soap::{Element, MoRef, VimFault, property_collector::ObjectUpdate, task::Task};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

/// How long a task of files may take. One on storage that does not answer never ends.
pub const OF_FILES: Duration = Duration::from_mins(5);

/// Tasks that are waited for.
#[derive(Debug, Default)]
pub struct Tasks {
    inside: Mutex<Inside>,
    /// There is something to add to the list.
    pub pending: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    waited: BTreeMap<MoRef, Waited>,
    /// Not yet in the list view.
    to_add: Vec<MoRef>,
    /// Still in the list view, and of no more use.
    to_remove: Vec<MoRef>,
}

#[derive(Debug)]
struct Waited {
    task: Task,
    done: Option<oneshot::Sender<Outcome>>,
}

/// How a task ended.
#[derive(Debug)]
pub enum Outcome {
    /// With this result.
    Success(Option<Element>),
    /// With this fault.
    Fault(Box<VimFault>),
    /// vCenter no longer knows it: what it did must be looked up.
    Lost,
}

impl Tasks {
    /// Waits for a task to end.
    pub async fn outcome(&self, task: &MoRef) -> Outcome {
        let (done, ended) = oneshot::channel();
        {
            let mut inside = self.lock();
            let waited = Waited {
                task: Task::default(),
                done: Some(done),
            };
            inside.waited.insert(task.clone(), waited);
            inside.to_add.push(task.clone());
        }
        self.pending.notify_one();
        ended.await.unwrap_or(Outcome::Lost)
    }

    /// Waits for a task to end, but no longer than this. Nothing: it goes on, and nobody waits for it any
    /// more.
    pub async fn outcome_within(&self, task: &MoRef, longest: Duration) -> Option<Outcome> {
        let outcome = timeout(longest, self.outcome(task)).await;
        if outcome.is_err() {
            self.end(task, Outcome::Lost);
        }
        outcome.ok()
    }

    /// How many are waited for.
    pub fn count(&self) -> usize {
        self.lock().waited.len()
    }

    /// How many are to be added to the list view.
    pub fn to_add(&self) -> usize {
        self.lock().to_add.len()
    }

    /// What to add to the list view, and what to take off it. Nothing while there is nothing to add: until
    /// then those that ended cost nothing there.
    pub fn take_pending(&self) -> Option<(Vec<MoRef>, Vec<MoRef>)> {
        let mut inside = self.lock();
        if inside.to_add.is_empty() {
            return None;
        }
        Some((
            std::mem::take(&mut inside.to_add),
            std::mem::take(&mut inside.to_remove),
        ))
    }

    /// All that are waited for, for a new list view.
    pub fn take_all(&self) -> Vec<MoRef> {
        let mut inside = self.lock();
        inside.to_add.clear();
        inside.to_remove.clear();
        inside.waited.keys().cloned().collect()
    }

    /// Puts back what could not be added and taken off.
    pub fn put_back(&self, add: Vec<MoRef>, remove: Vec<MoRef>) {
        let mut inside = self.lock();
        inside.to_add.extend(add);
        inside.to_remove.extend(remove);
    }

    /// These are not known to vCenter.
    pub fn lose(&self, tasks: &[MoRef]) {
        for task in tasks {
            self.end(task, Outcome::Lost);
        }
    }

    /// Takes over what the update loop says of a task.
    pub fn update(&self, update: &ObjectUpdate) {
        let mut inside = self.lock();
        let Some(waited) = inside.waited.get_mut(&update.object) else {
            return;
        };
        for change in &update.changes {
            waited.task.apply(change);
        }
        let outcome = match waited.task.outcome() {
            None => return,
            Some(Ok(result)) => Outcome::Success(result.cloned()),
            Some(Err(fault)) => Outcome::Fault(Box::new(fault)),
        };
        drop(inside);
        self.end(&update.object, outcome);
    }

    fn end(&self, task: &MoRef, outcome: Outcome) {
        let mut inside = self.lock();
        if let Some(mut waited) = inside.waited.remove(task) {
            inside.to_remove.push(task.clone());
            if let Some(done) = waited.done.take() {
                // Nobody waits any more: then nobody needs to know.
                let _ = done.send(outcome);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{
        property_collector::{ChangeOp, ObjectChange, PropertyChange},
        xml::Limits,
    };
    use futures::{FutureExt as _, poll};
    use std::pin::pin;

    fn moref() -> MoRef {
        MoRef::new("Task", "task-1")
    }

    fn state(word: &str) -> ObjectUpdate {
        let val = format!("<val>{word}</val>");
        let value = Element::parse(val.as_bytes(), Limits::DEFAULT).ok();
        let change = PropertyChange {
            path: "info.state".into(),
            op: ChangeOp::Assign,
            value,
        };
        let (changes, missing) = (vec![change], Vec::new());
        ObjectUpdate {
            kind: ObjectChange::Modify,
            object: moref(),
            changes,
            missing,
        }
    }

    #[tokio::test]
    async fn a_task_is_listed_once_and_its_end_is_told() {
        let tasks = Tasks::default();
        let task = moref();
        let mut outcome = pin!(tasks.outcome(&task));
        assert!(poll!(outcome.as_mut()).is_pending());
        assert_eq!(tasks.take_pending(), Some((vec![moref()], vec![])));
        tasks.update(&state("running"));
        assert!(poll!(outcome.as_mut()).is_pending());
        tasks.update(&state("success"));
        assert!(matches!(
            outcome.now_or_never(),
            Some(Outcome::Success(None))
        ));
        tasks.update(&state("success"));
        // It is taken off the list together with the next that comes.
        assert_eq!(tasks.take_pending(), None);
        let next = MoRef::new("Task", "task-2");
        let mut outcome = pin!(tasks.outcome(&next));
        assert!(poll!(outcome.as_mut()).is_pending());
        let both = (vec![next.clone()], vec![moref()]);
        assert_eq!(tasks.take_pending(), Some(both.clone()));
        let (add, remove) = both.clone();
        tasks.put_back(add, remove);
        assert_eq!(tasks.take_pending(), Some(both));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_waited_for_only_so_long() {
        let tasks = Tasks::default();
        let outcome = tasks.outcome_within(&moref(), OF_FILES).await;
        assert!(outcome.is_none(), "{outcome:?}");
        assert_eq!(tasks.count(), 0);
        let task = moref();
        let ends = tasks.outcome_within(&task, OF_FILES);
        let (outcome, ()) = tokio::join!(ends, async { tasks.update(&state("success")) });
        assert!(matches!(outcome, Some(Outcome::Success(None))));
    }

    #[tokio::test]
    async fn a_new_list_has_all_that_are_waited_for() {
        let tasks = Tasks::default();
        let task = moref();
        let mut outcome = pin!(tasks.outcome(&task));
        assert!(poll!(outcome.as_mut()).is_pending());
        tasks.take_pending();
        assert_eq!(tasks.take_all(), [moref()]);
        tasks.lose(&[moref()]);
        assert!(matches!(outcome.now_or_never(), Some(Outcome::Lost)));
        assert_eq!(tasks.count(), 0);
    }
}
