//! `cargo lab tools`.

use lab::tools::Tool;

use crate::screen::say;

/// Builds all tools, and prints where they are.
pub(crate) async fn run() -> anyhow::Result<()> {
    let tools = lab::tools::all().await?;
    for (name, path) in [
        ("etcd", &tools.etcd),
        ("kube-apiserver", &tools.kube_apiserver),
        ("kubectl", &tools.kubectl),
        ("grpcurl", &tools.grpcurl),
        ("vcsim", &tools.vcsim),
        ("govc", &tools.govc),
        ("floor", &tools.floor),
    ] {
        say(&format!("{name:18}{}", path.display()));
    }
    // Only the tests of the metrics need it: a lab starts without.
    let reader = lab::tools::one(Tool::Prometheus).await?;
    say(&format!("{:18}{}", "prometheus-reader", reader.display()));
    Ok(())
}
