//! The shape of the configuration file, and the rules that make it a [`Config`].

use super::{
    Config, ConfigError, Trust, VcenterConfig,
    iso::{self, IsoEntry},
};
use crate::edge::client::{AllowedClient, Hubs};
use contract::identity::is_id;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    allowed_clients: Vec<ClientEntry>,
    #[serde(default)]
    vcenters: Vec<VcenterEntry>,
    #[serde(default)]
    iso: IsoEntry,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    name: String,
    hubs: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VcenterEntry {
    name: String,
    server: String,
    username: String,
    password_file: PathBuf,
    trust: Option<TrustEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustEntry {
    ca_file: Option<PathBuf>,
    sha256_thumbprint: Option<String>,
    insecure: Option<bool>,
}

/// A field that cannot be, and why.
pub(super) struct Problem(pub(super) String, pub(super) &'static str);

/// The configuration in `text`, the contents of the file `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line(text, error.span().map_or(0, |span| span.start)),
        problem: error.message().to_owned(),
    })?;
    check(file, path.parent().unwrap_or(Path::new(""))).map_err(|Problem(field, problem)| {
        ConfigError::Field {
            path: path.to_owned(),
            field,
            problem: problem.to_owned(),
        }
    })
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn check(file: File, folder: &Path) -> Result<Config, Problem> {
    let File {
        allowed_clients,
        vcenters,
        iso,
    } = file;
    let clients = allowed_clients.into_iter().enumerate();
    let allowed_clients = clients
        .map(|(i, entry)| allowed_client(entry, &format!("allowed_clients[{i}]")))
        .collect::<Result<Vec<_>, _>>()?;
    let entries = vcenters.into_iter().enumerate();
    let vcenters = entries
        .map(|(i, entry)| vcenter(entry, folder, &format!("vcenters[{i}]")))
        .collect::<Result<Vec<_>, _>>()?;
    unique(
        "allowed_clients",
        allowed_clients.iter().map(|c| c.name.to_ascii_lowercase()),
    )?;
    unique("vcenters", vcenters.iter().map(|v| v.name.clone()))?;
    Ok(Config {
        allowed_clients,
        vcenters,
        iso: iso::check(iso)?,
    })
}

fn unique(list: &str, names: impl Iterator<Item = String>) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(Problem(format!("{list}[{i}].name"), "is there twice"));
        }
    }
    Ok(())
}

fn allowed_client(entry: ClientEntry, at: &str) -> Result<AllowedClient, Problem> {
    let ClientEntry { name, hubs } = entry;
    if name.trim().is_empty() {
        return Err(Problem(format!("{at}.name"), "must not be empty"));
    }
    let hubs = match hubs {
        None => Hubs::AllButManual,
        Some(ids) if ids.iter().all(|id| is_id(id)) => Hubs::Only(ids),
        Some(_) => {
            let problem = "must have ids of 1 to 63 characters of `A-Za-z0-9._-`";
            return Err(Problem(format!("{at}.hubs"), problem));
        }
    };
    Ok(AllowedClient { name, hubs })
}

fn vcenter(entry: VcenterEntry, folder: &Path, at: &str) -> Result<VcenterConfig, Problem> {
    let VcenterEntry {
        name,
        server,
        username,
        password_file,
        trust,
    } = entry;
    if !is_id(&name) {
        let problem = "must be 1 to 63 characters of `A-Za-z0-9._-`";
        return Err(Problem(format!("{at}.name"), problem));
    }
    for (field, value) in [("server", &server), ("username", &username)] {
        if value.trim().is_empty() {
            return Err(Problem(format!("{at}.{field}"), "must not be empty"));
        }
    }
    Ok(VcenterConfig {
        name,
        server,
        username,
        password_file: folder.join(password_file),
        trust: trust_of(trust, folder, &format!("{at}.trust"))?,
    })
}

fn trust_of(entry: Option<TrustEntry>, folder: &Path, at: &str) -> Result<Trust, Problem> {
    let Some(entry) = entry else {
        return Ok(Trust::System);
    };
    match (entry.ca_file, entry.sha256_thumbprint, entry.insecure) {
        (Some(file), None, None) => Ok(Trust::CaFile(folder.join(file))),
        (None, Some(digits), None) => {
            thumbprint(&digits)
                .map(Trust::Sha256Thumbprint)
                .ok_or_else(|| {
                    let problem = "must be 64 hexadecimal digits, colons allowed";
                    Problem(format!("{at}.sha256_thumbprint"), problem)
                })
        }
        (None, None, Some(true)) => Ok(Trust::Insecure),
        _ => Err(Problem(
            at.to_owned(),
            "must have exactly one of `ca_file`, `sha256_thumbprint` and `insecure = true`",
        )),
    }
}

fn thumbprint(text: &str) -> Option<[u8; 32]> {
    let digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::IsoConfig, iso::store::Settings};

    fn parsed(text: &str) -> Result<Config, String> {
        parse(Path::new("/etc/driver/config.toml"), text).map_err(|error| error.to_string())
    }

    fn one_vcenter(trust: &str) -> Result<Config, String> {
        parsed(&format!(
            "[[vcenters]]\nname = 'lab'\nserver = '127.0.0.1:8989'\nusername = 'u'\n\
             password_file = 'password'\n{trust}"
        ))
    }

    #[test]
    fn a_whole_file_is_understood() {
        let config = parsed(
            "[[allowed_clients]]\nname = 'controller.hub'\nhubs = ['hub-1', 'manual']\n\
             [[allowed_clients]]\nname = 'spiffe://hub/c'\n\
             [[vcenters]]\nname = 'lab'\nserver = '127.0.0.1:8989'\nusername = 'u'\n\
             password_file = 'password'\n\
             [[vcenters]]\nname = 'far'\nserver = 'vc'\nusername = 'u'\n\
             password_file = '/run/password'\ntrust.insecure = true\n\
             [iso]\nfolder = 'isos'\n",
        );
        let hubs = Hubs::Only(["hub-1".to_owned(), "manual".to_owned()].into());
        let client = |name: &str, hubs| AllowedClient {
            name: name.into(),
            hubs,
        };
        let vcenter = |name: &str, server: &str, file: &str, trust| VcenterConfig {
            name: name.into(),
            server: server.into(),
            username: "u".into(),
            password_file: file.into(),
            trust,
        };
        assert_eq!(
            config,
            Ok(Config {
                allowed_clients: vec![
                    client("controller.hub", hubs),
                    client("spiffe://hub/c", Hubs::AllButManual),
                ],
                vcenters: vec![
                    vcenter(
                        "lab",
                        "127.0.0.1:8989",
                        "/etc/driver/password",
                        Trust::System
                    ),
                    vcenter("far", "vc", "/run/password", Trust::Insecure),
                ],
                iso: IsoConfig {
                    files: Settings {
                        folder: "isos".into(),
                        ..Settings::default()
                    },
                    ..IsoConfig::default()
                },
            })
        );
        assert_eq!(parsed(""), Ok(Config::default()));
    }

    #[test]
    fn each_kind_of_trust_is_told_apart() {
        let digits = "AB:".repeat(31) + "ab";
        for (text, trust) in [
            ("", Trust::System),
            (
                "trust.ca_file = 'ca.pem'",
                Trust::CaFile("/etc/driver/ca.pem".into()),
            ),
            (
                &format!("trust.sha256_thumbprint = '{digits}'"),
                Trust::Sha256Thumbprint([0xab; 32]),
            ),
            ("trust.insecure = true", Trust::Insecure),
        ] {
            assert_eq!(
                one_vcenter(text).unwrap().vcenters[0].trust,
                trust,
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_field_is_named_with_its_file() {
        let exactly =
            "must have exactly one of `ca_file`, `sha256_thumbprint` and `insecure = true`";
        for (error, text) in [
            (
                "line 6: unknown field `colour`, expected one of `name`, `server`, `username`, \
                 `password_file`, `trust`",
                "colour = 'red'",
            ),
            (
                "vcenters[0].trust.sha256_thumbprint must be 64 hexadecimal digits, colons allowed",
                "trust.sha256_thumbprint = 'abc'",
            ),
            (&format!("vcenters[0].trust {exactly}"), "trust = {}"),
            (
                &format!("vcenters[0].trust {exactly}"),
                "trust.insecure = false",
            ),
            (
                &format!("vcenters[0].trust {exactly}"),
                "trust = { insecure = true, ca_file = 'a' }",
            ),
            (
                "vcenters[1].name is there twice",
                "[[vcenters]]\nname='lab'\nserver='a'\nusername='u'\npassword_file='p'",
            ),
            (
                "vcenters[1].server must not be empty",
                "[[vcenters]]\nname='b'\nserver=' '\nusername='u'\npassword_file='p'",
            ),
            (
                "vcenters[1].name must be 1 to 63 characters of `A-Za-z0-9._-`",
                "[[vcenters]]\nname='a/b'\nserver='a'\nusername='u'\npassword_file='p'",
            ),
            (
                "allowed_clients[0].name must not be empty",
                "[[allowed_clients]]\nname = ''",
            ),
            (
                "allowed_clients[1].name is there twice",
                "[[allowed_clients]]\nname = 'a'\n[[allowed_clients]]\nname = 'A'",
            ),
            (
                "allowed_clients[0].hubs must have ids of 1 to 63 characters of `A-Za-z0-9._-`",
                "[[allowed_clients]]\nname = 'a'\nhubs = ['a/b']",
            ),
        ] {
            let wanted = format!("/etc/driver/config.toml: {error}");
            assert_eq!(one_vcenter(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        let error = one_vcenter("password = 'canary'").unwrap_err();
        assert!(
            error.contains("`password`") && !error.contains("canary"),
            "{error}"
        );
    }

    #[test]
    fn the_example_of_the_readme_is_taken_as_it_stands() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let blocks = readme.split("```toml\n").skip(1);
        let mut blocks = blocks.filter_map(|block| block.split("\n```").next());
        let example = blocks.find(|block| block.contains("[[allowed_clients]]"));
        let config = parsed(example.expect("an example")).expect("it is taken");
        assert_eq!(
            (config.vcenters.len(), config.allowed_clients.len()),
            (1, 2)
        );
        assert_eq!(config.iso.sources.allowed.len(), 3);
    }
}
