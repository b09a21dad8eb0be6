//! Makes variants of seeds: cut, copied, crossed, with words of the format thrown in.

use fastrand::Rng;

/// Changes of one variant, at most.
const CHANGES: usize = 6;
/// Longest piece that is copied or removed.
const PIECE: usize = 64;
/// Numbers at the edges of their types, as text.
const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "2147483648",
    "-2147483649",
    "9223372036854775808",
    "18446744073709551616",
    "1e999",
    "NaN",
];

/// A variant of one of the seeds.
pub(super) fn variant(seeds: &[Vec<u8>], words: &[&str], random: &mut Rng) -> Vec<u8> {
    let mut input = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=CHANGES) {
        change(&mut input, seeds, words, random);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], random: &mut Rng) {
    let (from, to) = piece(input, random);
    match random.u8(..8) {
        0 => input.truncate(from),
        1 => drop(input.drain(from..to)),
        2 => {
            let copy = input[from..to].to_vec();
            let times = random.usize(1..=20);
            drop(input.splice(from..from, copy.repeat(times)));
        }
        3 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        4 => drop(input.splice(from..to, [random.u8(..)])),
        5 => {
            let other = random.choice(seeds).cloned().unwrap_or_default();
            let (start, end) = piece(&other, random);
            drop(input.splice(from..to, other[start..end].iter().copied()));
        }
        6 => {
            let word = random.choice(NUMBERS).unwrap_or_default();
            drop(input.splice(from..to, word.bytes()));
        }
        _ => {
            let word = random.choice(words).copied().unwrap_or_default();
            drop(input.splice(from..from, word.bytes()));
        }
    }
}

/// Where some piece of an input begins and ends.
fn piece(input: &[u8], random: &mut Rng) -> (usize, usize) {
    let from = random.usize(..=input.len());
    let to = (from + random.usize(..PIECE)).min(input.len());
    (from, to)
}
