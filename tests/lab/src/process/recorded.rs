//! A process that another run of the lab started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::LOOK;
use crate::error::{Doing as _, Error, Result};

/// What is needed to find a process again, and to be sure that it is the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub id: u32,
    /// When it began, in ticks since the machine did. Ids are used again; this pair is not.
    pub began: u64,
    /// Where its output is.
    pub log: PathBuf,
}

impl Recorded {
    /// Records a running process.
    pub fn of(name: &str, id: u32, log: &Path) -> Result<Self> {
        let stat = stat_file(id);
        let text = fs::read_to_string(&stat).doing("reading", &stat)?;
        let began = began(&text).ok_or_else(|| Error::Unreadable {
            program: stat.display().to_string(),
            said: text.clone(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            id,
            began,
            log: log.to_owned(),
        })
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        fs::read_to_string(stat_file(self.id))
            .is_ok_and(|text| began(&text) == Some(self.began) && !is_zombie(&text))
    }

    /// Asks it to end, kills it when it does not `within` the time, and returns when it is gone.
    pub async fn end(&self, within: Duration) -> Result<()> {
        for signal in [Signal::TERM, Signal::KILL] {
            self.signal(signal)?;
            let deadline = Instant::now() + within;
            while self.is_running() && Instant::now() < deadline {
                tokio::time::sleep(LOOK).await;
            }
        }
        if self.is_running() {
            return Err(Error::TimedOut {
                what: format!("{} to end", self.name),
                after: within,
            });
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        match pid {
            Some(pid) if self.is_running() => kill_process(pid, signal)
                .map_err(Into::into)
                .doing("signalling", &self.log),
            _ => Ok(()),
        }
    }
}

/// `VmHWM` of a process: the most memory that it has had.
pub(super) fn peak_memory_mb(id: u32) -> Result<f64> {
    status_mb(id, "VmHWM:")
}

/// Sets `VmHWM` to what the process has now (proc(5), `clear_refs`).
pub(super) fn forget_peak_memory(id: u32) -> Result<()> {
    let path = PathBuf::from(format!("/proc/{id}/clear_refs"));
    fs::write(&path, "5").doing("writing", &path)
}

/// `VmRSS` of a process: the memory that it has.
pub(super) fn memory_mb(id: u32) -> Result<f64> {
    status_mb(id, "VmRSS:")
}

/// A field of a process's status, which the kernel tells in KiB.
fn status_mb(id: u32, field: &str) -> Result<f64> {
    let path = PathBuf::from(format!("/proc/{id}/status"));
    let text = fs::read_to_string(&path).doing("reading", &path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u32>().ok());
    let kib = kib.ok_or(Error::Missing("memory of a process"))?;
    Ok(f64::from(kib) * 1024.0 / 1e6)
}

fn stat_file(id: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{id}/stat"))
}

/// The fields behind the program's name, which is in brackets and may hold anything.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
}

/// Field 22 of `/proc/PID/stat`: when the process began.
fn began(stat: &str) -> Option<u64> {
    fields(stat).nth(19)?.parse().ok()
}

/// A process that has ended, and that its parent has not asked about.
fn is_zombie(stat: &str) -> bool {
    fields(stat).next() == Some("Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_hides_no_field() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(began(stat), Some(4711));
        assert!(!is_zombie(stat));
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_recorded_one() {
        let mut this = Recorded::of("this", std::process::id(), Path::new("none")).unwrap();
        assert!(this.is_running());
        this.began += 1;
        assert!(!this.is_running());
    }
}
