//! What a Secret says about a vCenter.

use crate::driver::{Login, LoginPart, Trust};
use k8s_openapi::api::core::v1::Secret;

/// Keys of the address: ours, and the companion's.
const SERVER: [&str; 2] = ["server", "vCenter"];

/// A Secret that does not say how to log in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// A key is missing or empty.
    #[error("the Secret has no `{0}`. Add the key")]
    Missing(&'static str),
    /// A value is not text.
    #[error("`{0}` in the Secret is not UTF-8 text. Correct the value")]
    NotText(&'static str),
    /// The driver can do nothing with a value.
    #[error("`{}` in the Secret {problem}. Correct the value", key(*part))]
    Unusable {
        /// Whose value it is.
        part: LoginPart,
        /// What is wrong with it, as what follows its name.
        problem: String,
    },
}

/// The key that has this part of a login.
fn key(part: LoginPart) -> &'static str {
    match part {
        LoginPart::Server => SERVER[0],
        LoginPart::Username => "username",
        LoginPart::Password => "password",
        LoginPart::CaBundle => "cacertificate",
        LoginPart::Thumbprint => "thumbprint",
    }
}

/// How to log in, by this Secret.
pub fn login(secret: &Secret) -> Result<Login, InvalidSecret> {
    let server = SERVER
        .iter()
        .map(|key| text(secret, key))
        .find(|found| found != &Ok(None));
    let needed = |key| text(secret, key)?.ok_or(InvalidSecret::Missing(key));
    Ok(Login {
        server: server
            .unwrap_or(Ok(None))?
            .ok_or(InvalidSecret::Missing("server"))?,
        username: needed("username")?,
        password: needed("password")?,
        trust: trust(secret)?,
    })
}

fn trust(secret: &Secret) -> Result<Trust, InvalidSecret> {
    if let Some(thumbprint) = text(secret, "thumbprint")? {
        return Ok(Trust::Thumbprint(thumbprint));
    }
    if let Some(bundle) = text(secret, "cacertificate")? {
        return Ok(Trust::CaBundle(bundle));
    }
    let insecure = text(secret, "insecure")?.as_deref() == Some("true");
    Ok(if insecure {
        Trust::Insecure
    } else {
        Trust::System
    })
}

/// The value without the line breaks that editors add; `None` if there is none.
fn text(secret: &Secret, key: &'static str) -> Result<Option<String>, InvalidSecret> {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let Some(value) = value else { return Ok(None) };
    let text = std::str::from_utf8(&value.0).map_err(|_| InvalidSecret::NotText(key))?;
    let text = text.trim_end_matches(['\r', '\n']);
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn secret(pairs: &[(&str, &str)]) -> Secret {
        let data = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        Secret {
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    const LOGIN: [(&str, &str); 3] = [("server", "vc"), ("username", "u"), ("password", "p\n")];

    #[test]
    fn the_companions_key_for_the_address_is_taken() {
        let secret = secret(&[("vCenter", "old"), ("username", "u"), ("password", "p")]);
        assert_eq!(login(&secret).unwrap().server, "old");
    }

    #[test]
    fn line_breaks_at_the_end_are_not_part_of_a_value() {
        assert_eq!(login(&secret(&LOGIN)).unwrap().password, "p");
    }

    #[test]
    fn the_strictest_trust_that_is_given_holds() {
        for (extra, trust) in [
            (vec![], Trust::System),
            (vec![("insecure", "true")], Trust::Insecure),
            (vec![("insecure", "false")], Trust::System),
            (
                vec![("insecure", "true"), ("cacertificate", "PEM")],
                Trust::CaBundle("PEM".into()),
            ),
            (
                vec![("cacertificate", "PEM"), ("thumbprint", "aa:bb")],
                Trust::Thumbprint("aa:bb".into()),
            ),
        ] {
            let pairs: Vec<_> = LOGIN.into_iter().chain(extra).collect();
            assert_eq!(login(&secret(&pairs)).unwrap().trust, trust);
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_told_by_its_key() {
        let unusable = InvalidSecret::Unusable {
            part: LoginPart::CaBundle,
            problem: "cannot be used: it holds no certificate".into(),
        };
        assert_eq!(
            unusable.to_string(),
            "`cacertificate` in the Secret cannot be used: it holds no certificate. Correct the value"
        );
    }

    #[test]
    fn a_missing_or_empty_key_is_named() {
        for missing in ["server", "username", "password"] {
            let pairs: Vec<_> = LOGIN
                .into_iter()
                .filter(|(key, _)| *key != missing)
                .collect();
            let error = login(&secret(&pairs)).unwrap_err();
            assert_eq!(error, InvalidSecret::Missing(missing));
        }
        let empty = secret(&[("server", ""), ("username", "u"), ("password", "p")]);
        assert_eq!(login(&empty), Err(InvalidSecret::Missing("server")));
    }
}
