//! Feeds what reads others' bytes with broken input: none of it may panic, and what is accepted must be
//! good.
//!
//! The inputs of a run are variants of seeds: those of `vsphere-driver/fuzz/TARGET/` and recorded ones.
//! A run is the same each time, unless `FUZZ_SECONDS` says how long each target shall be tried, beyond
//! that, with inputs of its own. An input that fails is written to `target/fuzz/`: put into the folder
//! of its target, it is tried from then on in each run.

mod mutate;
mod replies;
mod requests;
mod texts;

use fastrand::Rng;
use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Inputs of an ordinary run, of each target.
const INPUTS: usize = 3_000;
/// Longest input.
const LONGEST: usize = 64 << 10;

/// What is fed, with what, and how.
struct Target {
    /// Also the folder of its seeds.
    name: &'static str,
    /// Seeds beside those of the folder.
    seeds: Vec<Vec<u8>>,
    /// What the format is made of.
    words: &'static [&'static str],
    /// Panics when something is wrong.
    try_one: fn(&[u8]),
}

impl Target {
    /// Tries the seeds, and variants of them.
    fn run(mut self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz")
            .join(self.name);
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = files.map(|file| file.path()).collect();
        files.sort();
        self.seeds
            .extend(files.iter().map(|file| fs::read(file).unwrap()));
        for seed in &self.seeds {
            self.feed(seed);
        }
        self.feed_variants(&mut Rng::with_seed(0x5eed), |tried, _| tried < INPUTS);
        if let Some(limit) = seconds() {
            self.feed_variants(&mut Rng::new(), |_, time| time < limit);
        }
    }

    fn feed_variants(&self, random: &mut Rng, goes_on: impl Fn(usize, Duration) -> bool) {
        let (begun, mut tried) = (Instant::now(), 0);
        while goes_on(tried, begun.elapsed()) {
            let mut input = mutate::variant(&self.seeds, self.words, random);
            input.truncate(LONGEST);
            self.feed(&input);
            tried += 1;
        }
    }

    fn feed(&self, input: &[u8]) {
        if catch_unwind(AssertUnwindSafe(|| (self.try_one)(input))).is_err() {
            let file = self.keep(input);
            panic!("`{}` fails on {}", self.name, file.display());
        }
    }

    fn keep(&self, input: &[u8]) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}-{}", self.name, input.len()));
        fs::write(&file, input).unwrap();
        file
    }
}

fn seconds() -> Option<Duration> {
    let asked = env::var_os("FUZZ_SECONDS")?;
    asked.to_str()?.parse().ok().map(Duration::from_secs)
}
