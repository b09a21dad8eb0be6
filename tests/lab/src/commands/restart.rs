//! `cargo lab restart`.

use http::Method;
use lab::control;
use lab::state::State;
use serde_json::Value;

use crate::args::{Restart, Service};
use crate::screen::say;

/// Starts a service of the running lab again.
pub(crate) async fn run(restart: &Restart) -> anyhow::Result<()> {
    let state = State::running()?;
    let path = match restart.service {
        Service::Driver => "/restart/driver",
        Service::Controller => "/restart/controller",
    };
    control::ask(state.control, Method::POST, path, &Value::Null).await?;
    say("Started again, at the same address");
    Ok(())
}
