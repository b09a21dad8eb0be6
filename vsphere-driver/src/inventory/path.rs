//! Inventory paths and the escapes in their names.
//!
//! vCenter writes `/`, `\` and `%` in a name as `%2f`, `%5c` and `%25`, so that `/` parts names only.

const ESCAPES: [(&str, char); 3] = [("%2f", '/'), ("%5c", '\\'), ("%25", '%')];

/// A name for people: escapes are resolved, in either case; any other `%` stays as it is.
pub fn decode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).map(str::to_ascii_lowercase);
        let found = ESCAPES
            .iter()
            .find(|(text, _)| Some(*text) == escape.as_deref());
        let (c, length) = found.map_or(('%', 1), |(_, c)| (*c, 3));
        out.push(c);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// A name as vCenter writes it.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match ESCAPES.iter().find(|(_, escaped)| *escaped == c) {
            Some((escape, _)) => out.push_str(escape),
            None => out.push(c),
        }
    }
    out
}

/// `/DC0/vm/a` from its names as vCenter writes them.
pub fn absolute<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    path
}

/// The names of a path, decoded; empty ones are dropped.
pub fn split(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_both_ways() {
        for (plain, escaped) in [
            ("a/b", "a%2fb"),
            ("50%", "50%25"),
            (r"x\y", "x%5cy"),
            ("é", "é"),
        ] {
            assert_eq!(encode(plain), escaped);
            assert_eq!(decode(escaped), plain);
        }
    }

    #[test]
    fn a_percent_sign_that_is_no_escape_stays() {
        for name in ["50%", "%", "%2", "%zz", "%é"] {
            assert_eq!(decode(name), name);
        }
        assert_eq!(decode("a%2Fb"), "a/b");
    }

    #[test]
    fn a_path_falls_into_its_names() {
        assert_eq!(split("/DC0/vm/a%2fb/"), ["DC0", "vm", "a/b"]);
        assert_eq!(absolute(["DC0", "vm", "a%2fb"]), "/DC0/vm/a%2fb");
    }
}
