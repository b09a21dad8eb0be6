//! The rows of the table as expressions of the Common Expression Language.

use super::{DIGEST, Demand, Rule, URL};

/// A duration as Go writes it, but for `0`.
const DURATION: &str = "^([0-9]+([.][0-9]*)?(h|m|s|ms))+$";

/// The address of a web server: a scheme, and a host without a user.
const ADDRESS: &str = "^https?://[^/?#@]+([/?#].*)?$";
/// Neither blanks nor what cannot be printed.
const GRAPHIC: &str = "^[!-~]*$";

/// The key of a label: a name, after the name of a domain where there is one.
const KEY: &str =
    "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// Its value.
const VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";

// === impl Rule ===

impl Rule {
    /// True where the rule holds, of `object` and `request`.
    pub(super) fn cel(&self) -> String {
        let it = at(self.field);
        let absent = absent(self.field);
        let demand = match self.demand {
            Demand::NeededWhen(other, word) => {
                return format!(
                    "{} || {} != '{word}' || !({absent} || {it} == '')",
                    self::absent(other),
                    at(other)
                );
            }
            Demand::NeededUnless(other) => {
                return format!(
                    "!({} || !{}) || !({absent} || {it} == '')",
                    self::absent(other),
                    at(other)
                );
            }
            Demand::Between {
                least,
                most,
                step,
                zero,
            } => {
                let zero = if zero {
                    format!("{it} == 0 || ")
                } else {
                    String::new()
                };
                zero + &between(&it, (least, most), step)
            }
            Demand::OneOf(words) => format!("{it} in ['', '{}']", words.join("', '")),
            Demand::SameNamespace => return same_namespace(self.field),
            Demand::NamePrefix(most) => format!(
                "size({it}) <= {most} && !{it}.contains('/') && !{it}.contains('\\\\') && !{it}.contains('%')"
            ),
            Demand::Url => url(&it),
            Demand::Digest => format!("{it} == '' || {it}.matches('^[0-9A-Fa-f]{{{DIGEST}}}$')"),
            Demand::Duration => format!("{it} in ['', '0'] || {it}.matches('{DURATION}')"),
            Demand::Deadline => {
                let longer = format!("duration({it}) > duration('0s')");
                format!("{it} == '' || {it}.matches('{DURATION}') && {longer}")
            }
            Demand::Together(parts, below) => {
                let parts = parts.iter().map(|(name, default)| part(&it, name, default));
                let sum: Vec<_> = parts.collect();
                format!("{} < duration('{below}')", sum.join(" + "))
            }
            Demand::Labels => {
                format!("{it}.all(key, key.matches('{KEY}') && {it}[key].matches('{VALUE}'))")
            }
            Demand::NoKeyLike(kept) => no_key_like(&it, kept),
            Demand::AtMost(other) => {
                format!("{} || {it} <= {}", self::absent(other), at(other))
            }
            Demand::SameAs(other) => {
                format!("{} || {it} == {}", self::absent(other), at(other))
            }
        };
        format!("{absent} || {demand}")
    }
}

fn between(it: &str, (least, most): (i64, i64), step: i64) -> String {
    let step = match step {
        1 => String::new(),
        step => format!(" && {it} % {step} == 0"),
    };
    format!("{it} >= {least} && {it} <= {most}{step}")
}

fn url(it: &str) -> String {
    let good = format!("{it}.matches('{ADDRESS}') && {it}.matches('{GRAPHIC}')");
    format!("{it} == '' || size({it}) <= {URL} && {good}")
}

fn no_key_like(it: &str, kept: &[&str]) -> String {
    let refused = kept.iter().map(|kept| format!("key.startsWith('{kept}')"));
    let refused: Vec<_> = refused.collect();
    format!("{it}.all(key, !({}))", refused.join(" || "))
}

/// `namespace` is a reserved word: some versions want it escaped as a property, others do not know the
/// escape. As a key of a map, both forms can be read.
fn same_namespace(path: &str) -> String {
    let parent = path.rsplit_once('.').map_or(path, |(parent, _)| parent);
    let (absent, map) = (absent(parent), at(parent));
    let other = format!("{map}[key] != null && !({map}[key] in ['', request.namespace])");
    format!("{absent} || {map}.all(key, !(key in ['namespace', '__namespace__'] && {other}))")
}

/// The duration of this name in `object`, or else the other. What is none is said by another row.
fn part(object: &str, name: &str, default: &str) -> String {
    let it = format!("{object}.{name}");
    let given = format!("has({it}) && {it} != null && {it} != ''");
    let read = format!("{it}.matches('{DURATION}') ? duration({it}) : duration('0s')");
    format!("({given} ? ({read}) : duration('{default}'))")
}

fn at(path: &str) -> String {
    format!("object.spec.{path}")
}

/// True where something on the path is absent or null.
fn absent(path: &str) -> String {
    let ends = path
        .match_indices('.')
        .map(|(end, _)| end)
        .chain([path.len()]);
    let parts: Vec<_> = ends
        .map(|end| at(&path[..end]))
        .map(|part| format!("!has({part}) || {part} == null"))
        .collect();
    parts.join(" || ")
}
