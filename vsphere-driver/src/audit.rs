//! The audit log: one line for each change, whatever became of it.
//!
//! The lines have the target `audit` and come at `info` even where the log filter asks for less.

use crate::edge::caller::Caller;
use contract::v1::{Fault, Verb};
use std::fmt;

/// A change that somebody asked for.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Who asked.
    pub caller: &'a Caller,
    /// The object on the hub that wants it, `VMwareNodePoolTemplate ns/name (uid)`. Empty: none.
    pub owner: &'a str,
    /// What is changed: the key of a machine, the path of a file, the name of a vCenter.
    pub identity: &'a str,
    /// What is done to it.
    pub verb: Verb,
    /// Name of the vCenter.
    pub vcenter: &'a str,
    /// The `operationID` that vCenter logs.
    pub operation_id: &'a str,
}

/// What became of a change.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It was accepted and is under way.
    Accepted,
    /// It is done.
    Done,
    /// It was refused before anything was begun, or failed on the way.
    Failed(&'a Fault),
}

/// Writes the line of `change`.
pub fn change(change: &Change<'_>, outcome: Outcome<'_>) {
    let Change {
        caller,
        owner,
        identity,
        verb,
        vcenter,
        operation_id,
    } = change;
    let fault = match outcome {
        Outcome::Accepted | Outcome::Done => None,
        Outcome::Failed(fault) => Some(fault.message.as_str()),
    };
    // Given as text, not as `Display`: the log then escapes it, and nobody forges a second line.
    tracing::info!(
        target: "audit",
        client = caller.client,
        hub = caller.hub_id,
        epoch = caller.epoch,
        on_behalf_of = Some(caller.on_behalf_of.as_str()).filter(|name| !name.is_empty()),
        owner,
        identity,
        verb = verb_word(*verb),
        vcenter,
        operation_id,
        result = outcome.to_string(),
        fault,
        "Change"
    );
}

fn verb_word(verb: Verb) -> &'static str {
    verb.as_str_name().trim_start_matches("VERB_")
}

// === impl Outcome ===

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "ACCEPTED",
            Self::Done => "DONE",
            Self::Failed(fault) => fault.reason().row().name,
        })
    }
}
