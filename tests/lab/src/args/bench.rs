//! Options of `bench`, and of what it measures.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    /// What to measure; without it, how fast machines are made.
    #[command(subcommand)]
    pub(crate) what: Option<Measure>,
    #[command(flatten)]
    pub(crate) make: Make,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Measure {
    /// How many calls are made while nothing changes.
    Idle(Idle),
    /// How soon a change by others is in the status, and what it costs, when there are many machines.
    Watch(Watch),
    /// How fast machines of many templates are made.
    Templates(Templates),
    /// What waits for what when vCenter is slow: deletes and power-offs behind creates, and how many
    /// creates are under way.
    Lanes(Lanes),
    /// What becomes of more machines than the driver takes at once, asked for in one second.
    Overload(Overload),
    /// How fast an ISO comes from its source to a datastore, and in how much memory.
    Iso(Iso),
}

/// What asks for the machines of a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchMode {
    /// A template in test mode: until they are on and in its status.
    Test,
    /// A node pool: until their Agents are registered, labelled and approved.
    Nodepool,
}

/// Options of `bench` itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct Make {
    /// What asks for the machines.
    #[arg(long, value_enum, default_value = "test")]
    pub(crate) mode: BenchMode,
    /// How many machines.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) vms: u32,
    /// Delay of each call to vCenter in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,
    /// How often it is measured.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench idle`.
#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// How many machines there are.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=2000))]
    pub(crate) vms: u32,
    /// How long calls are counted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub(crate) minutes: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// How many machines there are, in templates of 2,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    pub(crate) vms: u32,
    /// How many of them are switched off by others.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) changes: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench templates`.
#[derive(Debug, Args)]
pub(crate) struct Templates {
    /// How many templates.
    #[arg(long = "templates", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) count: u32,
    /// How many machines each of them has.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) vms: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench lanes`.
#[derive(Debug, Args)]
pub(crate) struct Lanes {
    /// How many machines are made while vCenter is slow.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(100..=1000))]
    pub(crate) creates: u32,
    /// How long vCenter takes for each of them, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    pub(crate) slow: u64,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench overload`.
#[derive(Debug, Args)]
pub(crate) struct Overload {
    /// How many machines are asked for at once.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(5_000..=50_000))]
    pub(crate) vms: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench iso`.
#[derive(Debug, Args)]
pub(crate) struct Iso {
    /// How large the ISO is.
    #[arg(long, default_value = "1GiB", value_name = "SIZE", value_parser = size)]
    pub(crate) size: u64,
    /// How often it is measured.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A number of bytes: `512MiB`, `8GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let units = [("MiB", 20), ("GiB", 30)];
    let mut parts = units.iter().filter_map(|(unit, shift)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        (count > 0).then(|| count.checked_mul(1 << shift))?
    });
    parts
        .next()
        .ok_or_else(|| "give a size as 512MiB or 8GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit() {
        for (text, bytes) in [
            ("1GiB", Some(1 << 30)),
            ("512MiB", Some(512 << 20)),
            ("0GiB", None),
            ("8", None),
            ("-1GiB", None),
            ("99999999999999GiB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }
}
