//! The driver's process.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{START, listening};
use crate::certificates::{self, Certificates};
use crate::error::{Error, Result};
use crate::files;
use crate::process::{Process, Program, Recorded};
use crate::vcenter::USERNAME;

/// How a driver is started.
#[derive(Debug, Clone)]
pub struct DriverSetup {
    /// The program.
    pub program: PathBuf,
    /// Where its configuration and its log lie.
    pub folder: PathBuf,
    /// Certificates of the lab.
    pub certificates: Certificates,
    /// Its configuration, TOML.
    pub configuration: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// What to log.
    pub log: String,
}

/// A driver, running or not.
#[derive(Debug)]
pub struct Driver {
    setup: DriverSetup,
    address: SocketAddr,
    metrics: Option<String>,
    process: Option<Process>,
}

impl Driver {
    /// Starts one, and returns when it listens.
    pub async fn start(setup: DriverSetup) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut driver = Self {
            setup,
            address: any,
            metrics: None,
            process: None,
        };
        driver.restart().await?;
        Ok(driver)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.setup.program
    }

    /// Where it listens; the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is served.
    pub fn metrics(&self) -> Result<&str> {
        self.metrics
            .as_deref()
            .ok_or(Error::Missing("running driver"))
    }

    /// Starts it again at the same address, after it was stopped or killed; kills it otherwise.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let file = self.setup.folder.join("driver.toml");
        files::write_private(&file, &self.setup.configuration)?;
        let leaf = &self.setup.certificates.driver;
        let program = Program::new("driver", &self.setup.program)
            .option("--listen", self.address)
            .option("--tls-certificate", leaf.certificate.display())
            .option("--tls-key", leaf.key.display())
            .option(
                "--tls-client-ca",
                self.setup.certificates.authority.display(),
            )
            .option("--config", file.display())
            .option("--metrics-bind-address", "127.0.0.1:0")
            .option("--log", &self.setup.log)
            .option("--log-format", "json")
            .arguments(self.setup.arguments.iter().cloned());
        let mut process = Process::start(&program, &self.setup.folder)?;
        let name = |name| move |line: &str| listening(line, Some(name));
        self.metrics = Some(
            process
                .line("the metrics' address", START, name("metrics"))
                .await?,
        );
        let address = process
            .line("the driver's address", START, name("grpc"))
            .await?;
        self.address = address.parse().map_err(|_| Error::Unreadable {
            program: "driver".to_owned(),
            said: address,
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Changes the configuration for the next start.
    pub fn configure(&mut self, configuration: String) {
        self.setup.configuration = configuration;
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
        super::stop("driver", self.process.take()).await
    }

    /// The running process.
    pub fn process(&self) -> Result<&Process> {
        self.process
            .as_ref()
            .ok_or(Error::Missing("running driver"))
    }

    /// The running process, to wait for what it logs.
    pub fn process_mut(&mut self) -> Result<&mut Process> {
        self.process
            .as_mut()
            .ok_or(Error::Missing("running driver"))
    }

    /// Its process, for another run of the lab.
    pub fn record(&self) -> Result<Recorded> {
        self.process()?.record()
    }
}

/// The driver's configuration: who may call, what is said of ISOs beyond where they may come from, and
/// vCenters with fixed names.
pub fn configuration(
    hubs: &[&str],
    isos: &str,
    vcenters: &[(&str, SocketAddr, &Path, &Path)],
) -> String {
    let mut text = format!(
        "[[allowed_clients]]\nname = \"{}\"\n",
        certificates::CONTROLLER
    );
    let hubs: Vec<_> = hubs.iter().map(|hub| format!("\"{hub}\"")).collect();
    let _ = write!(
        text,
        "\n[[allowed_clients]]\nname = \"{}\"\nhubs = [{}]\n",
        certificates::PERSON,
        hubs.join(", ")
    );
    // The image service listens at this one address; the rest of the loopback network stays refused.
    let _ = write!(
        text,
        "\n[iso]\nallowed_sources = [\"127.0.0.1/32\"]\n{isos}"
    );
    for (name, server, password_file, authority) in vcenters {
        let _ = write!(
            text,
            "\n[[vcenters]]\nname = \"{name}\"\nserver = \"{server}\"\nusername = \"{USERNAME}\"\n\
             password_file = \"{}\"\n\n[vcenters.trust]\nca_file = \"{}\"\n",
            password_file.display(),
            authority.display(),
        );
    }
    text
}
