//! Reads a source to its end, whatever breaks on the way.

use crate::iso::{
    digest::Digest,
    inspect::Inspector,
    retry,
    source::{Content, Fetcher, Source},
};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::StreamExt as _;
use tokio::{sync::mpsc, time::sleep};

/// Attempts in a row that bring no byte, before the transfer fails: about a minute.
const ATTEMPTS: u32 = 6;

/// Where the bytes go.
pub(super) type Out = mpsc::Sender<Result<Bytes, Fault>>;

/// Why a source was not read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The source, or what it gave.
    Source(Box<Fault>),
    /// Nobody takes the bytes any more.
    Destination,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) source: &'a Source,
    pub(super) content: &'a Content,
}

/// Sends the whole content out and gives its SHA-256. Goes on at the byte where a source broke.
pub(super) async fn read(
    origin: Origin<'_>,
    out: &Out,
    seen: &(dyn Fn(u64) + Sync),
) -> Result<Digest, Broken> {
    let mut inspector = Inspector::new(origin.content.length);
    let mut failures = 0;
    loop {
        let before = inspector.seen();
        let fault = match read_on(origin, &mut inspector, out, seen).await {
            Ok(()) => return inspector.end().map_err(Broken::from),
            Err(Broken::Source(fault)) => fault,
            Err(Broken::Destination) => return Err(Broken::Destination),
        };
        failures = if inspector.seen() > before {
            1
        } else {
            failures + 1
        };
        let wait = retry::wait(&fault, failures);
        let Some(wait) = wait.filter(|_| is_passing(&fault) && failures <= ATTEMPTS) else {
            return Err(Broken::Source(fault));
        };
        let host = fault.metadata.get("host");
        let at = inspector.seen();
        tracing::warn!(
            host,
            at,
            reason = fault.reason().row().name,
            "Source broke off"
        );
        tokio::select! {
            () = out.closed() => return Err(Broken::Destination),
            () = sleep(wait) => {}
        }
    }
}

async fn read_on(
    origin: Origin<'_>,
    inspector: &mut Inspector,
    out: &Out,
    seen: &(dyn Fn(u64) + Sync),
) -> Result<(), Broken> {
    let Origin {
        fetcher,
        source,
        content,
    } = origin;
    if inspector.seen() == content.length {
        return Ok(());
    }
    let opened = fetcher.open(source, inspector.seen(), Some(content));
    let mut chunks = tokio::select! {
        () = out.closed() => return Err(Broken::Destination),
        opened = opened => opened.map_err(Broken::from)?.chunks,
    };
    loop {
        let chunk = tokio::select! {
            () = out.closed() => return Err(Broken::Destination),
            chunk = chunks.next() => chunk,
        };
        let Some(chunk) = chunk else {
            return Ok(());
        };
        let chunk = chunk.map_err(Broken::from)?;
        inspector.see(&chunk).map_err(Broken::from)?;
        out.send(Ok(chunk)).await.map_err(|_| Broken::Destination)?;
        seen(inspector.seen());
    }
}

/// Whether a source that broke like this can be read on.
fn is_passing(fault: &Fault) -> bool {
    matches!(
        fault.reason(),
        Reason::IsoSourceUnreachable | Reason::IsoSourceStalled | Reason::IsoTruncated
    )
}

// === impl Broken ===

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Source(Box::new(fault))
    }
}
