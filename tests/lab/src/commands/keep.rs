//! `cargo lab keep`: the process that holds the lab of `cargo lab up`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lab::state::State;
use lab::{Lab, control, files};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use super::image::{self, Shelf};
use crate::args::{Only, Up};

/// The line with which the keeper tells that all is ready.
pub(crate) const READY: &str = "Lab is ready";

/// The folder's namespace on the hub that a person works in.
const NAMESPACE: &str = "clusters";

/// Holds a lab until it is asked to end.
pub(crate) async fn run(up: &Up) -> anyhow::Result<()> {
    let end = asked_to_end()?;
    let mut builder = Lab::builder()
        .own_hub()
        .namespace(NAMESPACE)
        .folder(&files::lab_folder())
        .vcenters(up.vcenters.into())
        .vcenter_arguments(up.vcsim_arguments.iter().cloned());
    builder = match &up.crds {
        Some(folder) => builder.kinds(folder),
        None => builder.node_pools(),
    };
    if up.only == Some(Only::Driver) {
        builder = builder.without_hub();
    }
    let lab = builder.start().await?;
    for site in lab.sites() {
        site.proxy.delay(Duration::from_millis(up.delay));
    }
    hold(lab, end).await
}

/// Returns when a person or `cargo lab down` asks this process to end.
pub(super) fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Lets other commands find `lab`, until `end`; then ends it in good order.
pub(crate) async fn hold(lab: Lab, end: impl Future<Output = ()>) -> anyhow::Result<()> {
    let folder = lab.folder().to_owned();
    let lab = Arc::new(Mutex::new(lab));
    let control = serve(Arc::clone(&lab)).await?;
    State::of(&*lab.lock().await, control)
        .await?
        .write(&folder)?;
    tracing::info!("{READY}");
    end.await;
    State::remove(&folder)?;
    let mut lab = lab.lock().await;
    // The rest ends when it is dropped. These two are asked, so that what they log of it is seen.
    if lab.controller().is_ok() {
        lab.stop_controller().await?;
    }
    if lab.driver().is_ok() {
        lab.stop_driver().await?;
    }
    Ok(())
}

async fn serve(lab: Arc<Mutex<Lab>>) -> lab::Result<SocketAddr> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let shelf = Arc::new(Shelf::default());
    let handler = move |order: control::Order| -> futures::future::BoxFuture<'static, _> {
        let (lab, shelf) = (Arc::clone(&lab), Arc::clone(&shelf));
        Box::pin(async move {
            match order.path.as_str() {
                image::PATH => shelf.add(&*lab.lock().await, &order.body),
                path => restart(&lab, path).await,
            }
        })
    };
    control::serve(any, Arc::new(handler)).await
}

/// Starts a service again, and writes down its new process.
async fn restart(lab: &Mutex<Lab>, path: &str) -> lab::Result<Value> {
    let mut lab = lab.lock().await;
    match path {
        "/restart/driver" => lab.restart_driver().await?,
        "/restart/controller" => lab.restart_controller().await?,
        _ => return Err(lab::Error::Refused(format!("there is no {path}"))),
    }
    let folder = lab.folder().to_owned();
    if let Some(mut state) = State::read(&folder)? {
        state.processes = lab.record()?;
        state.write(&folder)?;
    }
    Ok(json!({}))
}
