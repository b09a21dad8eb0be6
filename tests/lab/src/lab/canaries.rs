//! The canaries of a lab: its secrets, and all that it said by its end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::Lab;
use crate::canary;
use crate::error::{Doing as _, Result};

/// How long a service may take to serve its metrics for the last time.
const LAST_LOOK: Duration = Duration::from_secs(5);

impl Lab {
    /// Passwords, keys and the hub's token: what is to be found nowhere.
    pub(super) fn hide_canaries(&self) -> Result<()> {
        for site in &self.sites {
            let name = format!("password of {}", site.name);
            self.canary.secret(&name, site.vcenter.password());
        }
        self.canary.keys(&self.folder().join("certificates"))?;
        if let Some(hub) = &self.hub {
            let path = hub.kubeconfig();
            let text = fs::read(path).doing("reading", path)?;
            let kubeconfig: Value = serde_json::from_slice(&text).unwrap_or_default();
            let token = kubeconfig["users"][0]["user"]["token"].as_str();
            if let Some(token) = token {
                self.canary.secret("token of the hub", token);
            }
        }
        Ok(())
    }

    /// Gathers what the services have said: logs, metrics, statuses and events.
    fn gather(&self) -> Result<()> {
        let metrics = [
            (
                "driver",
                self.driver().and_then(|it| Ok(it.metrics()?.to_owned())),
            ),
            (
                "controller",
                self.controller()
                    .and_then(|it| Ok(it.metrics()?.to_owned())),
            ),
        ];
        for (name, address) in metrics {
            // A service that is down, or was killed, serves none.
            if let Some(text) = address.ok().and_then(|address| fetch(&address)) {
                self.canary.said(&format!("metrics of the {name}"), text);
            }
        }
        if let Some(hub) = &self.hub {
            let mut kubectl = std::process::Command::new(&self.tools.kubectl);
            kubectl
                .env("KUBECONFIG", hub.kubeconfig())
                .args(["--namespace", &self.namespace, "--request-timeout=5s"])
                .args(["get", "vmtemplates,events,leases", "--output", "json"]);
            let output = kubectl.output().doing("running", &self.tools.kubectl)?;
            let said = without_what_people_wrote(output.stdout);
            self.canary.said("statuses and events", said);
        }
        self.canary.logs(self.folder())
    }
}

/// The objects without their specs: a person may have written a URL there that is a credential.
fn without_what_people_wrote(list: Vec<u8>) -> Vec<u8> {
    const WRITTEN_BY_KUBECTL: &str = "kubectl.kubernetes.io/last-applied-configuration";
    // What is no list is looked through as it is.
    let Ok(mut objects) = serde_json::from_slice::<Value>(&list) else {
        return list;
    };
    for object in objects["items"].as_array_mut().into_iter().flatten() {
        if let Some(object) = object.as_object_mut() {
            object.remove("spec");
        }
        let annotations = object.pointer_mut("/metadata/annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.remove(WRITTEN_BY_KUBECTL);
        }
    }
    objects.to_string().into_bytes()
}

fn fetch(address: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LAST_LOOK)).ok()?;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    Some(text)
}

impl Drop for Lab {
    #[expect(clippy::panic, reason = "who lets a secret out has failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let found = self.gather().and_then(|()| {
            let found = self.canary.search();
            canary::write(&found).map(|()| found)
        });
        match found {
            Ok(found) if found.hits.is_empty() => {}
            Ok(found) => panic!("secrets were let out: {:?}", found.hits),
            Err(error) => tracing::warn!(error = %error, "The canaries were not looked for"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_looked_through_and_what_a_person_wrote_is_not() {
        let written = "kubectl.kubernetes.io/last-applied-configuration";
        let list = json!({"items": [
            {"metadata": {"annotations": {written: "said-1", "other": "said-2"}},
             "spec": {"url": "said-3"}, "status": {"message": "said-4"}},
            {"message": "said-5"},
        ]});
        let said = without_what_people_wrote(list.to_string().into_bytes());
        let said = String::from_utf8(said).unwrap();
        let left: Vec<_> = (1..=5)
            .filter(|it| said.contains(&format!("said-{it}")))
            .collect();
        assert_eq!(left, [2, 4, 5]);
        assert_eq!(without_what_people_wrote(b"said".to_vec()), b"said");
    }
}
