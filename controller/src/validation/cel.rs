//! The rows of the table as expressions of the Common Expression Language.

use super::{Demand, Rule};

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
                let step = match step {
                    1 => String::new(),
                    step => format!(" && {it} % {step} == 0"),
                };
                format!("{zero}{it} >= {least} && {it} <= {most}{step}")
            }
            Demand::OneOf(words) => format!("{it} in ['', '{}']", words.join("', '")),
            Demand::SameNamespace => return same_namespace(self.field),
            Demand::NamePrefix(most) => format!(
                "size({it}) <= {most} && !{it}.contains('/') && !{it}.contains('\\\\') && !{it}.contains('%')"
            ),
            Demand::Duration => {
                format!("{it} in ['', '0'] || {it}.matches('^([0-9]+([.][0-9]*)?(h|m|s|ms))+$')")
            }
            Demand::NoKeyLike(kept) => {
                let refused: Vec<_> = kept
                    .iter()
                    .map(|kept| format!("key.startsWith('{kept}')"))
                    .collect();
                format!("{it}.all(key, !({}))", refused.join(" || "))
            }
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

/// `namespace` is a reserved word: some versions want it escaped as a property, others do not know the
/// escape. As a key of a map, both forms can be read.
fn same_namespace(path: &str) -> String {
    let parent = path.rsplit_once('.').map_or(path, |(parent, _)| parent);
    let (absent, map) = (absent(parent), at(parent));
    let other = format!("{map}[key] != null && !({map}[key] in ['', request.namespace])");
    format!("{absent} || {map}.all(key, !(key in ['namespace', '__namespace__'] && {other}))")
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
