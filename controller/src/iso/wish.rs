//! What a template asks for.

use crate::{
    crd::{AgentIso, AgentIsoType, VmTemplate},
    hidden::Hidden,
};

/// Longest beginning of a file's name.
const LABEL: usize = 96;
/// What a file's name begins with where nothing else is said, as the companion's.
const DEFAULT_LABEL: &str = "agent";

/// The ISO that a template asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsoWish {
    /// Datacenter of the datastore.
    pub datacenter: String,
    /// Where it is to be: where the machines are.
    pub datastore: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What the name of its file begins with.
    pub label: String,
    /// Authorities to trust for its source, PEM.
    pub ca_bundle: Option<String>,
    /// Proxy on the way to its source.
    pub proxy: Option<String>,
    /// SHA-256 that it must have; empty: any.
    pub sha256: String,
    /// The Secret with what its source is to be asked with.
    pub secret: Option<String>,
}

/// Where an ISO comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It lies on a datastore.
    Path(String),
    /// It is fetched from there.
    Url(Hidden),
    /// An InfraEnv says where it is fetched from.
    InfraEnv {
        /// Its namespace. `None`: the template's.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

// === impl IsoWish ===

impl IsoWish {
    /// What these parts of a spec ask for.
    pub fn of(iso: &AgentIso, machines: &VmTemplate) -> Self {
        let origin = Origin::of(iso);
        let fetched = !matches!(origin, Origin::Path(_));
        let given = |text: &Option<String>| given(text.as_ref()).filter(|_| fetched);
        let secret = iso.request_secret.clone().unwrap_or_default();
        Self {
            datacenter: machines.datacenter.clone(),
            datastore: machines.datastore.clone(),
            label: label(iso, &origin),
            ca_bundle: given(&iso.ca_bundle),
            proxy: given(&iso.proxy),
            sha256: given(&iso.sha256).unwrap_or_default(),
            secret: given(&secret.name),
            origin,
        }
    }

    /// It does not lie on a datastore, but is brought there.
    pub fn is_fetched(&self) -> bool {
        !matches!(self.origin, Origin::Path(_))
    }
}

// === impl Origin ===

impl Origin {
    fn of(iso: &AgentIso) -> Self {
        match iso.type_ {
            AgentIsoType::Datastore => Self::Path(iso.datastore_path.clone().unwrap_or_default()),
            AgentIsoType::Url => Self::Url(Hidden(iso.url.clone().unwrap_or_default())),
            AgentIsoType::InfraEnv => {
                let reference = iso.infra_env.clone().unwrap_or_default();
                Self::InfraEnv {
                    namespace: given(reference.namespace.as_ref()),
                    name: reference.name,
                }
            }
        }
    }
}

/// What the name of the file begins with: the companion's field where it is given, whatever stands in it.
fn label(iso: &AgentIso, origin: &Origin) -> String {
    let asked = iso.uploaded_iso_name.as_deref().unwrap_or_default();
    let asked = asked.rsplit(['/', '\\']).next().unwrap_or_default();
    let asked = asked.strip_suffix(".iso").unwrap_or(asked);
    let of_origin = match origin {
        Origin::Path(_) | Origin::Url(_) => "",
        Origin::InfraEnv { name, .. } => name,
    };
    let labels = [asked, of_origin, DEFAULT_LABEL].map(plain);
    labels
        .into_iter()
        .find(|label| !label.is_empty())
        .unwrap_or_default()
}

/// The text in characters that a file's name may have, as far as it is not too long.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
        _ => '-',
    };
    let text = text.trim_start_matches(['.', '-', ' ']);
    text.chars().take(LABEL).map(plain).collect()
}

fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wish(iso: Value) -> IsoWish {
        let machines = VmTemplate {
            datacenter: "DC0".into(),
            datastore: "ds".into(),
            ..VmTemplate::default()
        };
        IsoWish::of(&serde_json::from_value(iso).unwrap(), &machines)
    }

    #[test]
    fn a_file_is_named_by_the_companions_field_or_else_by_its_infra_env() {
        let url = |name: &str| wish(json!({"type": "url", "url": "x", "uploadedISOName": name}));
        for (name, label) in [
            ("pool.iso", "pool"),
            ("pool-1.2_x", "pool-1.2_x"),
            ("isos/pool.iso", "pool"),
            ("my pool.iso", "my-pool"),
            ("größe", "gr--e"),
            ("..", "agent"),
            (".iso", "agent"),
            ("", "agent"),
        ] {
            assert_eq!(url(name).label, label, "{name}");
        }
        assert_eq!(url(&"a".repeat(200)).label.len(), LABEL);
        let of = json!({"type": "infraEnv", "infraEnv": {"name": "workers.east"}});
        assert_eq!(wish(of).label, "workers.east");
    }

    #[test]
    fn how_a_source_is_asked_is_of_no_use_to_a_file_that_lies_there() {
        let given = json!({
            "type": "datastore", "datastorePath": "[ds] a.iso", "url": "https://x", "sha256": "0",
            "caBundle": "PEM", "proxy": "http://p", "requestSecret": {"name": "s"},
        });
        let wish = wish(given);
        assert_eq!(wish.origin, Origin::Path("[ds] a.iso".into()));
        let rest = (
            wish.ca_bundle,
            wish.proxy,
            wish.sha256.as_str(),
            wish.secret,
        );
        assert_eq!(rest, (None, None, "", None));
    }

    #[test]
    fn an_infra_env_is_of_the_templates_namespace_where_none_is_given() {
        let of = |reference: Value| wish(json!({"type": "infraEnv", "infraEnv": reference})).origin;
        let expected = |namespace: Option<&str>| Origin::InfraEnv {
            namespace: namespace.map(ToOwned::to_owned),
            name: "w".into(),
        };
        assert_eq!(of(json!({"name": "w"})), expected(None));
        assert_eq!(of(json!({"name": "w", "namespace": ""})), expected(None));
        assert_eq!(
            of(json!({"name": "w", "namespace": "agents"})),
            expected(Some("agents"))
        );
    }
}
