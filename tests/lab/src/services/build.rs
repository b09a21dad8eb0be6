//! Where the two binaries are; they are built when nobody says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use crate::error::Result;
use crate::files;

/// How the services are built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    #[default]
    Debug,
    /// For measuring.
    Release,
}

impl Profile {
    /// The word that cargo uses for its folder.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The programs of our services.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The driver.
    pub driver: PathBuf,
    /// The controller.
    pub controller: PathBuf,
}

impl Binaries {
    /// Finds them: `HCP_DRIVER_BIN` and `HCP_CONTROLLER_BIN`, else they are built, once in a run.
    pub async fn find(profile: Profile) -> Result<Self> {
        let given = |name| std::env::var_os(name).map(PathBuf::from);
        let (driver, controller) = (given("HCP_DRIVER_BIN"), given("HCP_CONTROLLER_BIN"));
        if let (Some(driver), Some(controller)) = (&driver, &controller) {
            return Ok(Self {
                driver: driver.clone(),
                controller: controller.clone(),
            });
        }
        let built = Self::built(profile).await?;
        Ok(Self {
            driver: driver.unwrap_or(built.driver),
            controller: controller.unwrap_or(built.controller),
        })
    }

    async fn built(profile: Profile) -> Result<Self> {
        static DEBUG: OnceCell<Binaries> = OnceCell::const_new();
        static RELEASE: OnceCell<Binaries> = OnceCell::const_new();
        let cell = match profile {
            Profile::Debug => &DEBUG,
            Profile::Release => &RELEASE,
        };
        cell.get_or_try_init(|| build(profile)).await.cloned()
    }
}

/// Cargo has a lock of its own: of two test processes that build, one waits and finds it done.
async fn build(profile: Profile) -> Result<Binaries> {
    let target = files::target();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned());
    let mut command = crate::command(Path::new(&cargo));
    command
        .current_dir(files::workspace())
        .args([
            "build",
            "--quiet",
            "--package",
            "vsphere-driver",
            "--package",
            "controller",
            "--bins",
        ])
        .arg("--target-dir")
        .arg(&target);
    if profile == Profile::Release {
        command.arg("--release");
    }
    crate::run(command).await?;
    let folder = target.join(profile.word());
    Ok(Binaries {
        driver: folder.join("vsphere-driver"),
        controller: folder.join("controller"),
    })
}
