//! The content of a file on its way: how much of it was taken, and why it ended early.

use crate::soap::client::files::Content;
use bytes::Bytes;
use contract::v1::Fault;
use futures::{StreamExt as _, stream::BoxStream};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// What is known of a content that is written.
#[derive(Debug, Default)]
pub(super) struct Followed {
    taken: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

// === impl Followed ===

impl Followed {
    /// The content as the file service takes it, which does not know our faults.
    pub(super) fn follow(
        self: Arc<Self>,
        chunks: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Content {
        chunks
            .map(move |chunk| match chunk {
                Ok(chunk) => {
                    self.taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    Ok(chunk)
                }
                Err(fault) => {
                    *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                    Err("the content broke off".into())
                }
            })
            .boxed()
    }

    /// Bytes that were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Why it ended early, if that was its own fault.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
