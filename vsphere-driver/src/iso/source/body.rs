//! The body of an answer as a stream, which ends in order or with the reason why it did not.

use super::{
    fetch::Asked,
    pace::{LEAST, Pace},
};
use crate::iso::inspect::too_large;
use bytes::Bytes;
use contract::v1::{Fault, Reason};
use futures::stream::{self, BoxStream, StreamExt as _};
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What is known of a body before it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Bytes to pass over.
    pub(super) skip: u64,
    /// Of the content, the byte behind them.
    pub(super) from: u64,
    /// Size of the content.
    pub(super) length: u64,
    /// How large a content may be.
    pub(super) max_bytes: u64,
    /// How long nothing, or next to nothing, may come.
    pub(super) stall: Duration,
}

struct Body {
    response: Response,
    asked: Asked,
    skip: u64,
    position: u64,
    pace: Pace,
    expected: Expected,
}

/// What comes from byte `from` on, up to the announced size or the first fault.
pub(super) fn chunks(
    response: Response,
    asked: Asked,
    expected: Expected,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    let body = Body {
        response,
        asked,
        skip: expected.skip,
        position: expected.from,
        pace: Pace::new(expected.stall),
        expected,
    };
    stream::unfold(Some(body), async |body| {
        let mut body = body?;
        match body.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
            Ok(None) => None,
            Err(fault) => Some((Err(fault), None)),
        }
    })
    .boxed()
}

// === impl Body ===

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let began = Instant::now();
            let read = timeout(self.expected.stall, self.response.chunk()).await;
            let Some(chunk) = read
                .map_err(|_| self.stalled("nothing"))?
                .map_err(|error| self.asked.failed(error))?
            else {
                return self.end();
            };
            let holds = self.pace.holds(chunk.len() as u64, began.elapsed());
            let chunk = self.behind_skipped(chunk);
            let is_whole = self.position + chunk.len() as u64 >= self.expected.length;
            if !holds && !is_whole {
                return Err(self.stalled(&format!("less than {} KiB", LEAST >> 10)));
            }
            if !chunk.is_empty() {
                return self.within_bounds(chunk).map(Some);
            }
        }
    }

    fn behind_skipped(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = self.skip.min(chunk.len() as u64);
        self.skip -= skipped;
        // Never more than the chunk has.
        chunk.split_off(usize::try_from(skipped).unwrap_or(usize::MAX))
    }

    fn within_bounds(&mut self, chunk: Bytes) -> Result<Bytes, Fault> {
        let Expected {
            length, max_bytes, ..
        } = self.expected;
        self.position += chunk.len() as u64;
        if self.position > max_bytes {
            return Err(too_large(self.position, max_bytes));
        }
        if self.position > length {
            let host = &self.asked.host;
            let what = format!("`{host}` sends more than the {length} bytes that it announced");
            return Err(Fault::new(Reason::IsoSourceChanged, what).with("host", host));
        }
        Ok(chunk)
    }

    fn end(&self) -> Result<Option<Bytes>, Fault> {
        let (length, came) = (self.expected.length, self.position);
        if came == length {
            return Ok(None);
        }
        let what = format!("`{}` sent {came} of {length} bytes", self.asked.host);
        let fault = Fault::new(Reason::IsoTruncated, what);
        Err(fault
            .with("size_bytes", length)
            .with("transferred_bytes", came))
    }

    fn stalled(&self, sent: &str) -> Fault {
        let (host, seconds) = (&self.asked.host, self.expected.stall.as_secs());
        let what = format!("`{host}` has sent {sent} for {seconds} s");
        let fault = Fault::new(Reason::IsoSourceStalled, what);
        fault
            .with("host", host)
            .with("transferred_bytes", self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const STALL: Duration = Duration::from_mins(1);
    const SLOW: &[u8] = &[0; 200 << 10];

    /// What comes of a body of which a part like this comes each 50 s.
    async fn read(part: &'static [u8], length: u64) -> (u64, Option<Reason>) {
        let parts = stream::repeat(part).then(|part| async move {
            sleep(Duration::from_secs(50)).await;
            Ok::<_, std::io::Error>(part)
        });
        let body = reqwest::Body::wrap_stream(parts);
        let expected = Expected {
            skip: 0,
            from: 0,
            length,
            max_bytes: length,
            stall: STALL,
        };
        let asked = Asked::fixture("images.example");
        let mut chunks = chunks(http::Response::new(body).into(), asked, expected);
        let mut came = 0;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => came += chunk.len() as u64,
                Err(fault) => return (came, Some(fault.reason())),
            }
            if came == length {
                break;
            }
        }
        (came, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_drips_has_stalled_and_one_that_is_slow_has_not() {
        let drip = read(b"x", 1 << 30).await;
        assert_eq!(drip, (1, Some(Reason::IsoSourceStalled)));
        let length = 100 * SLOW.len() as u64;
        assert_eq!(read(SLOW, length).await, (length, None));
        // The last bytes are the last, however late they come.
        assert_eq!(read(b"x", 2).await, (2, None));
    }
}
