//! The authorities of the hub's own routes, behind one of which the image service is: on `OpenShift` a `ConfigMap`.

use crate::{follow::follow, hub::Sought, iso::Lack};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
};

/// What holds the authorities.
const KEY: &str = "ca-bundle.crt";

/// The `ConfigMap` with the authorities of the hub's routes, if there is one to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressCa(Option<(String, String)>);

/// A text that names no `ConfigMap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAMESPACE/NAME of a ConfigMap, or `none`")]
pub struct InvalidIngressCa;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Authorities {
    from: IngressCa,
    pem: Mutex<Sought<String>>,
}

// === impl IngressCa ===

impl FromStr for IngressCa {
    type Err = InvalidIngressCa;

    fn from_str(text: &str) -> Result<Self, InvalidIngressCa> {
        if text == "none" {
            return Ok(Self(None));
        }
        let (namespace, name) = text.split_once('/').ok_or(InvalidIngressCa)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let is_name = |text: &str| !text.is_empty() && text.chars().all(plain);
        let named = is_name(namespace) && is_name(name);
        let named = named.then(|| (namespace.to_owned(), name.to_owned()));
        named.map(|it| Self(Some(it))).ok_or(InvalidIngressCa)
    }
}

// === impl Authorities ===

impl Authorities {
    pub(super) fn new(from: IngressCa) -> Self {
        let pem = match from.0 {
            Some(_) => Sought::Syncing,
            None => Sought::Absent,
        };
        let pem = Mutex::new(pem);
        Self { from, pem }
    }

    /// Follows the `ConfigMap`, and wakes whom it concerns each time that it says something else. Never returns.
    pub(super) async fn keep(&self, client: &Client, wake: impl Fn()) {
        let Some((namespace, name)) = &self.from.0 else {
            return std::future::pending().await;
        };
        let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        let tell = |found: Sought<ConfigMap>| {
            if self.take(found.and_then(|map| map.data?.remove(KEY))) {
                wake();
            }
        };
        follow(maps, name, tell).await;
    }

    /// Takes in what is known now; whether that is something else than before.
    pub(super) fn take(&self, pem: Sought<String>) -> bool {
        let mut known = self.pem.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = *known != pem;
        *known = pem;
        differs
    }

    /// The authorities, PEM; empty where there are none, or nobody may look.
    pub(super) fn pem(&self) -> Result<String, Lack> {
        let known = self.pem.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Sought::Found(pem) => Ok(pem.clone()),
            Sought::Syncing => Err(Lack::awaits_authorities()),
            Sought::KindMissing | Sought::Unreadable(_) | Sought::Absent => Ok(String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_map_is_named_with_its_namespace_or_there_is_none() {
        let of = |text: &str| text.parse::<IngressCa>();
        let named = |namespace: &str, name: &str| {
            Ok(IngressCa(Some((namespace.to_owned(), name.to_owned()))))
        };
        assert_eq!(
            of("openshift-config-managed/ca"),
            named("openshift-config-managed", "ca")
        );
        assert_eq!(of("none"), Ok(IngressCa(None)));
        for text in ["", "ca", "/ca", "a/", "a/b/c", "A/b", "a/b?x"] {
            assert_eq!(of(text), Err(InvalidIngressCa), "{text}");
        }
    }

    #[test]
    fn what_is_not_read_yet_is_waited_for_and_what_is_not_there_is_not() {
        let authorities = Authorities::new("a/b".parse().unwrap());
        assert!(authorities.pem().unwrap_err().is_of_sight());
        for (known, pem) in [
            (Sought::Found("PEM".to_owned()), "PEM"),
            (Sought::Absent, ""),
            (Sought::Unreadable("forbidden".into()), ""),
        ] {
            assert!(authorities.take(known.clone()));
            assert!(!authorities.take(known), "nothing new");
            assert_eq!(authorities.pem(), Ok(pem.to_owned()));
        }
        assert_eq!(Authorities::new(IngressCa(None)).pem(), Ok(String::new()));
    }
}
