//! grpcurl: the driver as a person calls it.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::certificates::Leaf;
use crate::error::{Error, Result};

/// How grpcurl reaches the driver.
#[derive(Debug, Clone)]
pub struct Grpcurl {
    pub(crate) program: PathBuf,
    pub(crate) authority: PathBuf,
    pub(crate) leaf: Leaf,
    pub(crate) address: SocketAddr,
}

impl Grpcurl {
    /// The options that come before `-d`, the address and the method.
    pub fn options(&self) -> Vec<String> {
        vec![
            "-cacert".to_owned(),
            self.authority.display().to_string(),
            "-cert".to_owned(),
            self.leaf.certificate.display().to_string(),
            "-key".to_owned(),
            self.leaf.key.display().to_string(),
        ]
    }

    /// The program and its options, for a person's shell.
    pub fn command_line(&self) -> String {
        let program = self.program.display().to_string();
        std::iter::once(program)
            .chain(self.options())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Calls a method of one answer: `vsphere.driver.v1.Driver/GetDriverInfo`.
    ///
    /// # Errors
    /// A call that was refused is [`Error::Command`], with the status as JSON in `stderr`.
    pub async fn call(&self, method: &str, request: &Value) -> Result<Value> {
        let mut command = crate::command(&self.program);
        command
            .args(self.options())
            .args([
                "-format-error",
                "-emit-defaults",
                "-d",
                &request.to_string(),
            ])
            .arg(self.address.to_string())
            .arg(method);
        let printed = crate::run(command).await?;
        serde_json::from_str(&printed).map_err(|_| Error::Unreadable {
            program: "grpcurl".to_owned(),
            said: printed,
        })
    }

    /// Calls a method that is to be refused, and returns the status that it was refused with.
    pub async fn refusal(&self, method: &str, request: &Value) -> Result<Value> {
        match self.call(method, request).await {
            Ok(answer) => Err(Error::Unreadable {
                program: format!("grpcurl, which should have been refused {method}"),
                said: answer.to_string(),
            }),
            Err(Error::Command { stderr, .. }) => {
                serde_json::from_str(&stderr).map_err(|_| Error::Unreadable {
                    program: "grpcurl".to_owned(),
                    said: stderr,
                })
            }
            Err(error) => Err(error),
        }
    }
}
