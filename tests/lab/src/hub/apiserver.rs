//! kube-apiserver of the hub.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::error::Result;
use crate::process::{Process, Program};
use crate::{files, ports};

/// The file beside the kubeconfig in which requests for Secrets are written down.
pub(crate) const AUDIT: &str = "audit.log";

/// How long it may take to start; two busy cores need their time.
const START: Duration = Duration::from_mins(2);

/// Starts it, waits until it is ready, and returns it with a kubeconfig file.
pub(super) async fn start(
    path: &Path,
    certificates: &Certificates,
    etcd: &str,
    folder: &Path,
) -> Result<(Process, PathBuf)> {
    let [port] = ports::free()?;
    let token = token(folder)?;
    let kubeconfig = kubeconfig(certificates, port, &token, folder)?;
    files::write_private(&folder.join("audit.json"), audit_policy().to_string())?;
    let program = program(path, certificates, folder)
        .option("--etcd-servers", etcd)
        .option("--secure-port", port);
    let mut process = Process::start(&program, folder)?;
    super::until("kube-apiserver", &mut process, START, || {
        is_ready(&kubeconfig)
    })
    .await?;
    Ok((process, kubeconfig))
}

fn program(path: &Path, certificates: &Certificates, folder: &Path) -> Program {
    let (signing_key, public_key) = &certificates.service_accounts;
    Program::new("kube-apiserver", path)
        .option("--bind-address", "127.0.0.1")
        // Otherwise it looks for the machine's address on the network, and wants one.
        .option("--advertise-address", "127.0.0.1")
        .option("--endpoint-reconciler-type", "none")
        .option("--tls-cert-file", certificates.hub.certificate.display())
        .option("--tls-private-key-file", certificates.hub.key.display())
        .option("--cert-dir", folder.join("apiserver").display())
        .option("--service-account-key-file", public_key.display())
        .option("--service-account-signing-key-file", signing_key.display())
        .option("--service-account-issuer", "https://kubernetes.default.svc")
        .option("--token-auth-file", folder.join("tokens.csv").display())
        .option("--authorization-mode", "RBAC")
        .option("--disable-admission-plugins", "ServiceAccount")
        .option("--service-cluster-ip-range", "10.0.0.0/24")
        .option("--audit-policy-file", folder.join("audit.json").display())
        .option("--audit-log-path", folder.join(AUDIT).display())
        .option("--v", 1)
}

/// Who asks for which Secrets is written down, and nothing of what is in them.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
            {"level": "None"},
        ],
    })
}

/// Makes a token for the administrator.
fn token(folder: &Path) -> Result<String> {
    let token = crate::secret::random()?;
    let line = format!("{token},admin,admin,system:masters\n");
    files::write_private(&folder.join("tokens.csv"), line)?;
    Ok(token)
}

fn kubeconfig(
    certificates: &Certificates,
    port: u16,
    token: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let cluster = json!({
        "server": format!("https://127.0.0.1:{port}"),
        "certificate-authority": certificates.authority,
    });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
        "current-context": "lab",
    });
    // JSON is YAML, and every reader of a kubeconfig takes it.
    let path = folder.join("kubeconfig");
    files::write_private(&path, format!("{config:#}\n"))?;
    Ok(path)
}

async fn is_ready(kubeconfig: &Path) -> bool {
    let Ok(client) = super::client(kubeconfig).await else {
        return false;
    };
    let Ok(request) = Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    client
        .request_text(request)
        .await
        .is_ok_and(|answer| answer == "ok")
}
