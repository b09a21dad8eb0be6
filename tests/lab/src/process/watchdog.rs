//! Ends a child, or removes a folder, when this process is gone, however it went.
//!
//! A test that is killed runs no destructor. The kernel closes its pipes, though: a small shell
//! waits at the other end of one.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Doing as _, Result};

/// A line means "already ended"; the end of the input means that nobody is there any more.
const SCRIPT: &str = r#"read -r dismissed || kill -KILL "$1" 2>/dev/null"#;

/// The processes that write into the folder end at the same moment, and need a little time for it.
const SWEEP: &str = r#"read -r dismissed || { sleep 1; rm -rf "$1"; }"#;

/// Watches over one child.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Kills the process `id` as soon as this process ends without [`Watchdog::dismiss`].
    pub(super) fn over(id: u32) -> Result<Self> {
        watch(SCRIPT, id.to_string()).map(Self)
    }

    /// Sends it away: its child has ended.
    pub(super) fn dismiss(mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            let _ = input.write_all(b"dismissed\n");
        }
        let _ = self.0.wait();
    }
}

/// Removes a folder when this process ends. For what lies in statics, which are never dropped.
#[derive(Debug)]
pub struct Sweeper {
    _child: Child,
}

impl Sweeper {
    /// Watches over `folder`.
    pub fn over(folder: &Path) -> Result<Self> {
        Ok(Self {
            _child: watch(SWEEP, folder)?,
        })
    }
}

fn watch(script: &str, argument: impl AsRef<OsStr>) -> Result<Child> {
    let shell = Path::new("/bin/sh");
    Command::new(shell)
        .args(["-c", script, "lab-watchdog"])
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .doing("starting", shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_whose_owner_is_gone_is_killed() {
        let mut child = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        // What the kernel does to the pipe of a process that ends.
        drop(Watchdog::over(child.id()).unwrap());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_dismissed_watchdog_kills_nobody() {
        let mut child = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        Watchdog::over(child.id()).unwrap().dismiss();
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
