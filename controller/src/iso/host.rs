//! The host of a URL, read so strictly that nobody reads another one in it.

/// The host of this URL, without its port; `None` if there is any doubt.
pub(super) fn host(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_known = ["http", "https"]
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it));
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => &authority[..=rest.find(']')? + 1],
        None => authority.split(':').next()?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    let is_plain = !host.is_empty() && host.chars().all(plain) && is_port(&authority[host.len()..]);
    // What some read as the end of a host, and others as a part of it.
    let unclear = |c: char| c == '\\' || c.is_control() || c.is_whitespace();
    (is_known && is_plain && !url.contains(unclear)).then_some(host)
}

fn is_port(text: &str) -> bool {
    let digits = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_where_nobody_reads_another_one() {
        for (url, expected) in [
            ("https://images.example/a.iso", Some("images.example")),
            ("HTTPS://images.example:8443?a", Some("images.example")),
            ("http://10.0.0.1:80", Some("10.0.0.1")),
            ("https://[fd00::1]:443/a", Some("[fd00::1]")),
            ("https://images.example#a@b", Some("images.example")),
            ("https://a@images.example/", None),
            ("https://images.example:p@other.example/", None),
            ("https://images.example:@other.example/", None),
            ("https://other.example\\.images.example/", None),
            ("https://images.example\\@other.example/", None),
            ("https://ima\tges.example/", None),
            ("https://images.example /", None),
            ("https:///images.example", None),
            ("https:images.example", None),
            ("ftp://images.example/", None),
            ("https://images%2eexample/", None),
            ("https://[fd00::1/", None),
            ("https://[fd00::1]x/", None),
            ("images.example", None),
            ("", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
