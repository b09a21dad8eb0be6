//! The controller's process.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{START, listening};
use crate::certificates::Certificates;
use crate::error::{Error, Result};
use crate::process::{Process, Program, Recorded};

/// How a controller is started.
#[derive(Debug, Clone)]
pub struct ControllerSetup {
    /// Its name: two controllers of one lab need two.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Where its log lies.
    pub folder: PathBuf,
    /// Certificates of the lab.
    pub certificates: Certificates,
    /// How it reaches the hub.
    pub kubeconfig: PathBuf,
    /// Where the driver listens.
    pub driver: SocketAddr,
    /// Where its Lease is.
    pub namespace: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// What to log.
    pub log: String,
}

/// A controller, running or not.
#[derive(Debug)]
pub struct Controller {
    setup: ControllerSetup,
    process: Option<Process>,
    metrics: Option<String>,
    health: Option<String>,
}

impl Controller {
    /// Starts one, and returns when it serves metrics and health.
    pub async fn start(setup: ControllerSetup) -> Result<Self> {
        let mut controller = Self {
            setup,
            process: None,
            metrics: None,
            health: None,
        };
        controller.restart().await?;
        Ok(controller)
    }

    /// Starts it again, after it was stopped or killed; kills it otherwise.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let mut process = Process::start(&self.program(), &self.setup.folder)?;
        let name = |name| move |line: &str| listening(line, Some(name));
        self.metrics = Some(
            process
                .line("the metrics' address", START, name("metrics"))
                .await?,
        );
        self.health = Some(
            process
                .line("the health's address", START, name("health"))
                .await?,
        );
        self.process = Some(process);
        Ok(())
    }

    /// Where `/metrics` is served.
    pub fn metrics(&self) -> Result<&str> {
        self.metrics
            .as_deref()
            .ok_or(Error::Missing("running controller"))
    }

    /// Where `/healthz` and `/readyz` are served.
    pub fn health(&self) -> Result<&str> {
        self.health
            .as_deref()
            .ok_or(Error::Missing("running controller"))
    }

    /// Ends it at once.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time or not with success.
    pub async fn stop(&mut self) -> Result<()> {
        super::stop(&self.setup.name, self.process.take()).await
    }

    /// The running process.
    pub fn process(&self) -> Result<&Process> {
        self.process
            .as_ref()
            .ok_or(Error::Missing("running controller"))
    }

    /// The running process, to wait for what it logs.
    pub fn process_mut(&mut self) -> Result<&mut Process> {
        self.process
            .as_mut()
            .ok_or(Error::Missing("running controller"))
    }

    /// Its process, for another run of the lab.
    pub fn record(&self) -> Result<Recorded> {
        self.process()?.record()
    }

    fn program(&self) -> Program {
        let setup = &self.setup;
        let leaf = &setup.certificates.controller;
        Program::new(&setup.name, &setup.program)
            .option("--driver-endpoint", format!("https://{}", setup.driver))
            .option("--driver-ca", setup.certificates.authority.display())
            .option("--driver-certificate", leaf.certificate.display())
            .option("--driver-key", leaf.key.display())
            .option("--metrics-bind-address", "127.0.0.1:0")
            .option("--health-probe-bind-address", "127.0.0.1:0")
            .option("--lease-namespace", &setup.namespace)
            .option("--log", &setup.log)
            .option("--log-format", "json")
            .arguments(["--leader-elect"])
            .arguments(setup.arguments.iter().cloned())
            .variable("KUBECONFIG", setup.kubeconfig.display().to_string())
    }
}
