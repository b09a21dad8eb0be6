//! vCenter's file service, `/folder`: the content of files on datastores, over HTTP in the session of
//! the SOAP calls.

mod pace;
#[cfg(test)]
mod tests;

use super::{Client, body, not_soap};
use crate::soap::{Error, VimFault, counts, error::Cause, xml::Limits};
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use pace::{Pace, Sending};
use reqwest::{
    Body, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const WRITE: &str = "PUT /folder";
const READ: &str = "GET /folder";

/// The content of a file, piece by piece.
pub type Content = BoxStream<'static, Result<Bytes, Cause>>;

/// A file on a datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Inventory path of the datastore's datacenter, as vCenter writes it: `/DC0`.
    pub datacenter: String,
    /// Name of the datastore.
    pub datastore: String,
    /// Its path there: `folder/file`.
    pub path: String,
}

/// How long the file service may do nothing. There is no bound on the whole.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With content that waits to be taken.
    pub stall: Duration,
    /// With all of the content, before it answers: it may have to put it onto the disk first.
    pub answer: Duration,
}

/// Why a file was not written. A part of it may be there.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file service did not take it.
    #[error(transparent)]
    Call(#[from] Error),
    /// The content itself broke off.
    #[error("the content broke off")]
    Content(#[source] Cause),
    /// There was more or less content than announced.
    #[error("the content has {sent} bytes or more, and {length} were announced")]
    Length {
        /// Bytes announced.
        length: u64,
        /// Bytes that came.
        sent: u64,
    },
    /// The file service took nothing more, or did not answer at the end.
    #[error("no progress after {sent} bytes")]
    Stalled {
        /// Bytes that it had taken, or held in its connection.
        sent: u64,
    },
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_mins(1),
            answer: Duration::from_mins(5),
        }
    }
}

// === impl Client ===

impl Client {
    /// Writes a file of `length` bytes, in place of one that is there.
    ///
    /// An answer that comes before all is sent ends the sending.
    ///
    /// # Errors
    /// See [`WriteError`]; `NotAuthenticated` is the fault of a session that has ended.
    #[tracing::instrument(level = "debug", skip_all, fields(otel.kind = "client", length))]
    pub async fn write_file(
        &self,
        file: &RemoteFile,
        length: u64,
        content: Content,
    ) -> Result<(), WriteError> {
        let counted = self.connection.metrics.begin(WRITE);
        let written = self.put(file, length, content).await;
        counted.end_with(
            written
                .as_ref()
                .map_or_else(WriteError::word, |()| counts::OK),
        );
        written
    }

    async fn put(
        &self,
        file: &RemoteFile,
        length: u64,
        content: Content,
    ) -> Result<(), WriteError> {
        let pace = Arc::new(Pace::new(length, content));
        let _sending = Sending(Arc::clone(&pace));
        // Wakes the connection, which may be waiting for content, to end there.
        let ended = CancellationToken::new();
        let _ends = ended.clone().drop_guard();
        let followed = Arc::clone(&pace).follow();
        let put = self
            .http()
            .put(self.url_of(file))
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(
                followed.take_until(ended.cancelled_owned()),
            ));
        let sent = tokio::select! {
            sent = put.send() => sent,
            sent = pace.stalled(self.connection.patience) => {
                return Err(WriteError::Stalled { sent });
            }
        };
        match sent {
            Ok(response) => Ok(accepted(WRITE, &response)?),
            Err(error) => Err(match pace.failure() {
                Some(failure) => failure,
                None => self.not_answered(WRITE, error.without_url()).into(),
            }),
        }
    }

    /// Reads a file of at most so many bytes. Nothing: there is none.
    ///
    /// # Errors
    /// See [`Error`]; `NotAuthenticated` is the fault of a session that has ended.
    #[tracing::instrument(level = "debug", skip_all, fields(otel.kind = "client"))]
    pub async fn read_file(
        &self,
        file: &RemoteFile,
        at_most: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let counted = self.connection.metrics.begin(READ);
        let read = self.get(file, at_most).await;
        counted.end(&read);
        read
    }

    async fn get(&self, file: &RemoteFile, at_most: usize) -> Result<Option<Vec<u8>>, Error> {
        let get = self.http().get(self.url_of(file)).timeout(self.timeout);
        let sent = get.send().await;
        let response = sent.map_err(|error| self.not_answered(READ, error.without_url()))?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        accepted(READ, &response)?;
        let limits = Limits {
            bytes: at_most,
            ..Limits::DEFAULT
        };
        let read = body(READ, response, limits).await?;
        read.map(Some).map_err(|source| Error::BadReply {
            method: READ,
            status: status.as_u16(),
            source,
        })
    }

    fn url_of(&self, file: &RemoteFile) -> Url {
        let RemoteFile {
            datacenter,
            datastore,
            path,
        } = file;
        let mut url = self.connection.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push("folder").extend(path.split('/'));
        }
        url.query_pairs_mut()
            .append_pair("dcPath", datacenter)
            .append_pair("dsName", datastore);
        url
    }
}

/// Whether the service did what it was asked.
fn accepted(method: &'static str, response: &Response) -> Result<(), Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(Error::Fault(Box::new(VimFault {
            type_name: "NotAuthenticated".into(),
            ..VimFault::default()
        })));
    }
    let busy = Error::Busy {
        method,
        status: status.as_u16(),
        retry_after: None,
    };
    Err(not_soap(method, status, response.headers()).unwrap_or(busy))
}

// === impl WriteError ===

impl WriteError {
    /// One of few words, for metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Call(error) => counts::word(error),
            Self::Content(_) | Self::Length { .. } => "content",
            Self::Stalled { .. } => "stalled",
        }
    }
}

// === impl RemoteFile ===

impl fmt::Display for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.datastore, self.path)
    }
}
