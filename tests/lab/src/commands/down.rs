//! `cargo lab down`.

use std::time::Duration;

use lab::files;
use lab::state::State;

use crate::screen::say;

/// How long the lab has for ending in good order.
const END: Duration = Duration::from_mins(1);

/// Ends the running lab, and all of its processes.
pub(crate) async fn run() -> anyhow::Result<()> {
    let folder = files::lab_folder();
    let Some(state) = State::read(&folder)? else {
        say("No lab is running");
        return Ok(());
    };
    // Its children end with it: it asks the services, and nobody outlives it.
    state.keeper.end(END).await?;
    for process in &state.processes {
        process.end(END).await?;
    }
    say(&format!(
        "The lab has ended; its logs are in {}",
        folder.display()
    ));
    Ok(())
}
