//! Files on datastores, as vCenter itself gives them out.

use std::collections::BTreeMap;
use std::process::Stdio;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::Govc;
use crate::error::{Doing as _, Error, Result};
use crate::hexadecimal::hexadecimal;

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

impl Govc {
    /// The files in a folder of a datastore, with their sizes. Of a folder that is not there: none.
    pub async fn files(&self, datastore: &str, folder: &str) -> Result<BTreeMap<String, u64>> {
        let list = ["datastore.ls", "-l", "-ds", datastore, folder];
        let folders = match self.json(&list).await {
            Err(Error::Command { stderr, .. }) if stderr.contains("not found") => {
                return Ok(BTreeMap::new());
            }
            folders => folders?,
        };
        let folders = folders.as_array().into_iter().flatten();
        let files = folders
            .filter_map(|folder| folder["file"].as_array())
            .flatten();
        let file = |file: &serde_json::Value| {
            let name = file["path"].as_str()?.to_owned();
            Some((name, file["fileSize"].as_u64().unwrap_or_default()))
        };
        Ok(files.filter_map(file).collect())
    }

    /// The SHA-256 of a file on a datastore, as 64 hexadecimal digits: all of it is read.
    pub async fn sha256(&self, datastore: &str, file: &str) -> Result<String> {
        let mut command = crate::command(&self.program);
        command
            .args(["datastore.download", "-ds", datastore, file, "-"])
            .envs(self.environment())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut download = command.spawn().doing("starting", &self.program)?;
        let output = download.stdout.take();
        let mut output = output.ok_or(Error::Missing("output of govc"))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = output.read(&mut buffer).await;
            match read.doing("reading", &self.program)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
        let status = download.wait().await.doing("awaiting", &self.program)?;
        if !status.success() {
            return Err(Error::Command {
                command: format!("govc datastore.download {file}"),
                status: status.to_string(),
                stderr: String::new(),
            });
        }
        Ok(hexadecimal(&hash.finalize()))
    }
}
