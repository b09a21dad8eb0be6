//! The lab of a person: what `cargo lab up` leaves behind for the other commands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Doing as _, Error, Result};
use crate::images::Content;
use crate::lab::Lab;
use crate::process::Recorded;
use crate::{files, vcenter};

/// The file's name.
const FILE: &str = "state.json";
/// Name of the file with the URL of an image.
const IMAGE_URL: &str = "image.url";
/// How large the image is that a person may have fetched: enough to see it come.
const IMAGE_SIZE: u64 = 64 << 20;

/// A running lab, as another process sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The process that holds the lab: all of it ends with it.
    pub keeper: Recorded,
    /// The processes of the lab, by name.
    pub processes: Vec<Recorded>,
    /// The file for `KUBECONFIG`. Absent: there is no hub.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace to work in.
    pub namespace: String,
    /// Where the driver listens. Absent: there is none.
    pub driver: Option<SocketAddr>,
    /// A command line of grpcurl up to its options. Absent: there is no driver.
    pub grpcurl: Option<String>,
    /// The vCenters.
    pub vcenters: Vec<VcenterState>,
    /// The image service.
    pub images: ImagesState,
    /// The authority of all certificates but that of the image service.
    pub authority: PathBuf,
    /// The certificate that a person shows to the driver, and its key.
    pub person: (PathBuf, PathBuf),
    /// Where the services are started again.
    pub control: SocketAddr,
    /// A folder with all tools, for `PATH`.
    pub tools: PathBuf,
}

/// A vCenter of a running lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VcenterState {
    /// Its name in the driver's configuration.
    pub name: String,
    /// The proxy: what the driver speaks with.
    pub proxy: SocketAddr,
    /// Where the proxy is steered.
    pub control: SocketAddr,
    /// What is behind it.
    pub address: SocketAddr,
    /// Where the simulator's own faults are steered.
    pub simulator_control: SocketAddr,
    /// Who logs in.
    pub username: String,
    /// A file with the password.
    pub password_file: PathBuf,
}

/// The image service of a running lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImagesState {
    /// Where it listens.
    pub address: SocketAddr,
    /// The authority that vouches for it.
    pub authority: PathBuf,
    /// A file with the URL of an image that it serves: a credential.
    pub url_file: PathBuf,
}

impl State {
    /// What another process needs to know of `lab`.
    pub async fn of(lab: &Lab, control: SocketAddr) -> Result<Self> {
        let mut vcenters = Vec::new();
        for site in lab.sites() {
            vcenters.push(VcenterState {
                name: site.name.clone(),
                proxy: site.proxy.address(),
                control: site
                    .proxy
                    .serve_control(SocketAddr::from(([127, 0, 0, 1], 0)))
                    .await?,
                address: site.vcenter.address(),
                simulator_control: site.vcenter.control(),
                username: vcenter::USERNAME.to_owned(),
                password_file: site.vcenter.password_file().to_owned(),
            });
        }
        let person = &lab.certificates().person;
        let keeper = lab.folder().join("keeper.log");
        Ok(Self {
            keeper: Recorded::of("keeper", std::process::id(), &keeper)?,
            processes: lab.record()?,
            kubeconfig: lab.kubeconfig().ok().map(Path::to_owned),
            namespace: lab.namespace().to_owned(),
            driver: lab.driver().ok().map(crate::services::Driver::address),
            grpcurl: lab.grpcurl().ok().map(|grpcurl| grpcurl.command_line()),
            vcenters,
            images: ImagesState::of(lab)?,
            authority: lab.certificates().authority.clone(),
            person: (person.certificate.clone(), person.key.clone()),
            control,
            tools: lab.link_tools()?,
        })
    }

    /// Writes it where the other commands look for it.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Unreadable {
            program: "the lab's state".to_owned(),
            said: error.to_string(),
        })?;
        files::write_private(&folder.join(FILE), text)
    }

    /// The state that a running lab has written.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing("reading", &path),
        };
        // What cannot be read any more was written by another version of the lab.
        let state: Option<Self> = serde_json::from_str(&text).ok();
        Ok(state.filter(|state| state.keeper.is_running()))
    }

    /// The state of the running lab.
    ///
    /// # Errors
    /// When none is running.
    pub fn running() -> Result<Self> {
        let none = || Error::Refused("no lab is running; start one with `cargo lab up`".to_owned());
        Self::read(&files::lab_folder())?.ok_or_else(none)
    }

    /// Removes what [`State::write`] wrote.
    pub fn remove(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        std::fs::remove_file(&path).doing("removing", &path)
    }
}

impl ImagesState {
    /// Serves an image, and says where it is.
    fn of(lab: &Lab) -> Result<Self> {
        let image = lab.images().publish(Content::iso(IMAGE_SIZE, 0))?;
        let url_file = lab.folder().join(IMAGE_URL);
        files::write_private(&url_file, image.url())?;
        Ok(Self {
            address: lab.images().address(),
            authority: lab.certificates().images_authority.clone(),
            url_file,
        })
    }
}
