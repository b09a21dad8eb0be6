//! Which calls are broken, and how.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hostile::Hostile;

/// What is done to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    /// The connection is cut before vCenter sees the call.
    DropBefore,
    /// vCenter does the call, and the connection is cut before its answer is passed on.
    DropAfter,
    /// The call reaches vCenter later.
    Delay {
        /// By so many milliseconds.
        milliseconds: u64,
    },
    /// The first half of the answer is passed on, and then the connection is cut.
    Truncate,
    /// The call is answered with an HTTP status, and vCenter does not see it.
    Status {
        /// The status: 401, 503, ….
        code: u16,
    },
    /// The call is answered with a SOAP fault, and vCenter does not see it.
    Reply {
        /// Type of the fault in the vSphere API: `NotAuthenticated`, `NoPermission`, ….
        fault: String,
        /// What stands inside the fault's element, as XML.
        #[serde(default)]
        detail: String,
    },
    /// The call is answered with what no vCenter sends, and vCenter does not see it.
    Hostile {
        /// What is wrong with it.
        with: Hostile,
    },
}

impl Action {
    /// A delay.
    pub fn delay(delay: Duration) -> Self {
        Self::Delay {
            milliseconds: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// A SOAP fault without anything inside.
    pub fn reply(fault: &str) -> Self {
        Self::Reply {
            fault: fault.to_owned(),
            detail: String::new(),
        }
    }
}

/// Calls to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// SOAP method, or `*` for each.
    pub method: String,
    /// From which call on, counted from when the fault was added; 1 is the next.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls from there on.
    #[serde(default = "one")]
    pub times: u64,
    /// What is done to them.
    #[serde(flatten)]
    pub action: Action,
}

impl Fault {
    /// Breaks the next call of `method`.
    pub fn next(method: &str, action: Action) -> Self {
        Self {
            method: method.to_owned(),
            nth: 1,
            times: 1,
            action,
        }
    }

    /// Breaks each call of `method`.
    pub fn each(method: &str, action: Action) -> Self {
        Self {
            times: u64::MAX,
            ..Self::next(method, action)
        }
    }

    /// Lets the first calls through, and breaks the `nth`.
    pub fn at(self, nth: u64) -> Self {
        Self { nth, ..self }
    }

    /// Breaks so many calls.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }
}

fn one() -> u64 {
    1
}

/// A fault that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its number.
    pub id: u64,
    /// What it breaks.
    #[serde(flatten)]
    pub fault: Fault,
    /// Calls that it has matched, those that it let through included.
    pub matched: u64,
    /// Calls that it has broken.
    pub acted: u64,
}

/// All faults that are in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    last_id: u64,
}

impl Rules {
    pub(super) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.rules.push(Rule {
            id: self.last_id,
            fault,
            matched: 0,
            acted: 0,
        });
        self.last_id
    }

    pub(super) fn all(&self) -> Vec<Rule> {
        self.rules.clone()
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What is done to this call of `method`: what the first rule says whose turn it is.
    pub(super) fn decide(&mut self, method: &str) -> Option<Action> {
        let mut action = None;
        for rule in &mut self.rules {
            if rule.fault.method != "*" && rule.fault.method != method {
                continue;
            }
            rule.matched += 1;
            let turn = rule.matched >= rule.fault.nth && rule.acted < rule.fault.times;
            if turn && action.is_none() {
                rule.acted += 1;
                action = Some(rule.fault.action.clone());
            }
        }
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(fault: Fault, methods: &[&str]) -> Vec<bool> {
        let mut rules = Rules::default();
        rules.add(fault);
        methods
            .iter()
            .map(|method| rules.decide(method).is_some())
            .collect()
    }

    #[test]
    fn each_fault_breaks_its_calls_and_no_others() {
        let fault = |method: &str| Fault::next(method, Action::DropAfter);
        let each = Fault::each("A", Action::Truncate);
        for (why, fault, calls, broken) in [
            (
                "only the next",
                fault("A"),
                ["A", "A", "A"],
                [true, false, false],
            ),
            (
                "only the method",
                fault("B"),
                ["A", "B", "A"],
                [false, true, false],
            ),
            (
                "the second",
                fault("A").at(2),
                ["A", "A", "A"],
                [false, true, false],
            ),
            (
                "two from the second",
                fault("A").at(2).times(2),
                ["A", "A", "A"],
                [false, true, true],
            ),
            (
                "any method",
                fault("*").times(2),
                ["A", "B", "C"],
                [true, true, false],
            ),
            ("each", each, ["A", "A", "A"], [true, true, true]),
        ] {
            assert_eq!(decisions(fault, &calls), broken, "{why}");
        }
    }

    #[test]
    fn a_fault_by_hand_needs_only_a_method_and_a_kind() {
        let text = r#"{"method": "CreateVM_Task", "kind": "drop-after"}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::next("CreateVM_Task", Action::DropAfter));
    }
}
