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

    /// What it gave or why it failed, once it has ended.
    pub fn outcome(&self) -> Option<Result<Option<&Element>, VimFault>> {
        match self.state? {
            TaskState::Queued | TaskState::Running => None,
            TaskState::Success => Some(Ok(self.result.as_ref())),
            TaskState::Error => Some(Err(self.error.clone().unwrap_or_default())),
        }
    }
}
