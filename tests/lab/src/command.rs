//! Commands that a lab runs to their end.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Doing as _, Error, Result};

/// A command that reads nothing, and ends when it is not waited for any more.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command, and returns its standard output.
pub(crate) async fn run(mut command: Command) -> Result<String> {
    let program = Path::new(command.as_std().get_program()).to_owned();
    let output = command.output().await.doing("running", &program)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command {
        command: written(&command),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The command as one would write it; without its environment, which may hold a password.
fn written(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
