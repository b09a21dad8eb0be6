//! A content on its way to a datastore: a part of it lies there until it is whole, or is given up.

use super::{
    catalog::{self, Whole},
    destination::Destination,
    digest::Digest,
    image::Stored,
    name::Label,
    record::Origin,
    store::{Part, Store},
};
use crate::vcenter::VCenter;
use bytes::Bytes;
use contract::v1::Fault;
use futures::{StreamExt as _, stream::BoxStream};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Chunks that wait for a slow datastore.
pub const IN_FLIGHT: usize = 4;

/// A content on its way to one datastore.
#[derive(Debug)]
pub struct Placing<'a> {
    store: &'a Store,
    vcenter: &'a Arc<VCenter>,
    place: Destination,
    label: &'a Label,
    op: &'a str,
    part: Part,
    is_begun: bool,
}

/// What is known of a content that was written to its end.
#[derive(Debug)]
pub struct Verified {
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Where it came from.
    pub origin: Origin,
}

/// What is sent to a datastore, as it takes it.
pub fn taken(
    chunks: mpsc::Receiver<Result<Bytes, Fault>>,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    ReceiverStream::new(chunks).boxed()
}

// === impl Placing ===

impl<'a> Placing<'a> {
    /// Nothing is there yet.
    pub fn new(
        store: &'a Store,
        (vcenter, place): (&'a Arc<VCenter>, Destination),
        label: &'a Label,
        op: &'a str,
    ) -> Self {
        Self {
            store,
            vcenter,
            place,
            label,
            op,
            part: store.parts.begin(label),
            is_begun: false,
        }
    }

    /// Where it goes.
    pub fn place(&self) -> &Destination {
        &self.place
    }

    /// The path of what is there of it.
    pub fn path(&self) -> String {
        self.place.path(self.part.name())
    }

    /// Has its folder there.
    pub async fn prepare(&self) -> Result<(), Fault> {
        catalog::prepare(self.store, &self.place, self.op).await
    }

    /// Writes the content.
    pub async fn write(
        &mut self,
        length: u64,
        chunks: mpsc::Receiver<Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        self.is_begun = true;
        let (op, part) = (self.op, self.part.name());
        self.place.write(op, part, length, taken(chunks)).await
    }

    /// Gives what is whole its name. Of what failed, and of what is there already under its name, nothing
    /// is left. Not to be broken off.
    pub async fn end(self, written: Result<Verified, Fault>) -> Result<Stored, Fault> {
        let stored = match written {
            Ok(verified) => self.commit(verified).await,
            Err(fault) => Err(fault),
        };
        let has_name = stored.as_ref().is_ok_and(|stored| stored.found.is_none());
        if self.is_begun
            && !has_name
            && let Err(fault) = self.place.remove(self.op, self.part.name()).await
        {
            // It is removed when the folder is tidied up the next time.
            let path = self.path();
            tracing::warn!(path, error = fault.message, "Part of an ISO not removed");
        }
        stored
    }

    async fn commit(&self, verified: Verified) -> Result<Stored, Fault> {
        let Verified {
            size_bytes,
            sha256,
            origin,
        } = verified;
        let whole = Whole {
            part: self.part.name(),
            label: self.label,
            size_bytes,
            sha256,
            origin,
        };
        let at = (self.vcenter, &self.place);
        let is_upload = whole.origin == Origin::Upload;
        let stored = catalog::commit(self.store, at, whole, self.op).await?;
        if is_upload && stored.found.is_some() {
            // It was fetched before; from now on it stays until it is removed by hand.
            catalog::uploaded(self.store, at, &sha256, self.op).await?;
        }
        Ok(stored)
    }
}
