//! One module for each command.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod fault;
pub(crate) mod keep;
pub(crate) mod restart;
pub(crate) mod status;
mod steps;
pub(crate) mod tools;
pub(crate) mod up;

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// Writes the summary of a command where the caller wants it.
fn write_json(path: Option<&Path>, summary: &impl Serialize) -> anyhow::Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(summary)?;
    std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
}
