//! The audit log: one line for each change, whatever became of it.
//!
//! The lines have the target `audit` and come at `info` even where the log filter asks for less.

use crate::edge::caller::Caller;
use contract::v1::{Fault, Owner, Verb};
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

/// Whose something is, as a line says it.
pub fn whose(owner: &Owner) -> String {
    let Owner {
        kind,
        namespace,
        name,
        uid,
    } = owner;
    format!("{kind} {namespace}/{name} ({uid})")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{
        client::{Client, Hubs},
        fence::Fence,
    };
    use contract::v1::{self as pb, Reason};
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn caller(on_behalf_of: &str) -> Caller {
        let asked = pb::Caller {
            hub_id: "hub".into(),
            epoch: Some(3),
            operation_id: "op".into(),
            on_behalf_of: on_behalf_of.into(),
            ..pb::Caller::default()
        };
        let client = Client::new("controller.hub", Hubs::All);
        Caller::admit(Some(asked), &client, &Fence::default()).unwrap()
    }

    fn written(json: bool, on_behalf_of: &str, outcome: Outcome<'_>) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone());
        let change_it = || {
            change(
                &Change {
                    caller: &caller(on_behalf_of),
                    owner: "VMwareNodePoolTemplate ns/pool (uid)",
                    identity: "hub/uid/1",
                    verb: Verb::Create,
                    vcenter: "lab",
                    operation_id: "op-1",
                },
                outcome,
            );
        };
        if json {
            let log = log.json().flatten_event(true).finish();
            tracing::subscriber::with_default(log, change_it);
        } else {
            tracing::subscriber::with_default(log.finish(), change_it);
        }
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_change_is_one_line_that_says_everything() {
        let fault = Fault::new(Reason::DatastoreFull, "no room on `LocalDS_0`");
        assert_eq!(
            written(false, "", Outcome::Failed(&fault)).trim_start(),
            format!(
                "INFO audit: Change client=\"controller.hub\" hub=\"hub\" epoch=3 \
                 owner=\"VMwareNodePoolTemplate ns/pool (uid)\" identity=\"hub/uid/1\" \
                 verb=\"CREATE\" vcenter=\"lab\" operation_id=\"op-1\" result=\"DATASTORE_FULL\" \
                 fault=\"{}\"\n",
                fault.message
            )
        );
    }

    #[test]
    fn nobody_forges_a_second_line() {
        let forged = "eve\nINFO audit: Change client=\"admin\"";
        for json in [false, true] {
            let line = written(json, forged, Outcome::Accepted);
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
