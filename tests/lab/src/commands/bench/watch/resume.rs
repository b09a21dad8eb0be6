//! What a watch of the driver costs: all of it, and from where it was left.

use anyhow::Context as _;
use contract::v1::WatchVirtualMachinesResponse;
use contract::v1::watch_virtual_machines_response::Event;
use lab::Lab;
use prost::Message as _;
use tonic::Streaming;

use super::changes::victims;
use crate::commands::bench::clients::Machines;
use crate::commands::bench::report::number;

/// Machines that are changed while nobody watches.
const MISSED: usize = 20;

/// Reads one watch, and counts.
#[derive(Debug)]
pub(super) struct Reader {
    stream: Streaming<WatchVirtualMachinesResponse>,
    pub(super) token: String,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    pub(super) bytes: u64,
    pub(super) machines: u64,
}

/// What it costs to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resumed {
    /// Bytes when nothing was missed.
    pub(super) unchanged: u64,
    /// Bytes for each change that was missed.
    pub(super) per_change: f64,
}

/// Resumes a watch, first when nothing was missed, then when some was.
pub(super) async fn measure(
    lab: &Lab,
    client: &Machines,
    at: (&str, &str),
) -> anyhow::Result<Resumed> {
    let mut whole = Reader::open(client, at, "").await?;
    whole.snapshot().await?;
    let token = whole.token.clone();
    let mut unchanged = Reader::open(client, at, &token).await?;
    let nothing = unchanged.until_bookmark().await?;
    let token = unchanged.token.clone();
    drop((whole, unchanged));

    let mut witness = Reader::open(client, at, &token).await?;
    for moref in victims(lab).await?.iter().rev().take(MISSED) {
        lab.vcenter().switch(moref, false).await?;
    }
    witness.machines(MISSED).await?;
    let mut missed = Reader::open(client, at, &token).await?;
    let some = missed.machines(MISSED).await?;
    Ok(Resumed {
        unchanged: nothing.bytes,
        per_change: number(some.bytes) / number(some.machines),
    })
}

// === impl Reader ===

impl Reader {
    /// Opens a watch of a vCenter for a hub, from the token on.
    pub(super) async fn open(
        client: &Machines,
        (vcenter, hub): (&str, &str),
        token: &str,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            stream: client.watch(vcenter, hub, token).await?,
            token: token.to_owned(),
        })
    }

    /// The next message, with the machines in it.
    pub(super) async fn next(&mut self) -> anyhow::Result<(WatchVirtualMachinesResponse, Read)> {
        let message = self
            .stream
            .message()
            .await?
            .context("the watch has ended")?;
        if !message.token.is_empty() {
            self.token.clone_from(&message.token);
        }
        let machines = match &message.event {
            Some(Event::Changes(changes)) => changes.changed.len() + changes.removed.len(),
            _ => 0,
        };
        let read = Read {
            bytes: u64::try_from(message.encoded_len())?,
            machines: u64::try_from(machines)?,
        };
        Ok((message, read))
    }

    /// Reads a snapshot to its end.
    pub(super) async fn snapshot(&mut self) -> anyhow::Result<Read> {
        self.until(|event, _| matches!(event, Some(Event::SnapshotEnd(_))))
            .await
    }

    async fn until_bookmark(&mut self) -> anyhow::Result<Read> {
        self.until(|event, _| matches!(event, Some(Event::Bookmark(_))))
            .await
    }

    /// Reads until so many machines were told.
    async fn machines(&mut self, count: usize) -> anyhow::Result<Read> {
        let count = u64::try_from(count)?;
        self.until(|_, all| all.machines >= count).await
    }

    async fn until(
        &mut self,
        is_enough: impl Fn(Option<&Event>, Read) -> bool,
    ) -> anyhow::Result<Read> {
        let mut all = Read::default();
        loop {
            let (message, read) = self.next().await?;
            all.bytes += read.bytes;
            all.machines += read.machines;
            if is_enough(message.event.as_ref(), all) {
                return Ok(all);
            }
        }
    }
}
