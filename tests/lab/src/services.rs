//! Our two services, as the processes that a person would start.

mod build;
mod controller;
mod driver;

use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::process::{GRACE, Process};

pub use self::build::{Binaries, Profile};
pub use self::controller::{Controller, ControllerSetup};
pub use self::driver::{Driver, DriverSetup, configuration};

/// How long a service may take to listen.
const START: Duration = Duration::from_secs(30);

/// The address that a service listens at, from one of its log lines.
fn listening(line: &str, name: Option<&str>) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let field = |key: &str| {
        event[key]
            .as_str()
            .or_else(|| event["fields"][key].as_str())
    };
    let wanted = field("message") == Some("Listening") && (name.is_none() || field("name") == name);
    if wanted {
        field("address").map(str::to_owned)
    } else {
        None
    }
}

/// Asks a service to stop, and checks that it ended well.
async fn stop(name: &str, process: Option<Process>) -> Result<()> {
    let Some(process) = process else {
        return Ok(());
    };
    let status = process.stop(GRACE).await?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Command {
        command: name.to_owned(),
        status: status.to_string(),
        stderr: "it was asked to stop (SIGTERM), and should end with success".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_flat_and_in_nested_events() {
        let flat = r#"{"message": "Listening", "address": "127.0.0.1:7", "name": "health"}"#;
        let nested = r#"{"fields": {"message": "Listening", "address": "127.0.0.1:7"}}"#;
        for (why, line, name, found) in [
            ("flat", flat, None, Some("127.0.0.1:7")),
            ("nested", nested, None, Some("127.0.0.1:7")),
            ("the name fits", flat, Some("health"), Some("127.0.0.1:7")),
            ("another name", flat, Some("metrics"), None),
            ("no JSON", "Listening", None, None),
        ] {
            assert_eq!(listening(line, name).as_deref(), found, "{why}");
        }
    }
}
