//! Reads a source to its end, whatever breaks on the way.

use crate::iso::{
    digest::Digest,
    inspect::Inspector,
    retry,
    source::{Content, Fetcher, Source, pace::LEAST},
};
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::{sync::mpsc, time::sleep};

/// Attempts in a row that bring nothing, before the transfer fails: about a minute, or, from a source that
/// stands still, seven.
const ATTEMPTS: u32 = 6;

/// Where the bytes go.
pub(super) type Out = mpsc::Sender<Result<Bytes, Fault>>;

/// What comes from a source.
type Chunks = BoxStream<'static, Result<Bytes, Fault>>;

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
        failures = if gets_on(&fault, inspector.seen() - before) {
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
    if inspector.is_whole() {
        return Ok(());
    }
    let opened = fetcher.open(source, inspector.seen(), Some(content));
    let chunks = tokio::select! {
        () = out.closed() => return Err(Broken::Destination),
        opened = opened => opened.map_err(Broken::from)?.chunks,
    };
    pass_on(chunks, inspector, out, seen).await
}

/// Passes on what comes, to its end.
async fn pass_on(
    mut chunks: Chunks,
    inspector: &mut Inspector,
    out: &Out,
    seen: &(dyn Fn(u64) + Sync),
) -> Result<(), Broken> {
    loop {
        let chunk = tokio::select! {
            // Who has taken the whole waits for no end.
            () = out.closed(), if !inspector.is_whole() => return Err(Broken::Destination),
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

/// Whether an attempt that broke after so many bytes was worth it. A source that drips, and stalls each time,
/// must not keep a turn from others for ever.
fn gets_on(fault: &Fault, bytes: u64) -> bool {
    let least = match fault.reason() {
        Reason::IsoSourceStalled => LEAST,
        _ => 1,
    };
    bytes >= least
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    /// A source that sends all at once and ends only when this is told.
    fn source(content: &'static [u8]) -> (Chunks, mpsc::Sender<()>) {
        let (tell, mut told) = mpsc::channel(1);
        let end = stream::once(async move { told.recv().await }).filter_map(async |_| None);
        let all = stream::iter([Ok(Bytes::from_static(content))]);
        (all.chain(end).boxed(), tell)
    }

    #[test]
    fn an_attempt_that_dripped_and_stalled_brought_nothing() {
        for (reason, bytes, gets_on) in [
            (Reason::IsoSourceUnreachable, 1, true),
            (Reason::IsoSourceUnreachable, 0, false),
            (Reason::IsoSourceStalled, LEAST, true),
            (Reason::IsoSourceStalled, LEAST - 1, false),
        ] {
            let fault = Fault::new(reason, "x");
            assert_eq!(super::gets_on(&fault, bytes), gets_on, "{reason:?} {bytes}");
        }
    }

    #[tokio::test]
    async fn who_took_the_whole_need_not_wait_for_its_end() {
        let (chunks, end) = source(b"whole");
        let mut inspector = Inspector::new(5);
        let (out, mut taken) = mpsc::channel(1);
        let passing = pass_on(chunks, &mut inspector, &out, &|_| {});
        let (passed, ()) = tokio::join!(passing, async move {
            assert!(taken.recv().await.is_some());
            drop(taken);
            // The other side has the time to see it.
            tokio::task::yield_now().await;
            drop(end);
        });
        assert!(passed.is_ok(), "{passed:?}");
    }

    #[tokio::test]
    async fn who_takes_less_than_the_whole_ends_the_reading() {
        let (chunks, _end) = source(b"half");
        let mut inspector = Inspector::new(8);
        let (out, mut taken) = mpsc::channel(1);
        let passing = pass_on(chunks, &mut inspector, &out, &|_| {});
        let (passed, ()) = tokio::join!(passing, async move {
            assert!(taken.recv().await.is_some());
        });
        assert!(matches!(passed, Err(Broken::Destination)), "{passed:?}");
    }
}
