//! Who is on the other end of a connection, and for which hubs it may speak.

use super::peer::{self, PeerName};
use contract::{
    identity::MANUAL_HUB,
    v1::{Fault, Reason},
};
use std::{collections::BTreeSet, sync::Arc};
use tonic::{Extensions, transport::CertificateDer};

/// The name of a client without a certificate.
const LOOPBACK: &str = "loopback";

/// A client that may call. The gate puts it into the extensions of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    name: Arc<str>,
    hubs: Arc<Hubs>,
}

/// The hubs that a client may act for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hubs {
    /// Any hub, and people: whoever is on this machine.
    All,
    /// Any hub, but not people (hub id `manual`), whom a list must name.
    AllButManual,
    /// These hub ids.
    Only(BTreeSet<String>),
}

/// An entry of the list of allowed clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedClient {
    /// A DNS or URI name in its certificate.
    pub name: String,
    /// The hubs that it may act for.
    pub hubs: Hubs,
}

/// Who may call.
#[derive(Clone, Debug)]
pub(crate) enum Clients {
    /// Everybody who reaches a listener on loopback.
    Loopback(Client),
    /// Who has one of these names in a verified certificate.
    Named(Vec<(PeerName, Client)>),
}

// === impl Client ===

impl Client {
    /// The client of this name, which may act for these hubs. The gate makes it of a certificate.
    pub fn new(name: &str, hubs: Hubs) -> Self {
        Self {
            name: name.into(),
            hubs: Arc::new(hubs),
        }
    }

    /// The client behind a request that came through the gate.
    pub fn of(extensions: &Extensions) -> Result<&Self, Fault> {
        extensions
            .get()
            .ok_or_else(|| Fault::new(Reason::Internal, "the call did not pass the gate"))
    }

    /// The name by which it was allowed; `loopback` without a certificate.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may act for the hub of this id.
    pub fn may_act_for(&self, hub_id: &str) -> Result<(), Fault> {
        let may = match &*self.hubs {
            Hubs::All => true,
            Hubs::AllButManual => hub_id != MANUAL_HUB,
            Hubs::Only(ids) => ids.contains(hub_id),
        };
        if may {
            return Ok(());
        }
        let name = &self.name;
        let what = format!("client `{name}` may not act for hub id `{hub_id}`: its `hubs` lack it");
        Err(Fault::new(Reason::ClientNotAllowed, what).with("client", name))
    }
}

// === impl Clients ===

impl Clients {
    /// Everybody on this machine, as the client `loopback`.
    pub(crate) fn loopback() -> Self {
        Self::Loopback(Client::new(LOOPBACK, Hubs::All))
    }

    /// Those on the list.
    pub(crate) fn named(allowed: &[AllowedClient]) -> Self {
        let entry = |allowed: &AllowedClient| {
            let client = Client::new(&allowed.name, allowed.hubs.clone());
            (PeerName::written(&allowed.name), client)
        };
        Self::Named(allowed.iter().map(entry).collect())
    }

    /// The client that showed this certificate.
    pub(crate) fn identify(&self, leaf: Option<&CertificateDer<'_>>) -> Result<Client, Fault> {
        match self {
            Self::Loopback(client) => Ok(client.clone()),
            Self::Named(allowed) => find(allowed, &names(leaf)?),
        }
    }
}

fn names(leaf: Option<&CertificateDer<'_>>) -> Result<Vec<PeerName>, Fault> {
    let refused = |what| Fault::new(Reason::ClientNotAllowed, what);
    let leaf = leaf.ok_or_else(|| refused("the client showed no certificate"))?;
    peer::names(leaf).map_err(|_| refused("the client's certificate cannot be read"))
}

fn find(allowed: &[(PeerName, Client)], names: &[PeerName]) -> Result<Client, Fault> {
    if let Some((_, client)) = allowed.iter().find(|(name, _)| names.contains(name)) {
        return Ok(client.clone());
    }
    let names: Vec<_> = names.iter().map(PeerName::to_string).collect();
    let names = names.join(", ");
    let what = format!("no name of the client's certificate ({names}) is on the list");
    Err(Fault::new(Reason::ClientNotAllowed, what).with("client", names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(hub_id: &str) -> Hubs {
        Hubs::Only(BTreeSet::from([hub_id.to_owned()]))
    }

    #[test]
    fn a_client_speaks_only_for_its_hubs() {
        for (hubs, hub_id, may) in [
            (Hubs::All, "hub", true),
            (Hubs::All, MANUAL_HUB, true),
            (Hubs::AllButManual, "hub", true),
            (Hubs::AllButManual, MANUAL_HUB, false),
            (only("hub"), "hub", true),
            (only("hub"), "other", false),
            (only("hub"), MANUAL_HUB, false),
            (only(MANUAL_HUB), MANUAL_HUB, true),
        ] {
            let answer = Client::new("c", hubs.clone()).may_act_for(hub_id);
            assert_eq!(answer.is_ok(), may, "{hubs:?} {hub_id}");
        }
    }

    #[test]
    fn a_client_is_known_by_any_of_its_names_of_the_right_kind() {
        let allowed = |name: &str| AllowedClient {
            name: name.into(),
            hubs: Hubs::AllButManual,
        };
        let Clients::Named(list) = Clients::named(&[allowed("A.hub"), allowed("spiffe://b")])
        else {
            panic!("named");
        };
        for (names, wanted) in [
            (
                vec![PeerName::Dns("x".into()), PeerName::Dns("a.hub".into())],
                Ok("A.hub"),
            ),
            (vec![PeerName::Uri("spiffe://b".into())], Ok("spiffe://b")),
            (vec![PeerName::Uri("a.hub".into())], Err("a.hub")),
            (vec![], Err("")),
        ] {
            let found = find(&list, &names);
            let found = found.as_ref().map(Client::name).map_err(|fault| {
                assert_eq!(fault.reason(), Reason::ClientNotAllowed);
                fault.metadata["client"].as_str()
            });
            assert_eq!(found, wanted, "{names:?}");
        }
    }

    #[test]
    fn without_a_list_or_a_certificate_nobody_is_allowed() {
        let nobody = Clients::named(&[]);
        assert_eq!(
            nobody.identify(None).unwrap_err().reason(),
            Reason::ClientNotAllowed
        );
    }
}
