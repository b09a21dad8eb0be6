//! Metrics of the services as Prometheus takes them in: read by its own parser.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::error::{Doing as _, Error, Result};
use crate::tools::{self, Tool};

/// All that one scrape gave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Scrape {
    /// The families by name.
    pub families: BTreeMap<String, Family>,
}

/// A metric with its series.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `info`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in words.
    pub help: String,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// A series at this moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Sample {
    /// The family's name, with a suffix where its kind asks for one.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// The text that a service serves at `/metrics`.
pub async fn fetch(address: &str) -> Result<String> {
    let io = |source| Error::Io {
        doing: format!("reading http://{address}/metrics"),
        source,
    };
    let http = |error: hyper::Error| io(std::io::Error::other(error));
    let stream = TcpStream::connect(address).await.map_err(io)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(http)?;
    tokio::spawn(connection);
    let request = Request::get("/metrics")
        .header(http::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| io(std::io::Error::other(error)))?;
    let reply = sender.send_request(request).await.map_err(http)?;
    let body = reply.into_body().collect().await.map_err(http)?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// What a service serves at `/metrics`.
///
/// # Errors
/// Prometheus could not take it in.
pub async fn scrape(address: &str) -> Result<Scrape> {
    let text = fetch(address).await?;
    answer(&["metrics"], &text).await
}

/// Names of the metrics that a file of alerting and recording rules uses.
///
/// # Errors
/// Prometheus would refuse the file.
pub async fn of_rules(file: &Path) -> Result<Vec<String>> {
    let file = file.display().to_string();
    answer(&["rules", &file], "").await
}

/// Names of the metrics that these expressions of `PromQL` select.
///
/// # Errors
/// One of them is none.
pub async fn of_expressions(expressions: &[String]) -> Result<Vec<String>> {
    let list = serde_json::Value::from(expressions).to_string();
    answer(&["expressions"], &list).await
}

/// Asks Prometheus' parsers.
async fn answer<T: for<'a> Deserialize<'a>>(arguments: &[&str], input: &str) -> Result<T> {
    let program = tools::one(Tool::Prometheus)
        .await
        .map_err(|error| Error::Tools(Box::new(error)))?;
    let mut command = crate::command(&program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().doing("starting", &program)?;
    let mut stdin = child.stdin.take().ok_or(Error::Missing("standard input"))?;
    let (written, output) = tokio::join!(
        async move { stdin.write_all(input.as_bytes()).await },
        child.wait_with_output()
    );
    let output = output.doing("running", &program)?;
    if !output.status.success() {
        return Err(Error::Command {
            command: format!("{} {}", program.display(), arguments.join(" ")),
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    written.doing("writing to", &program)?;
    serde_json::from_slice(&output.stdout).map_err(|_| Error::Unreadable {
        program: program.display().to_string(),
        said: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

// === impl Scrape ===

impl Scrape {
    /// The sum of all series of this name (with its suffix) whose labels have these values, to the
    /// nearest whole number.
    #[expect(clippy::cast_possible_truncation, reason = "what is counted is small")]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let samples = self.families.values().flat_map(|family| &family.samples);
        let found = samples.filter(|sample| sample.name == name && sample.has(labels));
        found.map(|sample| sample.value).sum::<f64>().round() as i64
    }
}

// === impl Sample ===

impl Sample {
    fn has(&self, labels: &[(&str, &str)]) -> bool {
        let has = |(name, value): &(&str, &str)| {
            let found = self.labels.get(*name);
            found.is_some_and(|found| found == value)
        };
        labels.iter().all(has)
    }
}
