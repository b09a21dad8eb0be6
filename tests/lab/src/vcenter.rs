//! The simulated vCenter, and govc to look at it.

mod datastore;
mod disk;
mod govc;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::disk::{Disk, Stored};
pub use self::govc::{Govc, Machine};
use crate::certificates::Certificates;
use crate::control::ask;
use crate::error::Result;
use crate::process::{Process, Program, Recorded};
use crate::tools::Paths;
use crate::{files, secret};

/// Who logs in.
pub const USERNAME: &str = "hcp@vsphere.local";

/// How long the simulator may take to start.
const START: Duration = Duration::from_mins(1);

/// What the simulator says as soon as it listens.
#[derive(Debug, Clone, Deserialize)]
struct Listening {
    /// Where the API is.
    address: SocketAddr,
    /// Where the simulator's own faults are steered.
    control: SocketAddr,
}

/// A running simulator.
#[derive(Debug)]
pub struct Vcenter {
    process: Process,
    listening: Listening,
    govc: Govc,
    password_file: PathBuf,
}

impl Vcenter {
    /// Starts one with its files in `folder`; `arguments` are those of its inventory.
    pub async fn start(
        name: &str,
        tools: &Paths,
        certificates: &Certificates,
        folder: &Path,
        arguments: &[String],
    ) -> Result<Self> {
        // With what has to be escaped in XML, JSON and URLs.
        let password = format!("{}&<+%/", secret::random()?);
        let password_file = folder.join(format!("{name}.password"));
        files::write_private(&password_file, &password)?;
        let program = Program::new(&format!("vcsim-{name}"), &tools.vcsim)
            .variable("TMPDIR", folder.display().to_string())
            .option("-l", "127.0.0.1:0")
            .option("-user", USERNAME)
            .option("-password-file", password_file.display())
            .option("-cert", certificates.vcenter.certificate.display())
            .option("-key", certificates.vcenter.key.display())
            .arguments(arguments.iter().cloned());
        let mut process = Process::start(&program, folder)?;
        let listening: Listening = process
            .line("the simulator's address", START, |line| {
                serde_json::from_str(line).ok()
            })
            .await?;
        let govc = Govc {
            program: tools.govc.clone(),
            url: format!("https://{}/sdk", listening.address),
            username: USERNAME.to_owned(),
            password,
            authority: certificates.authority.clone(),
        };
        Ok(Self {
            process,
            listening,
            govc,
            password_file,
        })
    }

    /// Where its API is.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Where its own faults are steered, over HTTP.
    pub fn control(&self) -> SocketAddr {
        self.listening.control
    }

    /// Makes calls or their tasks fail inside the simulator, as a rule of its control says:
    /// `{"method": "CreateVM_Task", "times": 1, "fault": {"type": "NoPermission"}}`.
    pub async fn add_fault(&self, rule: &Value) -> Result<Value> {
        ask(self.listening.control, Method::POST, "/faults", rule).await
    }

    /// Takes those rules away.
    pub async fn clear_faults(&self) -> Result<()> {
        ask(
            self.listening.control,
            Method::DELETE,
            "/faults",
            &Value::Null,
        )
        .await
        .map(drop)
    }

    /// Puts a datastore into maintenance or mounts it read-only, or not any more:
    /// `{"name": "LocalDS_0", "maintenance": true, "readOnly": false}`.
    pub async fn set_datastore(&self, datastore: &Value) -> Result<()> {
        let control = self.listening.control;
        ask(control, Method::POST, "/datastores", datastore)
            .await
            .map(drop)
    }

    /// Switches a machine on or off as somebody else would, and returns once it is.
    pub async fn switch(&self, moref: &str, on: bool) -> Result<()> {
        let order = json!({"vm": moref, "on": on});
        ask(self.listening.control, Method::POST, "/power", &order)
            .await
            .map(drop)
    }

    /// Its machines as what runs in them finds them: `uuid`, `macs` and more of each.
    pub async fn guests(&self) -> Result<Vec<Value>> {
        let guests = ask(self.listening.control, Method::GET, "/guests", &Value::Null);
        Ok(guests.await?.as_array().cloned().unwrap_or_default())
    }

    /// Who is logged in: `user`, `userAgent` and `calls` of each session.
    pub async fn sessions(&self) -> Result<Vec<Value>> {
        let sessions = ask(
            self.listening.control,
            Method::GET,
            "/sessions",
            &Value::Null,
        )
        .await?;
        Ok(sessions.as_array().cloned().unwrap_or_default())
    }

    /// Ends all sessions, as an administrator can.
    pub async fn end_sessions(&self) -> Result<()> {
        ask(
            self.listening.control,
            Method::DELETE,
            "/sessions",
            &Value::Null,
        )
        .await
        .map(drop)
    }

    /// The password of [`USERNAME`].
    pub fn password(&self) -> &str {
        &self.govc.password
    }

    /// A file with that password.
    pub fn password_file(&self) -> &Path {
        &self.password_file
    }

    /// An independent look at it.
    pub fn govc(&self) -> &Govc {
        &self.govc
    }

    /// Its process, for another run of the lab.
    pub fn record(&self) -> Result<Recorded> {
        self.process.record()
    }
}
