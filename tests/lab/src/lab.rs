//! A lab: a hub, a vCenter behind a proxy, and both services.

mod builder;
mod canaries;
mod folder;
mod kinds;
mod look;
mod record;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use self::builder::Builder;
use self::folder::Folder;
pub use self::look::wait_for;
pub use self::work::{CREDENTIALS, DATASTORE, ISO};
use crate::canary::Canary;
use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::hub::Access;
use crate::images::Images;
use crate::proxy::Proxy;
use crate::services::{Controller, Driver};
use crate::tools::Paths;
use crate::vcenter::Vcenter;

/// Name of the vCenter in the driver's configuration.
pub const VCENTER: &str = "lab";

/// How long vCenter may take to answer a driver that was killed.
const LEFT: Duration = Duration::from_secs(30);

/// A running lab. All of it ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    // In the order in which they end: nobody outlives what it calls.
    controller: Option<Controller>,
    rpcs: Option<Arc<Proxy>>,
    driver: Option<Driver>,
    sites: Vec<Site>,
    images: Images,
    hub: Option<Access>,
    namespace: String,
    certificates: Certificates,
    tools: Paths,
    folder: Folder,
    kinds: PathBuf,
    canary: Arc<Canary>,
}

/// A simulated vCenter and the proxy before it.
#[derive(Debug)]
pub struct Site {
    /// Its name in the driver's configuration.
    pub name: String,
    /// What the driver speaks with.
    pub proxy: Arc<Proxy>,
    /// What is behind it.
    pub vcenter: Vcenter,
}

impl Lab {
    /// What a lab consists of: everything, unless something is left out.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// All vCenters, the first first.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The simulated vCenter, the first of several.
    pub fn vcenter(&self) -> &Vcenter {
        &self.first_site().vcenter
    }

    /// The proxy between the driver and vCenter, the first of several.
    pub fn proxy(&self) -> &Arc<Proxy> {
        &self.first_site().proxy
    }

    /// The proxy between the controller and the driver, if the lab was built with it.
    pub fn rpcs(&self) -> Result<&Arc<Proxy>> {
        self.rpcs.as_ref().ok_or(Error::Missing("proxy for rpcs"))
    }

    /// The image service, whose images the driver may fetch.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The namespace of this lab on the hub.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its certificates.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The tools it was built with.
    pub fn tools(&self) -> &Paths {
        &self.tools
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What must be said nowhere, and what was said: a test adds secrets of its own.
    pub fn canary(&self) -> &Canary {
        &self.canary
    }

    /// The driver.
    pub fn driver(&self) -> Result<&Driver> {
        self.driver.as_ref().ok_or(Error::Missing("driver"))
    }

    /// The driver, to end it or start it again.
    pub fn driver_mut(&mut self) -> Result<&mut Driver> {
        self.driver.as_mut().ok_or(Error::Missing("driver"))
    }

    /// The controller.
    pub fn controller(&self) -> Result<&Controller> {
        self.controller.as_ref().ok_or(Error::Missing("controller"))
    }

    /// The controller, to end it or start it again.
    pub fn controller_mut(&mut self) -> Result<&mut Controller> {
        self.controller.as_mut().ok_or(Error::Missing("controller"))
    }

    /// Kills the driver (SIGKILL).
    pub fn kill_driver(&mut self) -> Result<()> {
        self.driver_mut()?.kill()
    }

    /// Kills the driver, and ends the sessions that it leaves: who is killed cannot log out, and vCenter
    /// would end them when they have been idle. That of a login that was under way is ended, too.
    pub async fn kill_driver_with_its_sessions(&mut self) -> Result<()> {
        self.kill_driver()?;
        for site in &self.sites {
            let left = tokio::time::timeout(LEFT, site.proxy.left("Login")).await;
            left.map_err(|_| Error::TimedOut {
                what: format!("what the driver had under way to {}", site.name),
                after: LEFT,
            })?;
            site.vcenter.end_sessions().await?;
            site.proxy.forget_lost();
        }
        Ok(())
    }

    /// Asks the driver to stop (SIGTERM), and waits until it has.
    pub async fn stop_driver(&mut self) -> Result<()> {
        self.driver_mut()?.stop().await
    }

    /// Starts the driver again, at the same address.
    pub async fn restart_driver(&mut self) -> Result<()> {
        self.driver_mut()?.restart().await
    }

    /// Kills the controller (SIGKILL).
    pub fn kill_controller(&mut self) -> Result<()> {
        self.controller_mut()?.kill()
    }

    /// Asks the controller to stop (SIGTERM), and waits until it has.
    pub async fn stop_controller(&mut self) -> Result<()> {
        self.controller_mut()?.stop().await
    }

    /// Starts the controller again.
    pub async fn restart_controller(&mut self) -> Result<()> {
        self.controller_mut()?.restart().await
    }

    /// What the driver logged since it was last started.
    pub fn driver_log_lines(&self) -> Result<Vec<Value>> {
        Ok(self.driver()?.process()?.log().events())
    }

    /// What the controller logged since it was last started.
    pub fn controller_log_lines(&self) -> Result<Vec<Value>> {
        Ok(self.controller()?.process()?.log().events())
    }

    fn first_site(&self) -> &Site {
        // The builder makes at least one.
        &self.sites[0]
    }

    fn access(&self) -> Result<&Access> {
        self.hub.as_ref().ok_or(Error::Missing("hub"))
    }
}
