//! How far the content of a file has come, and whose turn it is: that of the content, or that of the
//! service that takes it.

use super::{Content, Patience, WriteError};
use crate::soap::error::Cause;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, sleep_until};

/// A content on its way, and what is known of it.
pub(super) struct Pace {
    length: u64,
    content: Mutex<Option<Content>>,
    inside: Mutex<Inside>,
}

/// Gives a content up when nobody waits for it to be written any more. The connection may outlive that,
/// and hold on to what it was handed.
pub(super) struct Sending(pub(super) Arc<Pace>);

#[derive(Debug, Default)]
struct Inside {
    sent: u64,
    /// Since when it is the service's turn. Nothing: it has asked for more content than there is yet.
    handed: Option<Instant>,
    failure: Option<WriteError>,
}

// === impl Pace ===

impl Pace {
    /// A content of this length, of which nothing was asked yet.
    pub(super) fn new(length: u64, content: Content) -> Self {
        Self {
            length,
            content: Mutex::new(Some(content)),
            inside: Mutex::default(),
        }
    }

    /// The content, noted as it goes by. It ends with an error where it is not what was announced.
    ///
    /// The last of it is held back until the content has ended: with all that was announced the file
    /// would be whole, and nobody would ask whether there is more, or whether it ended well.
    pub(super) fn follow(
        self: Arc<Self>,
    ) -> impl Stream<Item = Result<Bytes, Cause>> + Send + 'static {
        let mut last = None;
        stream::poll_fn(move |context| {
            loop {
                let next = ready!(self.next(context));
                match self.note(next) {
                    Err(cause) => return Poll::Ready(Some(Err(cause))),
                    Ok(None) => return Poll::Ready(last.take().map(Ok)),
                    Ok(Some(piece)) if piece.is_empty() => {}
                    Ok(Some(piece)) if self.is_all() => last = Some(piece),
                    Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                }
            }
        })
    }

    /// What comes next. Nothing after the end, or after the content was given up.
    fn next(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        self.inside().handed = None;
        let mut kept = self.content();
        let next = match &mut *kept {
            Some(pieces) => ready!(pieces.poll_next_unpin(context)),
            None => None,
        };
        if next.is_none() {
            *kept = None;
        }
        Poll::Ready(next)
    }

    fn is_all(&self) -> bool {
        self.inside().sent == self.length
    }

    fn note(&self, next: Option<Result<Bytes, Cause>>) -> Result<Option<Bytes>, Cause> {
        let mut inside = self.inside();
        let next = match next.transpose() {
            Ok(next) => next,
            Err(cause) => {
                inside.failure = Some(WriteError::Content(cause));
                return Err("the content broke off".into());
            }
        };
        inside.sent += next.as_ref().map_or(0, |piece| piece.len() as u64);
        let (sent, length) = (inside.sent, self.length);
        if sent > length || next.is_none() && sent < length {
            inside.failure = Some(WriteError::Length { length, sent });
            return Err("the content has another length".into());
        }
        inside.handed = Some(Instant::now());
        Ok(next)
    }

    /// What was wrong with the content, if that is why it was not taken.
    pub(super) fn failure(&self) -> Option<WriteError> {
        self.inside().failure.take()
    }

    /// Ends when the service has done nothing for too long; gives how much it had been handed.
    pub(super) async fn stalled(&self, patience: Patience) -> u64 {
        loop {
            let (sent, handed) = {
                let inside = self.inside();
                (inside.sent, inside.handed)
            };
            let wait = if sent == self.length {
                patience.answer
            } else {
                patience.stall
            };
            let end = handed.unwrap_or_else(Instant::now) + wait;
            if end <= Instant::now() {
                return sent;
            }
            sleep_until(end).await;
        }
    }

    fn content(&self) -> MutexGuard<'_, Option<Content>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sending ===

impl Drop for Sending {
    fn drop(&mut self) {
        *self.0.content() = None;
    }
}
