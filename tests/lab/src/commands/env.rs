//! `cargo lab env`.

use lab::state::State;

use crate::screen::say;

/// Prints shell exports for the running lab.
pub(crate) fn run() -> anyhow::Result<()> {
    let state = State::running()?;
    for (name, value) in variables(&state)? {
        say(&format!("export {name}={}", quoted(&value)));
    }
    say(&format!(
        "export PATH={}:\"$PATH\"",
        quoted(&state.tools.display().to_string())
    ));
    Ok(())
}

fn variables(state: &State) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    if let Some(kubeconfig) = &state.kubeconfig {
        set("KUBECONFIG", kubeconfig.display().to_string());
        set("HCP_NAMESPACE", state.namespace.clone());
    }
    if let Some(vcenter) = state.vcenters.first() {
        set("GOVC_URL", format!("https://{}/sdk", vcenter.address));
        set("GOVC_USERNAME", vcenter.username.clone());
        set(
            "GOVC_PASSWORD",
            std::fs::read_to_string(&vcenter.password_file)?,
        );
        set("GOVC_TLS_CA_CERTS", state.authority.display().to_string());
        set("GOVC_PERSIST_SESSION", "false".to_owned());
        set("HCP_VCENTER", vcenter.proxy.to_string());
        set("HCP_VCENTER_CA", state.authority.display().to_string());
        set(
            "HCP_VCENTER_PASSWORD_FILE",
            vcenter.password_file.display().to_string(),
        );
    }
    let images = &state.images;
    set("HCP_IMAGES", format!("https://{}", images.address));
    set("HCP_IMAGES_CA", images.authority.display().to_string());
    set("HCP_IMAGE_URL", std::fs::read_to_string(&images.url_file)?);
    if let (Some(driver), Some(grpcurl)) = (state.driver, &state.grpcurl) {
        set("HCP_DRIVER", driver.to_string());
        set("GRPCURL", grpcurl.clone());
        // What `vsphere-driver upload-iso` reads.
        set("DRIVER_ADDRESS", format!("https://{driver}"));
        set("DRIVER_CA", state.authority.display().to_string());
        set("DRIVER_CERTIFICATE", state.person.0.display().to_string());
        set("DRIVER_KEY", state.person.1.display().to_string());
    }
    for process in &state.processes {
        let name = process.name.replace('-', "_").to_uppercase();
        set(&format!("HCP_{name}_PID"), process.id.to_string());
        set(
            &format!("HCP_{name}_LOG"),
            process.log.display().to_string(),
        );
    }
    Ok(variables)
}

/// The value as one word of a shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_end_its_quotes() {
        assert_eq!(quoted("a'b c"), r"'a'\''b c'");
    }
}
