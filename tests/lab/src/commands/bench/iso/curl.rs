//! The measure: one curl fetches, another sends, as a person would do it.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use lab::images::Image;
use lab::vcenter::USERNAME;
use lab::{DATASTORE, Lab, files};
use tokio::process::Command;

/// The folder and the file, which are the simulator's to make.
const FILE: &str = "bench/curl.iso";

/// Fetches an image and sends it to the datastore. Returns the file.
pub(super) async fn transfer(lab: &Lab, image: &Image) -> anyhow::Result<String> {
    let certificates = lab.certificates();
    let (source, target) = (
        lab.folder().join("fetch.curl"),
        lab.folder().join("send.curl"),
    );
    // URL and password are secrets: they are told in files, not on command lines.
    files::write_private(&source, format!("url = \"{}\"\n", image.url()))?;
    let user = format!("{USERNAME}:{}", lab.vcenter().password());
    files::write_private(&target, format!("user = \"{user}\"\n"))?;
    let mut download = curl()
        .arg("--config")
        .arg(source)
        .arg("--cacert")
        .arg(&certificates.images_authority)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting curl")?;
    let fetched: Stdio = download
        .stdout
        .take()
        .context("curl has an output")?
        .try_into()?;
    let folder = format!("https://{}/folder", lab.proxy().address());
    let mut upload = curl()
        .arg("--config")
        .arg(target)
        .arg("--cacert")
        .arg(&certificates.authority)
        .args(["--upload-file", "-"])
        .arg(format!("{folder}/{FILE}?dcPath=DC0&dsName={DATASTORE}"))
        .stdin(fetched)
        .spawn()
        .context("starting curl")?;
    let (one, other) = tokio::try_join!(download.wait(), upload.wait())?;
    ensure!(one.success() && other.success(), "curl: {one}, {other}");
    Ok(FILE.to_owned())
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    // Whatever the environment says of proxies, the lab is on this machine.
    command
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*"])
        .kill_on_drop(true);
    command
}
