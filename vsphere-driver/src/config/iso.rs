//! `[iso]`: where ISOs may come from, where they lie, and how long.

use super::file::Problem;
use crate::iso::{
    source::{Rules, allowed::Allowed},
    store::Settings,
};
use serde::Deserialize;
use std::time::Duration;

/// Longest name of the folder.
const MAX_FOLDER: usize = 64;

/// What the configuration says of ISOs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsoConfig {
    /// Which URLs are fetched.
    pub sources: Rules,
    /// Where files lie, and how long.
    pub files: Settings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IsoEntry {
    #[serde(default)]
    allowed_sources: Vec<String>,
    #[serde(default)]
    allow_http: bool,
    max_bytes: Option<u64>,
    folder: Option<String>,
    grace: Option<String>,
}

/// The checked form of an entry.
pub(super) fn check(entry: IsoEntry) -> Result<IsoConfig, Problem> {
    let IsoEntry {
        allowed_sources,
        allow_http,
        max_bytes,
        folder,
        grace,
    } = entry;
    let default = IsoConfig::default();
    let allowed = allowed_sources.iter().enumerate().map(|(i, text)| {
        let problem = "must be a host name, `*.` with one, or a network as `10.0.0.0/8`";
        text.parse::<Allowed>()
            .map_err(|_| Problem(format!("iso.allowed_sources[{i}]"), problem))
    });
    let sources = Rules {
        allowed: allowed.collect::<Result<_, _>>()?,
        allow_http,
        max_bytes: max_bytes.unwrap_or(default.sources.max_bytes),
    };
    if sources.max_bytes == 0 {
        return Err(Problem("iso.max_bytes".into(), "must be at least 1"));
    }
    let folder = folder.unwrap_or(default.files.folder);
    if !is_folder(&folder) {
        let problem = "must be 1 to 64 characters of `A-Za-z0-9._-`, and not begin with a dot";
        return Err(Problem("iso.folder".into(), problem));
    }
    let grace = match grace {
        None => default.files.grace,
        Some(text) => duration(&text).ok_or_else(|| {
            let problem = "must be a number with `s`, `m`, `h` or `d`, as `24h`, and at least `1s`";
            Problem("iso.grace".into(), problem)
        })?,
    };
    Ok(IsoConfig {
        sources,
        files: Settings { folder, grace },
    })
}

fn is_folder(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=MAX_FOLDER).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('.')
}

fn duration(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<IsoConfig, String> {
        let entry = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        check(entry).map_err(|Problem(field, problem)| format!("{field} {problem}"))
    }

    #[test]
    fn a_whole_table_is_understood_and_an_empty_one_is_the_default() {
        let config = checked(
            "allowed_sources = ['Images.example', '*.apps.example', '10.0.0.0/8', '::1']\n\
             allow_http = true\nmax_bytes = 1024\nfolder = 'hub-2'\ngrace = '90m'\n",
        );
        let entries = ["images.example", "*.apps.example", "10.0.0.0/8", "::1"];
        let allowed = entries.map(|entry| entry.parse().unwrap()).into();
        assert_eq!(
            config,
            Ok(IsoConfig {
                sources: Rules {
                    allowed,
                    allow_http: true,
                    max_bytes: 1_024,
                },
                files: Settings {
                    folder: "hub-2".into(),
                    grace: Duration::from_mins(90),
                },
            })
        );
        assert_eq!(checked(""), Ok(IsoConfig::default()));
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (text, field) in [
            (
                "allowed_sources = ['a', 'https://b']",
                "iso.allowed_sources[1]",
            ),
            ("allowed_sources = ['10.0.0.1/8']", "iso.allowed_sources[0]"),
            ("max_bytes = 0", "iso.max_bytes"),
            ("folder = ''", "iso.folder"),
            ("folder = '..'", "iso.folder"),
            ("folder = 'a/b'", "iso.folder"),
            ("folder = '[ds] a'", "iso.folder"),
            ("grace = ''", "iso.grace"),
            ("grace = '24'", "iso.grace"),
            ("grace = '0h'", "iso.grace"),
            ("grace = '-1h'", "iso.grace"),
            ("grace = '1ü'", "iso.grace"),
            ("grace = '99999999999999999999d'", "iso.grace"),
            ("colour = 'red'", "unknown field `colour`"),
        ] {
            let error = checked(text).expect_err(text);
            assert!(error.starts_with(field), "{text}: {error}");
        }
    }
}
