//! What an image holds: bytes that follow from a size and a seed, made while they are sent.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::hexadecimal::hexadecimal;

/// Contents are made in pieces of this size. Each but the first begins with its number.
const PIECE: u64 = 64 * 1024;
/// How long the number of a piece is, with the seed before it.
const STAMP: u64 = 16;
/// The logical sectors of ISO 9660.
const SECTOR: u64 = 2048;
/// Where the volume descriptors begin.
const DESCRIPTORS: u64 = 16 * SECTOR;

/// A content of any size, of which no more than two pieces are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    size: u64,
    seed: u64,
    /// The first piece, with the volume descriptors.
    head: Bytes,
    /// All others, after their stamps.
    filler: Bytes,
}

impl Content {
    /// An ISO 9660 image: its descriptors say the size that it has.
    pub fn iso(size: u64, seed: u64) -> Self {
        let mut content = Self::noise(size, seed);
        let mut head = content.head.to_vec();
        let begin = index(DESCRIPTORS);
        head[begin..begin + index(SECTOR)].copy_from_slice(&primary_descriptor(size, seed));
        let begin = index(DESCRIPTORS + SECTOR);
        let mut last = vec![0; index(SECTOR)];
        last[..7].copy_from_slice(b"\xffCD001\x01");
        head[begin..begin + index(SECTOR)].copy_from_slice(&last);
        content.head = head.into();
        content
    }

    /// Bytes that are no image.
    pub fn noise(size: u64, seed: u64) -> Self {
        let filler: Bytes = noise(seed).into();
        Self {
            size,
            seed,
            head: filler.clone(),
            filler,
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What tells it apart from others of its size.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its bytes from `at` on: as many as lie together, none only at its end.
    pub fn chunk(&self, at: u64) -> Bytes {
        let (piece, within) = (at / PIECE, at % PIECE);
        let left = self.size.saturating_sub(at);
        let up_to = |end: u64| index(end.min(within + left));
        if piece == 0 {
            self.head
                .slice(index(within).min(up_to(PIECE))..up_to(PIECE))
        } else if within < STAMP {
            let stamp = [self.seed.to_le_bytes(), piece.to_le_bytes()].concat();
            Bytes::from(stamp).slice(index(within).min(up_to(STAMP))..up_to(STAMP))
        } else {
            self.filler
                .slice(index(within).min(up_to(PIECE))..up_to(PIECE))
        }
    }

    /// All of its chunks.
    pub fn chunks(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let chunk = self.chunk(at);
            at += chunk.len() as u64;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// Its SHA-256, as 64 hexadecimal digits.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.chunks().for_each(|chunk| hash.update(&chunk));
        hexadecimal(&hash.finalize())
    }
}

/// The sector that says what volume this is.
fn primary_descriptor(size: u64, seed: u64) -> Vec<u8> {
    let mut sector = vec![0; index(SECTOR)];
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x01CD001\x01");
    put(8, &[b' '; 32]);
    put(40, format!("{:<32}", format!("LAB_{seed:016X}")).as_bytes());
    // Numbers stand there twice, for both byte orders.
    let sectors = u32::try_from(size / SECTOR).unwrap_or(u32::MAX);
    put(80, &[sectors.to_le_bytes(), sectors.to_be_bytes()].concat());
    put(120, &[1, 0, 0, 1]);
    put(124, &[1, 0, 0, 1]);
    put(128, &[0, 8, 8, 0]);
    put(881, &[1]);
    sector
}

/// A piece of noise, by `SplitMix64`: it does not compress, and no two seeds give the same.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    (0..PIECE / 8).flat_map(|_| next()).collect()
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("no more than a piece is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(content: &Content) -> Vec<u8> {
        content.chunks().flatten().collect()
    }

    #[test]
    fn a_content_has_its_size_and_the_same_bytes_wherever_one_begins() {
        for size in [0, 1, 40_000, PIECE, PIECE + 5, 3 * PIECE + 1_000] {
            let content = Content::iso(size, 7);
            let all = whole(&content);
            assert_eq!(all.len() as u64, size);
            for at in [
                0,
                3,
                32_769,
                PIECE - 1,
                PIECE,
                PIECE + 3,
                PIECE + STAMP,
                size,
            ] {
                if at <= size {
                    let chunk = content.chunk(at);
                    let begin = index(at);
                    assert_eq!(chunk, all[begin..begin + chunk.len()], "{at} of {size}");
                    assert_eq!(chunk.is_empty(), at == size, "{at} of {size}");
                }
            }
        }
    }

    #[test]
    fn an_iso_says_that_it_is_one_and_how_large_and_noise_does_not() {
        let iso = whole(&Content::iso(1 << 20, 7));
        assert_eq!(&iso[0x8001..0x8006], b"CD001");
        assert_eq!(&iso[0x8801..0x8806], b"CD001");
        assert_eq!(iso[0x8050..0x8054], 512_u32.to_le_bytes());
        let noise = whole(&Content::noise(1 << 20, 7));
        assert_ne!(&noise[0x8001..0x8006], b"CD001");
    }

    #[test]
    fn contents_of_another_seed_or_with_pieces_in_another_order_have_another_digest() {
        let (one, other) = (Content::iso(3 * PIECE, 1), Content::iso(3 * PIECE, 2));
        assert_ne!(one.sha256(), other.sha256());
        let all = whole(&one);
        let (second, third) = (
            &all[index(PIECE)..index(2 * PIECE)],
            &all[index(2 * PIECE)..],
        );
        assert_ne!(second, third);
    }
}
