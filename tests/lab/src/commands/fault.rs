//! `cargo lab fault`.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use http::Method;
use lab::control::ask;
use lab::proxy::control::{CONDITION, COUNTS, FAULTS};
use lab::proxy::{Action, Fault as Broken};
use lab::state::State;
use serde_json::{Value, json};

use crate::args::{AddFault, Fault, FaultCommand, FaultKind};
use crate::screen::say;

/// Steers the proxy of a vCenter of the running lab.
pub(crate) async fn run(fault: &Fault) -> anyhow::Result<()> {
    let state = State::running()?;
    let vcenter = state
        .vcenters
        .iter()
        .find(|vcenter| vcenter.name == fault.vcenter);
    let Some(vcenter) = vcenter else {
        bail!("there is no vCenter {} in this lab", fault.vcenter);
    };
    let answer = order(vcenter.control, &fault.command).await?;
    say(&format!("{answer:#}"));
    Ok(())
}

async fn order(at: SocketAddr, command: &FaultCommand) -> anyhow::Result<Value> {
    let none = Value::Null;
    Ok(match command {
        FaultCommand::Add(fault) => {
            let fault = serde_json::to_value(broken(fault)?)?;
            ask(at, Method::POST, FAULTS, &fault).await?
        }
        FaultCommand::List => ask(at, Method::GET, FAULTS, &none).await?,
        FaultCommand::Clear => {
            ask(at, Method::PUT, CONDITION, &json!({})).await?;
            ask(at, Method::DELETE, FAULTS, &none).await?
        }
        FaultCommand::Counts => ask(at, Method::GET, COUNTS, &none).await?,
        FaultCommand::Reset => ask(at, Method::DELETE, COUNTS, &none).await?,
        FaultCommand::Outage { kind } => change(at, "outage", json!(kind)).await?,
        FaultCommand::Delay { milliseconds } => {
            change(at, "delay_milliseconds", json!(milliseconds)).await?
        }
    })
}

/// Changes one part of the condition, and keeps the other.
async fn change(at: SocketAddr, field: &str, value: Value) -> anyhow::Result<Value> {
    let mut condition = ask(at, Method::GET, CONDITION, &Value::Null).await?;
    condition[field] = value;
    Ok(ask(at, Method::PUT, CONDITION, &condition).await?)
}

fn broken(add: &AddFault) -> anyhow::Result<Broken> {
    let action = match add.kind {
        FaultKind::DropBefore => Action::DropBefore,
        FaultKind::DropAfter => Action::DropAfter,
        FaultKind::Truncate => Action::Truncate,
        FaultKind::Delay => Action::Delay {
            milliseconds: add.milliseconds.context("--milliseconds is missing")?,
        },
        FaultKind::Status => Action::Status {
            code: add.code.context("--code is missing")?,
        },
        FaultKind::Reply => Action::Reply {
            fault: add.fault.clone().context("--fault is missing")?,
            detail: add.detail.clone(),
        },
        FaultKind::Hostile => Action::Hostile {
            with: add.with.context("--with is missing")?,
        },
    };
    Ok(Broken::next(&add.method, action)
        .at(add.nth)
        .times(add.times))
}
