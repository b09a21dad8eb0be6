//! `cargo lab tools`.

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
        say(&format!("{name:16}{}", path.display()));
    }
    Ok(())
}
