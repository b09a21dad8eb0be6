//! grpcurl: the driver as a person calls it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::canary::Canary;
use crate::certificates::Leaf;
use crate::error::{Doing as _, Error, Result};

/// How grpcurl reaches the driver.
#[derive(Debug, Clone)]
pub struct Grpcurl {
    pub(crate) program: PathBuf,
    pub(crate) authority: PathBuf,
    pub(crate) leaf: Leaf,
    pub(crate) address: SocketAddr,
    /// Hears what is answered.
    pub(crate) canary: Arc<Canary>,
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

    /// The call of a method. The request goes in by standard input: a password in it is in no list of processes,
    /// and in no error that names the command.
    fn command(&self, method: &str, request: &Value) -> Result<Command> {
        let (requests, mut writer) = std::io::pipe().doing("making a pipe to", &self.program)?;
        let request = request.to_string();
        // Who does not read it to its end says by itself why.
        tokio::task::spawn_blocking(move || writer.write_all(request.as_bytes()));
        let mut command = crate::command(&self.program);
        command
            .stdin(requests)
            .args(self.options())
            .args(["-format-error", "-emit-defaults", "-d", "@"])
            .arg(self.address.to_string())
            .arg(method);
        Ok(command)
    }

    /// Calls a method of one answer: `vsphere.driver.v1.Driver/GetDriverInfo`.
    ///
    /// # Errors
    /// A call that was refused is [`Error::Command`], with the status as JSON in `stderr`.
    pub async fn call(&self, method: &str, request: &Value) -> Result<Value> {
        let command = self.command(method, request)?;
        let answer = crate::run(command).await;
        let said = match &answer {
            Ok(printed) => printed,
            Err(Error::Command { stderr, .. }) => stderr,
            Err(_) => "",
        };
        self.canary.said("answers to grpcurl", said);
        let printed = answer?;
        serde_json::from_str(&printed).map_err(|_| Error::Unreadable {
            program: "grpcurl".to_owned(),
            said: printed,
        })
    }

    /// Calls a method that answers with a stream.
    pub fn stream(&self, method: &str, request: &Value) -> Result<Stream> {
        let mut command = self.command(method, request)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().doing("starting", &self.program)?;
        let output = child
            .stdout
            .take()
            .ok_or(Error::Missing("output of grpcurl"))?;
        Ok(Stream {
            child,
            lines: BufReader::new(output).lines(),
            canary: Arc::clone(&self.canary),
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

/// The messages of a stream. It is cancelled when this is dropped.
#[derive(Debug)]
pub struct Stream {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    canary: Arc<Canary>,
}

impl Stream {
    /// The next message; nothing after the last.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        let reading = |source| Error::Io {
            doing: "reading grpcurl".to_owned(),
            source,
        };
        let mut message = String::new();
        while let Some(line) = self.lines.next_line().await.map_err(reading)? {
            self.canary.said("streams to grpcurl", line.as_str());
            message.push_str(&line);
            // grpcurl indents all that is inside a message.
            if line == "}" || line == "{}" {
                return serde_json::from_str(&message)
                    .map(Some)
                    .map_err(|_| Error::Unreadable {
                        program: "grpcurl".to_owned(),
                        said: message,
                    });
            }
        }
        Ok(None)
    }

    /// The next message that `wanted` gives something for; those before are passed over.
    ///
    /// # Errors
    /// When the stream ends before, or `within` is over.
    pub async fn find<T>(
        &mut self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let timed_out = |_| Error::TimedOut {
            what: what.to_owned(),
            after: within,
        };
        let search = async {
            while let Some(message) = self.next().await? {
                if let Some(found) = wanted(&message) {
                    return Ok(found);
                }
            }
            Err(Error::Missing("such a message: the stream has ended"))
        };
        tokio::time::timeout(within, search)
            .await
            .map_err(timed_out)?
    }

    /// The status that the stream ended with, once [`Stream::next`] gave nothing; absent for OK.
    pub async fn status(self) -> Result<Option<Value>> {
        let waiting = |source| Error::Io {
            doing: "waiting for grpcurl".to_owned(),
            source,
        };
        let output = self.child.wait_with_output().await.map_err(waiting)?;
        Ok(serde_json::from_slice(&output.stderr).ok())
    }
}
