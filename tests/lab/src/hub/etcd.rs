//! etcd of the hub.

use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::ports;
use crate::process::{Process, Program};

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// Starts it, and returns it with the address for clients.
pub(super) async fn start(path: &Path, folder: &Path) -> Result<(Process, String)> {
    let [client, peer] = ports::free()?;
    let client = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    let program = Program::new("etcd", path)
        .option("--name", "lab")
        .option("--data-dir", folder.join("etcd").display())
        .option("--listen-client-urls", &client)
        .option("--advertise-client-urls", &client)
        .option("--listen-peer-urls", &peer)
        .option("--initial-advertise-peer-urls", &peer)
        .option("--initial-cluster", format!("lab={peer}"))
        // Nobody misses a lab's data after a power cut, and a flush for each write is slow.
        .arguments(["--unsafe-no-fsync", "--log-level", "warn"]);
    let program = program.option("--log-format", "json");
    let mut process = Process::start(&program, folder)?;
    wait_until_it_answers(&mut process, &client).await?;
    Ok((process, client))
}

async fn wait_until_it_answers(process: &mut Process, endpoint: &str) -> Result<()> {
    let address = endpoint.trim_start_matches("http://").to_owned();
    super::until("etcd", process, START, || {
        let address = address.clone();
        async move { tokio::net::TcpStream::connect(address).await.is_ok() }
    })
    .await
}
