//! `cargo lab status`.

use anyhow::bail;
use lab::process::Recorded;
use lab::state::State;
use serde_json::json;

use crate::args::Status;
use crate::screen::say;

/// Says what runs, and where.
///
/// # Errors
/// When no lab runs, or one of its processes does not.
pub(crate) fn run(status: &Status) -> anyhow::Result<()> {
    let state = State::running()?;
    show(&state);
    let processes: Vec<_> = state
        .processes
        .iter()
        .map(|process| {
            json!({"name": process.name, "id": process.id, "running": process.is_running(), "log": process.log})
        })
        .collect();
    let running = state.processes.iter().all(Recorded::is_running);
    let summary = json!({"ok": running, "processes": processes, "lab": state});
    super::write_json(status.json.as_deref(), &summary)?;
    if !running {
        bail!("not all of it runs; `cargo lab restart driver` starts the driver again");
    }
    Ok(())
}

/// Prints what runs, and where.
pub(crate) fn show(state: &State) {
    for process in &state.processes {
        let running = if process.is_running() {
            "runs"
        } else {
            "has ended"
        };
        let log = process.log.display();
        say(&format!(
            "{:16}{running:10} pid {:<8} {log}",
            process.name, process.id
        ));
    }
    if let Some(driver) = state.driver {
        say(&format!("{:16}{driver}", "driver at"));
    }
    say(&format!("{:16}{}", "images at", state.images.address));
    for vcenter in &state.vcenters {
        let name = format!("vCenter {}", vcenter.name);
        say(&format!(
            "{name:16}{} (proxy), {} (simulator)",
            vcenter.proxy, vcenter.address
        ));
    }
}
