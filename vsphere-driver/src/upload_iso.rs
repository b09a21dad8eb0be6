//! `vsphere-driver upload-iso`: sends an ISO to a running driver, for people without a URL.

use anyhow::{Context as _, anyhow, bail};
use contract::v1::{
    Fault, Owner, UploadIsoHeader, UploadIsoRequest, UploadIsoResponse, isos_client::IsosClient,
    upload_iso_request::Part,
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use vsphere_driver::iso::digest::Digest;

/// Bytes in a message.
const CHUNK: usize = 1 << 20;
/// Messages that wait for the driver.
const IN_FLIGHT: usize = 4;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pings while nothing is sent.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Progress is told no more often than this.
const PROGRESS: Duration = Duration::from_secs(1);
/// Longest label.
const MAX_LABEL: usize = 63;

/// Sends an ISO to a running driver, which puts it onto datastores. Prints the paths for `agentISO`.
#[derive(Debug, clap::Args)]
pub(crate) struct UploadIso {
    /// The ISO.
    file: PathBuf,

    /// Where the driver listens: `https://driver.example:50051`; `http://` for one without TLS.
    #[arg(long, env = "DRIVER_ADDRESS", value_name = "URL", value_parser = address)]
    address: String,

    /// The authorities that sign the driver, PEM.
    #[arg(long, env = "DRIVER_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The certificate to show, PEM.
    #[arg(long, env = "DRIVER_CERTIFICATE", value_name = "FILE")]
    #[arg(requires = "key")]
    certificate: Option<PathBuf>,

    /// The private key of that certificate, PEM.
    #[arg(long, env = "DRIVER_KEY", value_name = "FILE")]
    #[arg(requires = "certificate")]
    key: Option<PathBuf>,

    /// Name in the driver's certificate, where it is not the host of the address.
    #[arg(long, env = "DRIVER_SERVER_NAME", value_name = "NAME")]
    server_name: Option<String>,

    /// Name of the vCenter, as the driver knows it.
    #[arg(long, value_name = "NAME")]
    vcenter: String,

    /// Datastore to have it on; may be given several times.
    #[arg(long = "datastore", value_name = "NAME", required = true)]
    datastores: Vec<String>,

    /// Datacenter of the datastores; left out: the only one.
    #[arg(long, value_name = "NAME", default_value = "")]
    datacenter: String,

    /// Who wants it.
    #[arg(long, value_name = "NAME", default_value = "upload-iso")]
    owner: String,

    /// Begins the name of the file on the datastore; left out: the name of the ISO.
    #[arg(long, value_name = "TEXT", value_parser = given_label)]
    label: Option<String>,
}

/// How much was sent, told on the terminal or, less often, in lines.
struct Progress {
    total: u64,
    sent: u64,
    told: Instant,
}

// === impl UploadIso ===

impl UploadIso {
    /// Sends it, and prints where it is.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let header = self.header().await?;
        let mut client = IsosClient::new(self.connect().await?);
        let total = u64::try_from(header.size_bytes).unwrap_or_default();
        let (sender, messages) = mpsc::channel(IN_FLIGHT);
        sender.send(message(Part::Header(Box::new(header)))).await?;
        let file = self.file.clone();
        let reading = spawn_blocking(move || read(&file, total, &sender));
        let replied = client.upload_iso(ReceiverStream::new(messages)).await;
        // A driver that has the content already, or refuses it, takes no more.
        let read = reading.await.context("reading the ISO")?;
        let reply = match replied {
            Ok(reply) => reply.into_inner(),
            Err(status) => return Err(self.refusal(&status)),
        };
        read?;
        print(&reply)
    }

    async fn header(&self) -> anyhow::Result<UploadIsoHeader> {
        let file = self.file.clone();
        let summed = spawn_blocking(move || sum(&file)).await?;
        let (size, sha256) = summed.with_context(|| format!("reading {}", self.file.display()))?;
        let label = self.label.clone().unwrap_or_else(|| label(&self.file));
        Ok(UploadIsoHeader {
            caller: None,
            vcenter: self.vcenter.clone(),
            owner: Some(Owner {
                name: self.owner.clone(),
                ..Owner::default()
            }),
            id: label.chars().take(MAX_LABEL).collect(),
            size_bytes: i64::try_from(size).context("the file is too large")?,
            datacenter: self.datacenter.clone(),
            datastores: self.datastores.clone(),
            file_label: label,
            sha256,
            validate_only: false,
        })
    }

    async fn connect(&self) -> anyhow::Result<Channel> {
        let address = &self.address;
        let mut endpoint = Endpoint::from_shared(address.clone())
            .with_context(|| format!("--address {address}"))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEPALIVE);
        if address.starts_with("https:") {
            endpoint = endpoint.tls_config(self.tls()?).context("setting up TLS")?;
        }
        let connected = endpoint.connect().await;
        connected.with_context(|| format!("connecting to {address}"))
    }

    fn tls(&self) -> anyhow::Result<ClientTlsConfig> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("reading {}", path.display()))
        };
        let Some(ca) = &self.ca else {
            bail!("--ca is missing: name the authorities that sign the driver");
        };
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            bail!("--certificate and --key are missing: the driver wants to know who calls");
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        Ok(tls.identity(Identity::from_pem(read(certificate)?, read(key)?)))
    }

    /// What the driver said, or what may be wrong with the connection where it said nothing.
    fn refusal(&self, status: &Status) -> anyhow::Error {
        let said = status.message();
        if Fault::of_status(status).is_some() {
            return anyhow!("{said}");
        }
        let address = &self.address;
        anyhow!(
            "{address} ended the connection ({said}): it may speak TLS, or not, contrary to the \
             address, or not know the certificate"
        )
    }
}

/// Size and SHA-256 of a file: with them the driver knows what it has, and that nothing was changed on
/// the way.
fn sum(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut size, mut hash) = (0, Sha256::new());
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hash.update(&chunk[..count]);
    }
    let digest = Digest(hash.finalize().into());
    Ok((size, digest.to_string()))
}

/// Sends the file in chunks until it ends or nobody takes them.
fn read(path: &Path, total: u64, out: &mpsc::Sender<UploadIsoRequest>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut progress = Progress::of(total);
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = file.read(&mut chunk)?;
        chunk.truncate(count);
        if count == 0
            || out
                .blocking_send(message(Part::Chunk(chunk.into())))
                .is_err()
        {
            return progress.end();
        }
        progress.add(count as u64)?;
    }
}

fn message(part: Part) -> UploadIsoRequest {
    UploadIsoRequest { part: Some(part) }
}

/// An address with its scheme, without which nobody knows whether TLS is spoken there.
fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://");
    match rest.or_else(|| text.strip_prefix("http://")) {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("write `https://host:port`, or `http://host:port` for one without TLS".into()),
    }
}

/// A label that a person chose, which is not changed.
fn given_label(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if (1..=MAX_LABEL).contains(&length) && text.chars().all(of_labels) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "write 1 to {MAX_LABEL} characters of `A-Za-z0-9._-`"
    ))
}

/// The name of the ISO as a label.
fn label(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let label = stem.chars().map(|c| if of_labels(c) { c } else { '-' });
    label.take(MAX_LABEL).collect()
}

fn of_labels(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Writes the paths, one a line.
fn print(reply: &UploadIsoResponse) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for file in reply.iso.iter().flat_map(|iso| &iso.files) {
        writeln!(out, "{}", file.path)?;
    }
    Ok(())
}

// === impl Progress ===

impl Progress {
    fn of(total: u64) -> Self {
        Self {
            total,
            sent: 0,
            told: Instant::now(),
        }
    }

    fn add(&mut self, bytes: u64) -> io::Result<()> {
        self.sent += bytes;
        if self.told.elapsed() < PROGRESS {
            return Ok(());
        }
        self.told = Instant::now();
        self.tell()
    }

    fn tell(&self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        let text = self.text();
        if out.is_terminal() {
            write!(out, "\r{text}")?;
            return out.flush();
        }
        writeln!(out, "{text}")
    }

    fn text(&self) -> String {
        let percent = (self.sent * 100).checked_div(self.total).unwrap_or(100);
        let mib = |bytes: u64| bytes >> 20;
        format!("{percent:3} % of {} MiB sent", mib(self.total))
    }

    /// Leaves the line.
    fn end(&self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        if out.is_terminal() {
            writeln!(out, "\r{}", self.text())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_made_a_label() {
        for (file, name) in [
            ("/tmp/agent.x86_64.iso", "agent.x86_64"),
            ("my image (1).iso", "my-image--1-"),
            ("/", ""),
        ] {
            assert_eq!(label(Path::new(file)), name);
        }
        assert_eq!(label(Path::new(&"x".repeat(99))).len(), MAX_LABEL);
    }

    #[test]
    fn an_address_without_its_scheme_and_a_label_with_other_characters_are_refused() {
        for (text, good) in [
            ("https://driver.example:50051", true),
            ("http://127.0.0.1:50051", true),
            ("driver.example:50051", false),
            ("https://", false),
        ] {
            assert_eq!(address(text).is_ok(), good, "{text}");
        }
        let long = "x".repeat(MAX_LABEL + 1);
        for (text, good) in [
            ("a.b_c-1", true),
            ("a b", false),
            ("", false),
            (&long, false),
        ] {
            assert_eq!(given_label(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_file_is_summed_and_sent_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, vec![7; CHUNK + 3]).unwrap();
        let (size, sha256) = sum(file.path()).unwrap();
        assert_eq!((size, sha256.len()), (CHUNK as u64 + 3, 64));
        let (out, mut messages) = mpsc::channel(IN_FLIGHT);
        read(file.path(), size, &out).unwrap();
        drop(out);
        let mut lengths = Vec::new();
        while let Some(message) = messages.blocking_recv() {
            if let Some(Part::Chunk(chunk)) = message.part {
                lengths.push(chunk.len());
            }
        }
        assert_eq!(lengths, [CHUNK, 3]);
    }

    #[test]
    fn progress_is_a_share_of_the_whole() {
        let progress = Progress {
            sent: 3 << 20,
            ..Progress::of(12 << 20)
        };
        assert_eq!(progress.text(), " 25 % of 12 MiB sent");
    }
}
