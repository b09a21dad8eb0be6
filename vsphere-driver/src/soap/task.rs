//! What is known of a task, put together from changes of its properties.

use super::{Element, VimFault, property_collector::PropertyChange};

/// The properties of a `Task` that say what became of it. Not all of `info`, which changes more often.
pub const PATHS: [&str; 4] = ["info.state", "info.error", "info.result", "info.progress"];

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It is done.
    Success,
    /// It failed.
    Error,
}

/// A task, as far as it is known. Nothing until the first change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Where it stands.
    pub state: Option<TaskState>,
    /// Why it failed.
    pub error: Option<VimFault>,
    /// What it gave.
    pub result: Option<Element>,
    /// Percent, if it says.
    pub progress: Option<u8>,
}

// === impl TaskState ===

impl TaskState {
    fn of(word: &str) -> Option<Self> {
        match word {
            "queued" => Some(Self::Queued),
            "running" => Some(Self::Running),
            "success" => Some(Self::Success),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

// === impl Task ===

impl Task {
    /// Takes in a change of one of the [`PATHS`]; of other properties nothing.
    pub fn apply(&mut self, change: &PropertyChange) {
        let value = change.value.as_ref();
        match &*change.path {
            // What was queued when a task came into sight tells of its past behind its present.
            "info.state" if self.has_ended() => {}
            "info.state" => self.state = value.and_then(|value| TaskState::of(value.text())),
            "info.error" => self.error = value.map(VimFault::of_localized),
            "info.result" => self.result = value.cloned(),
            "info.progress" => {
                let percent = value.and_then(Element::as_i64);
                self.progress = percent.and_then(|percent| u8::try_from(percent).ok());
            }
            _ => {}
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, Some(TaskState::Success | TaskState::Error))
    }

    /// What it gave or why it failed, once it has ended.
    pub fn outcome(&self) -> Option<Result<Option<&Element>, VimFault>> {
        match self.state? {
            TaskState::Queued | TaskState::Running => None,
            TaskState::Success => Some(Ok(self.result.as_ref())),
            TaskState::Error => Some(Err(self.error.clone().unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{property_collector::ChangeOp, xml::Limits};

    fn change(path: &str, val: &str) -> PropertyChange {
        let value = Element::parse(val.as_bytes(), Limits::DEFAULT).ok();
        PropertyChange {
            path: path.into(),
            op: ChangeOp::Assign,
            value,
        }
    }

    fn state(word: &str) -> PropertyChange {
        change("info.state", &format!("<val>{word}</val>"))
    }

    #[test]
    fn an_ended_task_stays_ended() {
        let mut task = Task::default();
        for (word, ended) in [
            ("queued", false),
            ("running", false),
            ("success", true),
            ("running", true),
        ] {
            task.apply(&state(word));
            assert_eq!(task.outcome().is_some(), ended, "{word}");
        }
    }

    #[test]
    fn a_state_that_is_not_known_is_no_outcome() {
        let mut task = Task::default();
        task.apply(&state("paused"));
        assert_eq!(task, Task::default());
    }

    #[test]
    fn a_failed_task_has_its_fault_in_whatever_order_it_comes() {
        let error = change(
            "info.error",
            "<val><fault xmlns:x='http://www.w3.org/2001/XMLSchema-instance' x:type='DuplicateName'>\
             <name>n01</name></fault><localizedMessage>taken</localizedMessage></val>",
        );
        for changes in [[state("error"), error.clone()], [error, state("error")]] {
            let mut task = Task::default();
            for change in &changes {
                task.apply(change);
            }
            let fault = task.outcome().unwrap().unwrap_err();
            assert_eq!(fault.to_string(), "DuplicateName: taken");
            assert_eq!(fault.name(), Some("n01"));
        }
    }

    #[test]
    fn progress_out_of_range_is_not_known() {
        let mut task = Task::default();
        task.apply(&change("info.progress", "<val>40</val>"));
        assert_eq!(task.progress, Some(40));
        task.apply(&change("info.progress", "<val>-1</val>"));
        assert_eq!(task.progress, None);
    }
}
