//! The certificates of a lab: one authority, and a leaf for each who needs one.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::error::Result;
use crate::files;

/// Names that the controller's certificate bears.
pub const CONTROLLER: &str = "controller.hub";
/// Name of the certificate that a person uses.
pub const PERSON: &str = "person.hub";
/// Name of a certificate that is in order, and on nobody's list.
pub const STRANGER: &str = "stranger.hub";

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// All certificates of a lab.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate, PEM.
    pub authority: PathBuf,
    /// An authority that signed none of them, PEM.
    pub other_authority: PathBuf,
    /// The authority of the image service, PEM: it signed nothing else.
    pub images_authority: PathBuf,
    /// Of kube-apiserver.
    pub hub: Leaf,
    /// Of the driver.
    pub driver: Leaf,
    /// Of the simulated vCenter.
    pub vcenter: Leaf,
    /// Of the proxy before it.
    pub proxy: Leaf,
    /// Of the image service.
    pub images: Leaf,
    /// Of the controller, as a client of the driver.
    pub controller: Leaf,
    /// Of a person, as a client of the driver.
    pub person: Leaf,
    /// Of a client that the driver does not know.
    pub stranger: Leaf,
    /// Key pair that kube-apiserver signs service account tokens with: private, public.
    pub service_accounts: (PathBuf, PathBuf),
}

impl Certificates {
    /// Makes all of them in `folder`.
    pub fn make(folder: &Path) -> Result<Self> {
        files::create_private_folder(folder)?;
        let (authority, issuer) = authority(folder, "authority")?;
        let (other_authority, _) = self::authority(folder, "other-authority")?;
        let (images_authority, images) = self::authority(folder, "images-authority")?;
        let signed =
            |issuer, name: &str| leaf(folder, issuer, name, &["localhost", "127.0.0.1"], SERVER);
        let server = |name: &str| signed(&issuer, name);
        let client = |name: &str| leaf(folder, &issuer, name, &[name], CLIENT);
        Ok(Self {
            hub: server("apiserver")?,
            driver: server("driver")?,
            vcenter: server("vcenter")?,
            proxy: server("proxy")?,
            images: signed(&images, "images")?,
            controller: client(CONTROLLER)?,
            person: client(PERSON)?,
            stranger: client(STRANGER)?,
            service_accounts: service_accounts(folder)?,
            authority,
            other_authority,
            images_authority,
        })
    }
}

const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;
const CLIENT: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ClientAuth;

fn authority(folder: &Path, name: &str) -> Result<(PathBuf, Issuer<'static, KeyPair>)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("hcp-vsphere lab {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let path = folder.join(format!("{name}.pem"));
    files::write_private(&path, params.self_signed(&key)?.pem())?;
    Ok((path, Issuer::new(params, key)))
}

fn leaf(
    folder: &Path,
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    alternatives: &[&str],
    purpose: ExtendedKeyUsagePurpose,
) -> Result<Leaf> {
    let alternatives: Vec<String> = alternatives.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(alternatives)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    let leaf = Leaf {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    files::write_private(&leaf.certificate, params.signed_by(&key, issuer)?.pem())?;
    files::write_private(&leaf.key, key.serialize_pem())?;
    Ok(leaf)
}

fn service_accounts(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate()?;
    let (private, public) = (
        folder.join("service-accounts.key"),
        folder.join("service-accounts.pub"),
    );
    files::write_private(&private, key.serialize_pem())?;
    files::write_private(&public, key.public_key_pem())?;
    Ok((private, public))
}
