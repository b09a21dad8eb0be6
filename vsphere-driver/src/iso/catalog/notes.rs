//! What lies beside a file and says of it: its record, and its mark.

use crate::iso::{
    destination::Destination,
    name,
    record::{self, Record},
};
use bytes::Bytes;
use contract::v1::{Fault, RetryClass};
use futures::StreamExt as _;
use std::time::Duration;
use tokio::time::sleep;

/// Before a record is read again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often records may be read again in one look: a service that is away for longer is not waited for.
#[derive(Debug)]
pub(super) struct Patience(u32);

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self(4)
    }
}

impl Patience {
    /// Whether what failed like this is worth another attempt.
    fn allows(&mut self, fault: &Fault) -> bool {
        let passes = matches!(fault.retry(), RetryClass::Backoff | RetryClass::Soon);
        let allows = passes && self.0 > 0;
        self.0 -= u32::from(allows);
        allows
    }
}

/// The record of a file, of so many bytes; nothing where it is none of ours or cannot be read.
pub(super) async fn read_record(
    place: &Destination,
    (file, size): (&str, u64),
    patience: &mut Patience,
    op: &str,
) -> Option<Record> {
    if size > record::MAX_BYTES {
        return None;
    }
    let name = name::record(file);
    loop {
        match place.read(op, &name, record::MAX_BYTES).await {
            Ok(bytes) => return bytes.and_then(|bytes| Record::parse(&bytes)),
            Err(fault) if patience.allows(&fault) => sleep(PAUSE).await,
            Err(fault) => {
                let path = place.path(&name);
                tracing::warn!(path, error = fault.message, "Record of an ISO not read");
                return None;
            }
        }
    }
}

/// Writes the record of a file that is to get this name.
pub(super) async fn write_record(
    place: &Destination,
    file: &str,
    record: &Record,
    op: &str,
) -> Result<(), Fault> {
    write(place, &name::record(file), record.to_bytes(), op).await
}

/// Marks a file as uploaded. That the mark is there is what it says.
pub(super) async fn mark(place: &Destination, file: &str, op: &str) -> Result<(), Fault> {
    write(place, &name::mark(file), b"uploaded\n".to_vec(), op).await
}

async fn write(place: &Destination, name: &str, bytes: Vec<u8>, op: &str) -> Result<(), Fault> {
    let length = bytes.len() as u64;
    let chunks = futures::stream::once(std::future::ready(Ok(Bytes::from(bytes))));
    let written = place.write(op, name, length, chunks.boxed()).await;
    if written.is_err() {
        remove(place, name, op).await;
    }
    written
}

/// Removes what nobody needs. What stays is removed when the folder is looked at the next time.
pub(super) async fn remove(place: &Destination, name: &str, op: &str) {
    match place.remove(op, name).await {
        Ok(()) => tracing::info!(path = place.path(name), "Leftover of an ISO removed"),
        Err(fault) => {
            let path = place.path(name);
            tracing::warn!(
                path,
                error = fault.message,
                "Leftover of an ISO not removed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::v1::Reason;

    #[test]
    fn only_what_passes_is_tried_again_and_not_without_end() {
        let (away, denied) = [
            Reason::DatastoreTransferUnreachable,
            Reason::VcenterPermissionDenied,
        ]
        .map(|reason| Fault::new(reason, "x"))
        .into();
        let mut patience = Patience::default();
        assert!(!patience.allows(&denied));
        let allowed: Vec<_> = (0..6).map(|_| patience.allows(&away)).collect();
        assert_eq!(allowed, [true, true, true, true, false, false]);
    }
}
