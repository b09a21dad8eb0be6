//! The names in a client's certificate.

use std::fmt;
use x509_parser::{
    certificate::X509Certificate,
    error::X509Error,
    extensions::GeneralName,
    nom,
    prelude::{FromDer as _, ParsedExtension},
};

/// A name of a peer. Kinds are kept apart: nobody gets a URI by writing it into a common name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerName {
    /// A URI, as SPIFFE has it. Compared as it is.
    Uri(String),
    /// A DNS name, in lower case; of a certificate without alternative names its common name.
    Dns(String),
}

/// A certificate that passed TLS but cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("unreadable client certificate")]
pub(crate) struct InvalidCertificate(#[from] nom::Err<X509Error>);

/// The names of the certificate `der`, in its order.
pub(crate) fn names(der: &[u8]) -> Result<Vec<PeerName>, InvalidCertificate> {
    let (_, certificate) = X509Certificate::from_der(der)?;
    Ok(alternative_names(&certificate).unwrap_or_else(|| common_names(&certificate)))
}

/// `None`: it has no such extension, as certificates of old.
fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<PeerName>> {
    let extension = certificate.extensions().iter().find_map(|extension| {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        }
    })?;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some(PeerName::Uri((*uri).to_owned())),
        GeneralName::DNSName(name) => Some(PeerName::dns(name)),
        _ => None,
    };
    Some(extension.iter().filter_map(name).collect())
}

fn common_names(certificate: &X509Certificate<'_>) -> Vec<PeerName> {
    let names = certificate.subject().iter_common_name();
    names
        .filter_map(|name| name.as_str().ok().map(PeerName::dns))
        .collect()
}

// === impl PeerName ===

impl PeerName {
    /// The name that a person wrote into the configuration: a URI if it has a scheme.
    pub(crate) fn written(name: &str) -> Self {
        if name.contains("://") {
            Self::Uri(name.to_owned())
        } else {
            Self::dns(name)
        }
    }

    fn dns(name: &str) -> Self {
        Self::Dns(name.to_ascii_lowercase())
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(name) | Self::Dns(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn certificate(common_name: &str, names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn each_kind_of_certificate_has_its_names() {
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |name: &str| SanType::URI(name.try_into().unwrap());
        for (why, names_in_it, wanted) in [
            (
                "alternative names hide the common name",
                vec![dns("Controller.hub"), uri("spiffe://hub/Controller")],
                vec![
                    PeerName::Dns("controller.hub".into()),
                    PeerName::Uri("spiffe://hub/Controller".into()),
                ],
            ),
            (
                "without alternative names the common name counts",
                vec![],
                vec![PeerName::Dns("old.client".into())],
            ),
            (
                "an address is no name",
                vec![SanType::IpAddress([127, 0, 0, 1].into())],
                vec![],
            ),
        ] {
            let der = certificate("Old.client", names_in_it);
            assert_eq!(names(&der).unwrap(), wanted, "{why}");
        }
    }

    #[test]
    fn a_common_name_is_never_a_uri() {
        let der = certificate("spiffe://hub/controller", vec![]);
        let written = PeerName::written("spiffe://hub/controller");
        assert!(!names(&der).unwrap().contains(&written));
    }

    #[test]
    fn rubbish_is_an_error() {
        names(b"rubbish").unwrap_err();
    }
}
