//! `cargo lab up`: starts a process that holds the lab, and waits until it is ready.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use lab::files;
use lab::process::{Process, Program};
use lab::state::State;

use crate::args::{Only, Up};
use crate::screen::say;

/// How long a lab may take to start; the first time its tools are built.
const START: Duration = Duration::from_mins(20);

/// Starts a lab that stays.
pub(crate) async fn run(up: &Up) -> anyhow::Result<()> {
    let folder = files::lab_folder();
    clear(&folder)?;
    // Built here, where the person sees how far it is.
    lab::tools::all().await?;
    say(&format!(
        "Starting the lab; its files lie in {}",
        folder.display()
    ));
    let mut keeper = Process::start_detached(&keeper(up)?, &folder)?;
    let ready = |line: &str| line.contains(super::keep::READY).then_some(());
    keeper.line("the lab to be ready", START, ready).await?;
    let state = State::running()?;
    super::write_json(up.json.as_deref(), &state)?;
    super::status::show(&state);
    say("\neval \"$(cargo lab env)\" sets up a shell for it; cargo lab down ends it");
    Ok(())
}

/// Makes room for a lab: what an earlier one left behind would be taken for this one's.
pub(super) fn clear(folder: &Path) -> anyhow::Result<()> {
    if State::read(folder)?.is_some() {
        bail!("a lab is running already; end it with `cargo lab down`");
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    files::create_private_folder(folder)?;
    Ok(())
}

fn keeper(up: &Up) -> anyhow::Result<Program> {
    let mut program = Program::new("keeper", &std::env::current_exe()?)
        .arguments(["keep"])
        .option("--vcenters", up.vcenters)
        .option("--delay", up.delay);
    for argument in &up.vcsim_arguments {
        program = program.arguments([format!("--vcsim-arg={argument}")]);
    }
    if let Some(folder) = &up.crds {
        program = program.option("--crds", folder.canonicalize()?.display());
    }
    Ok(match up.only {
        Some(Only::Driver) => program.option("--only", "driver"),
        None => program,
    })
}
