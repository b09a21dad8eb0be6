//! A URL for people: without what lets somebody else fetch it.

use reqwest::Url;

const HIDDEN: &str = "***";
/// Path segments behind which an image service puts what it is asked with.
const BEFORE_SECRETS: [&str; 6] = ["byapikey", "bytoken", "byid", "token", "key", "apikey"];
/// Longest run of letters that is taken for a word.
const LONGEST_WORD: usize = 20;
/// Longest run of letters and digits that is taken for a word or number.
const LONGEST_MIXED: usize = 12;
/// From this length on, capitals, small letters and digits together are taken for a token.
const TOKEN: usize = 24;

/// `url` without user, query and fragment, and with `***` for each segment of its path that may be a
/// secret: what follows a word as `byapikey`, an identity, and anything that is not made of words and
/// numbers.
pub(super) fn masked(url: &Url) -> String {
    let mut out = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        out.push(':');
        out.push_str(&port.to_string());
    }
    let mut before = "";
    for segment in url.path_segments().into_iter().flatten() {
        out.push('/');
        let is_after_marker = BEFORE_SECRETS
            .iter()
            .any(|marker| before.eq_ignore_ascii_case(marker));
        before = segment;
        if is_plain(segment) && (segment.is_empty() || !is_after_marker) {
            out.push_str(segment);
        } else {
            out.push_str(HIDDEN);
            // That it is an ISO is no secret, and helps to see what is meant.
            if segment.to_ascii_lowercase().ends_with(".iso") {
                out.push_str(".iso");
            }
        }
    }
    out
}

fn is_plain(segment: &str) -> bool {
    let has = |class: fn(&char) -> bool| segment.chars().any(|c| class(&c));
    let is_mixed =
        has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
    let is_separator = |c: char| matches!(c, '-' | '_' | '.' | '~' | '+');
    segment.split(is_separator).all(is_word_or_number)
        && !is_uuid(segment)
        && !(is_mixed && segment.len() >= TOKEN)
}

fn is_word_or_number(run: &str) -> bool {
    let longest = if run.chars().all(|c| c.is_ascii_alphabetic()) {
        LONGEST_WORD
    } else {
        LONGEST_MIXED
    };
    run.len() <= longest && run.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_uuid(segment: &str) -> bool {
    let is_hex = |run: &str| run.chars().all(|c| c.is_ascii_hexdigit());
    let stem = segment.split('.').next().unwrap_or_default();
    let runs: Vec<_> = stem.split('-').collect();
    runs.iter().map(|run| run.len()).eq([8, 4, 4, 4, 12]) && runs.iter().all(|run| is_hex(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_others_fetch_is_hidden_and_the_rest_shown() {
        let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJpbmZyYV9lbnZfaWQiOiIxIn0.c2ln-bmF0dXJl_x";
        for (url, shown) in [
            (
                format!("https://images.example/byapikey/{jwt}/4.16/x86_64/minimal.iso"),
                "https://images.example/byapikey/***/4.16/x86_64/minimal.iso",
            ),
            (
                "https://i.example/bytoken/a1/full.iso".into(),
                "https://i.example/bytoken/***/full.iso",
            ),
            (
                "https://i.example/images/6f1ed002-ab59-4e5f-bd7f-3c1b5f0d8c11/x.iso".into(),
                "https://i.example/images/***/x.iso",
            ),
            (
                "https://i.example/6f1ed002-ab59-4e5f-bd7f-3c1b5f0d8c11.iso".into(),
                "https://i.example/***.iso",
            ),
            (
                "https://i.example:8443/x/rhcos-4.16.0-x86_64-live.x86_64.iso?token=c#f".into(),
                "https://i.example:8443/x/rhcos-4.16.0-x86_64-live.x86_64.iso",
            ),
            (
                "https://u:p@i.example/0123456789abcdef0123456789abcdef/a".into(),
                "https://i.example/***/a",
            ),
            (
                "https://i.example/aB3-x_9-Qw8_Zz1-kK2_oO0-pP".into(),
                "https://i.example/***",
            ),
            (
                "https://i.example/a%2fb/c;d=e".into(),
                "https://i.example/***/***",
            ),
            ("https://[fd00::1]:8443".into(), "https://[fd00::1]:8443/"),
        ] {
            assert_eq!(masked(&Url::parse(&url).expect(&url)), shown);
        }
    }
}
