//! The forms that a secret may take on its way into a text.

use crate::hexadecimal::hexadecimal;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Each form with its name; a form that is like the plain one is left out.
pub(super) fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let upper = escaped(secret, |byte| format!("%{byte:02X}"));
    let mut forms = vec![
        ("XML", xml(secret)),
        ("JSON", escaped_json(secret)),
        ("percent-encoded", upper),
        (
            "percent-encoded",
            escaped(secret, |byte| format!("%{byte:02x}")),
        ),
        ("hexadecimal", hexadecimal(secret.as_bytes())),
    ];
    for before in 0..3 {
        let code = base64(secret.as_bytes(), before);
        forms.push(("base64", code.replace('+', "-").replace('/', "_")));
        forms.push(("base64", code));
    }
    forms.retain(|(_, form)| form != secret);
    forms.sort();
    forms.dedup();
    forms.insert(0, ("plain", secret.to_owned()));
    forms
}

fn xml(secret: &str) -> String {
    let entities = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;")];
    let replace = |text: String, (character, entity): (char, &str)| text.replace(character, entity);
    entities.into_iter().fold(secret.to_owned(), replace)
}

/// As Go writes it; Rust's and kubectl's JSON leaves all of it plain.
fn escaped_json(secret: &str) -> String {
    let escape = |character: char| match character {
        '&' | '<' | '>' => format!("\\u{:04x}", u32::from(character)),
        other => other.to_string(),
    };
    secret.chars().map(escape).collect()
}

fn escaped(secret: &str, escape: impl Fn(u8) -> String) -> String {
    let write = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => escape(other),
    };
    secret.bytes().map(write).collect()
}

/// The part of the code that does not depend on what is before and after, when so many bytes (of three)
/// are before.
fn base64(secret: &[u8], before: usize) -> String {
    // The first bytes share their characters with what is before them.
    let whole = &secret[(3 - before) % 3..];
    let groups = whole.chunks_exact(3);
    let write = |group: &[u8]| {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits >> shift & 63]))
    };
    groups.flat_map(write).collect()
}
