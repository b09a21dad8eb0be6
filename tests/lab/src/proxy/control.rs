//! The proxy by hand: its paths on a [`control`] port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::faults::Fault;
use super::state::{Outage, State};
use crate::control::{self, Order, unreadable};
use crate::error::Result;

/// The path of what was counted: GET, DELETE.
pub const COUNTS: &str = "/counts";
/// The path of the faults: GET, POST, DELETE.
pub const FAULTS: &str = "/faults";
/// The path of what concerns all calls: GET, PUT.
pub const CONDITION: &str = "/condition";

/// What concerns all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Whether vCenter can be reached.
    #[serde(default)]
    pub outage: Outage,
    /// Delay of each call in milliseconds.
    #[serde(default)]
    pub delay_milliseconds: u64,
}

pub(super) async fn serve(state: Arc<State>, address: SocketAddr) -> Result<SocketAddr> {
    let handler = move |order: Order| -> futures::future::BoxFuture<'static, _> {
        let answer = route(&state, &order);
        Box::pin(std::future::ready(answer))
    };
    control::serve(address, Arc::new(handler)).await
}

fn route(state: &State, order: &Order) -> Result<Value> {
    match (order.method.as_str(), order.path.as_str()) {
        ("GET", COUNTS) => return value(&state.counts()),
        ("DELETE", COUNTS) => state.reset(),
        ("GET", FAULTS) => return value(&state.rules()),
        ("DELETE", FAULTS) => state.clear(),
        ("POST", FAULTS) => {
            let fault: Fault = serde_json::from_slice(&order.body).map_err(|e| unreadable(&e))?;
            return Ok(json!({"id": state.add(fault)}));
        }
        ("GET", CONDITION) => return value(&condition(state)),
        ("PUT", CONDITION) => {
            let condition: Condition =
                serde_json::from_slice(&order.body).map_err(|e| unreadable(&e))?;
            state.set_delay(Duration::from_millis(condition.delay_milliseconds));
            state.set_outage(condition.outage);
        }
        _ => return Ok(json!({"paths": [COUNTS, FAULTS, CONDITION]})),
    }
    Ok(json!({}))
}

fn condition(state: &State) -> Condition {
    let delay = u64::try_from(state.delay().as_millis()).unwrap_or(u64::MAX);
    Condition {
        outage: *state.outage().borrow(),
        delay_milliseconds: delay,
    }
}

fn value(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(|error| unreadable(&error))
}
