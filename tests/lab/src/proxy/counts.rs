//! What went through the proxy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was counted of one method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Calls that arrived, those that were broken included.
    pub calls: u64,
    /// Answers of vCenter, those that were lost on the way included.
    pub answers: u64,
    /// Bytes of the requests' bodies.
    pub request_bytes: u64,
    /// Bytes of the answers' bodies that were passed on.
    pub response_bytes: u64,
}

/// What was counted, by SOAP method; other requests are `HTTP GET`, `HTTP PUT` and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub BTreeMap<String, Count>);

impl Counts {
    /// What was counted of `method`.
    pub fn of(&self, method: &str) -> Count {
        self.0.get(method).copied().unwrap_or_default()
    }

    /// Calls of all methods.
    pub fn calls(&self) -> u64 {
        self.0.values().map(|count| count.calls).sum()
    }

    /// Answers of all methods.
    pub fn answers(&self) -> u64 {
        self.0.values().map(|count| count.answers).sum()
    }

    /// Calls by method.
    pub fn by_method(&self) -> BTreeMap<String, u64> {
        self.0
            .iter()
            .map(|(method, count)| (method.clone(), count.calls))
            .collect()
    }

    pub(super) fn entry(&mut self, method: &str) -> &mut Count {
        self.0.entry(method.to_owned()).or_default()
    }
}
