//! `cargo lab image`: ISOs that a person has fetched by the driver.

use std::sync::{Mutex, PoisonError};

use http::{Method, StatusCode};
use lab::images::{Content, Image, Trouble};
use lab::state::State;
use lab::{Lab, control};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args;
use crate::screen::say;

/// Where the process that holds the lab takes the order.
pub(super) const PATH: &str = "/image";

/// What is asked of the process that holds the lab.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    size: u64,
    rate: Option<u64>,
    expire: bool,
}

/// The images that were asked for.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<Image>>);

/// Has an image served, and prints its URL.
pub(crate) async fn run(image: &args::Image) -> anyhow::Result<()> {
    let state = State::running()?;
    let order = json!(Order {
        size: image.size,
        rate: image.rate,
        expire: image.expire,
    });
    let answer = control::ask(state.control, Method::POST, PATH, &order).await?;
    say(answer["url"].as_str().unwrap_or_default());
    Ok(())
}

// === impl Shelf ===

impl Shelf {
    /// Serves one more; each has another content.
    pub(super) fn add(&self, lab: &Lab, order: &[u8]) -> lab::Result<Value> {
        let order: Order = serde_json::from_slice(order)
            .map_err(|error| lab::Error::Refused(format!("the order cannot be read: {error}")))?;
        let mut images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if order.expire {
            for image in images.iter() {
                image.always(Trouble::Refused(StatusCode::UNAUTHORIZED));
            }
        }
        let seed = images.len() as u64 + 1;
        let image = lab.images().publish(Content::iso(order.size, seed))?;
        if let Some(rate) = order.rate {
            image.always(Trouble::Slow { rate });
        }
        let url = image.url().to_owned();
        images.push(image);
        Ok(json!({"url": url}))
    }
}
