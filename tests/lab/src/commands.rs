//! One module for each command.

pub(crate) mod bench;
pub(crate) mod canary;
pub(crate) mod crash;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod fault;
pub(crate) mod image;
mod isos;
pub(crate) mod keep;
mod numbers;
pub(crate) mod restart;
pub(crate) mod soak;
pub(crate) mod status;
mod steps;
pub(crate) mod tools;
pub(crate) mod up;

use std::path::Path;

use anyhow::Context as _;
use lab::Lab;
use serde::Serialize;

use crate::screen::say;

/// Writes the summary of a command where the caller wants it.
fn write_json(path: Option<&Path>, summary: &impl Serialize) -> anyhow::Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(summary)?;
    std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
}

/// Shows what a person would look at first when a template did not get where it should.
async fn explain(lab: &Lab, template: &str) {
    let conditions = r#"jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}"#;
    if let Ok(conditions) = lab
        .kubectl(&["get", "vmtemplate", template, "-o", conditions])
        .await
    {
        say(&format!("\nConditions of the template:\n{conditions}"));
    }
    say(&format!("The logs are in {}", lab.folder().display()));
}
