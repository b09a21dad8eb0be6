//! How many calls there are at once, and when the last one has ended.

use contract::v1::{Fault, Reason};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// When a refused call may be repeated: most calls end within it.
const CALL_RETRY: Duration = Duration::from_secs(1);

/// When a refused stream may be repeated: streams seldom end.
const STREAM_RETRY: Duration = Duration::from_secs(10);

/// How many calls the driver holds. More are refused, not queued: the caller knows better what can
/// wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Unary calls of all clients.
    pub(crate) unary: usize,
    /// Streams of one client.
    pub(crate) streams_per_client: usize,
}

/// The calls under way.
#[derive(Debug)]
pub(crate) struct Calls {
    limits: CallLimits,
    unary: Arc<Semaphore>,
    streams: Mutex<HashMap<String, Arc<Semaphore>>>,
    running: TaskTracker,
}

/// A place among the calls under way; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    _permit: OwnedSemaphorePermit,
    _running: Option<TaskTrackerToken>,
}

// === impl CallLimits ===

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            unary: 1_000,
            streams_per_client: 100,
        }
    }
}

// === impl Calls ===

impl Calls {
    pub(crate) fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            unary: Arc::new(Semaphore::new(limits.unary)),
            streams: Mutex::default(),
            running: TaskTracker::new(),
        }
    }

    /// A place for a call that ends by itself.
    pub(crate) fn begin(&self) -> Result<Ticket, Fault> {
        let permit = self.unary.clone().try_acquire_owned().map_err(|_| {
            let what = format!("{} calls are under way", self.limits.unary);
            Fault::new(Reason::Overloaded, what).after(CALL_RETRY)
        })?;
        Ok(Ticket {
            _permit: permit,
            _running: Some(self.running.token()),
        })
    }

    /// A place for a stream of this client.
    pub(crate) fn begin_stream(&self, client: &str) -> Result<Ticket, Fault> {
        let limit = self.limits.streams_per_client;
        let permit = self.streams_of(client).try_acquire_owned().map_err(|_| {
            let what = format!("client `{client}` has {limit} streams");
            Fault::new(Reason::Overloaded, what).after(STREAM_RETRY)
        })?;
        Ok(Ticket {
            _permit: permit,
            _running: None,
        })
    }

    /// The unary calls under way.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Waits for the end of all unary calls.
    pub(crate) async fn ended(&self) {
        self.running.close();
        self.running.wait().await;
    }

    // Only names on the list of clients come here, so that the map stays small.
    fn streams_of(&self, client: &str) -> Arc<Semaphore> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(self.limits.streams_per_client));
        streams.entry(client.to_owned()).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> Calls {
        Calls::new(CallLimits {
            unary: 1,
            streams_per_client: 1,
        })
    }

    #[test]
    fn a_call_too_many_is_refused_until_another_ends() {
        let calls = calls();
        let first = calls.begin().unwrap();
        let refused = calls.begin().unwrap_err();
        assert_eq!(
            (refused.reason(), refused.wait()),
            (Reason::Overloaded, Some(CALL_RETRY))
        );
        drop(first);
        calls.begin().unwrap();
    }

    #[test]
    fn streams_count_by_client_and_apart_from_calls() {
        let calls = calls();
        let _call = calls.begin().unwrap();
        let _first = calls.begin_stream("a").unwrap();
        let _other = calls.begin_stream("b").unwrap();
        let refused = calls.begin_stream("a").unwrap_err();
        assert_eq!(
            (refused.reason(), refused.wait()),
            (Reason::Overloaded, Some(STREAM_RETRY))
        );
    }

    #[tokio::test]
    async fn streams_do_not_hold_up_the_end() {
        let calls = calls();
        let _stream = calls.begin_stream("a").unwrap();
        drop(calls.begin().unwrap());
        calls.ended().await;
        assert_eq!(calls.count(), 0);
    }
}
