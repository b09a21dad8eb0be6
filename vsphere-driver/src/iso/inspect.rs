//! Looks at a content while it passes: its SHA-256, and whether it is an ISO 9660 image.

use super::digest::Digest;
use contract::v1::{Fault, Reason};
use sha2::{Digest as _, Sha256};

/// Where the first volume descriptor of an ISO 9660 image says what it is.
const MAGIC_AT: u64 = 0x8001;
const MAGIC: &[u8; 5] = b"CD001";

/// What was seen of a content so far.
#[derive(Clone, Debug)]
pub struct Inspector {
    length: u64,
    seen: u64,
    hash: Sha256,
}

impl Inspector {
    /// Of a content of this size nothing was seen yet.
    pub fn new(length: u64) -> Self {
        Self {
            length,
            seen: 0,
            hash: Sha256::new(),
        }
    }

    /// Bytes that were seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether all of it was seen.
    pub fn is_whole(&self) -> bool {
        self.seen == self.length
    }

    /// The next bytes. A fault as soon as they show that the content is no ISO.
    pub fn see(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for (at, wanted) in (MAGIC_AT..).zip(MAGIC) {
            let index = at
                .checked_sub(self.seen)
                .and_then(|it| usize::try_from(it).ok());
            let found = index.and_then(|index| bytes.get(index));
            if found.is_some_and(|found| found != wanted) {
                return Err(self.not_an_iso());
            }
        }
        self.hash.update(bytes);
        self.seen += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 of the content, now that all of it was seen.
    pub fn end(self) -> Result<Digest, Fault> {
        if self.seen != self.length {
            let Self { length, seen, .. } = self;
            let what = format!("{seen} of {length} bytes came");
            return Err(Fault::new(Reason::IsoTruncated, what)
                .with("size_bytes", length)
                .with("transferred_bytes", seen));
        }
        if self.length < MAGIC_AT + MAGIC.len() as u64 {
            return Err(self.not_an_iso());
        }
        Ok(Digest(self.hash.finalize().into()))
    }

    fn not_an_iso(&self) -> Fault {
        let what = "the content is not an ISO 9660 image: it has no volume descriptor";
        Fault::new(Reason::IsoInvalid, what).with("size_bytes", self.length)
    }
}

/// The fault of a content that is larger than permitted.
pub fn too_large(size: u64, limit: u64) -> Fault {
    let what = format!("the ISO has {size} bytes, and {limit} are permitted");
    let fault = Fault::new(Reason::IsoTooLarge, what);
    fault.with("size_bytes", size).with("limit_bytes", limit)
}

/// The fault of a content that has another SHA-256 than was asked for.
pub fn other_digest(expected: &Digest, found: &Digest) -> Fault {
    let what = format!("the content has the SHA-256 {found}, and {expected} was asked for");
    Fault::new(Reason::IsoDigestMismatch, what)
        .with("expected", expected)
        .with("found", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(length: usize) -> Vec<u8> {
        let mut bytes = vec![7; length];
        bytes[0x8001..0x8006].copy_from_slice(MAGIC);
        bytes
    }

    fn inspected(bytes: &[u8], chunk: usize, length: usize) -> Result<Digest, Reason> {
        let mut inspector = Inspector::new(length as u64);
        for chunk in bytes.chunks(chunk) {
            inspector.see(chunk).map_err(|fault| fault.reason())?;
        }
        inspector.end().map_err(|fault| fault.reason())
    }

    #[test]
    fn an_image_is_known_however_it_is_cut() {
        let bytes = image(0x8806);
        for chunk in [1, 3, 0x8001, 0x8003, 0x8006, usize::MAX] {
            let digest = inspected(&bytes, chunk, bytes.len());
            assert_eq!(digest, Ok(Digest::of(&bytes)), "{chunk}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused_as_soon_as_that_is_seen() {
        let mut page = image(0x9000);
        page[0x8005] = b'2';
        for chunk in [1, 0x8003, usize::MAX] {
            assert_eq!(
                inspected(&page, chunk, page.len()),
                Err(Reason::IsoInvalid),
                "{chunk}"
            );
        }
        let mut inspector = Inspector::new(1 << 30);
        assert!(inspector.see(&page[..0x8005]).is_ok());
        assert!(inspector.see(&page[0x8005..0x8006]).is_err());
        assert_eq!(inspected(b"<html>", 4, 6), Err(Reason::IsoInvalid));
    }

    #[test]
    fn a_content_that_ends_early_is_not_whole() {
        let bytes = image(0x9000);
        assert_eq!(inspected(&bytes, 4096, 0x9001), Err(Reason::IsoTruncated));
    }
}
