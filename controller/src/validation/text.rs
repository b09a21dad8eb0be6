//! The rows of the table as sentences.

use super::{Demand, Rule};

// === impl Rule ===

impl Rule {
    /// The demand as a sentence without a full stop.
    pub(super) fn text(&self) -> String {
        let field = self.field;
        match self.demand {
            Demand::Between {
                least,
                most,
                step,
                zero,
            } => {
                let zero = if zero { ", or 0 for the default" } else { "" };
                let step = match step {
                    1 => String::new(),
                    step => format!(" and divisible by {step}"),
                };
                let most = match most {
                    most if most == i64::from(i32::MAX) => " or more".to_owned(),
                    most => format!(" to {most}"),
                };
                format!("spec.{field} must be {least}{most}{step}{zero}")
            }
            Demand::OneOf(words) => format!("spec.{field} must be one of {}", words.join(", ")),
            Demand::SameNamespace => {
                format!("spec.{field} must be left out, or be the namespace of this object")
            }
            Demand::NamePrefix(most) => format!(
                "spec.{field} must have at most {most} characters, without slash, backslash and percent"
            ),
            Demand::Url => format!(
                "spec.{field} must begin with https:// or http://, and have a host and no user name"
            ),
            Demand::Digest => format!("spec.{field} must be 64 hexadecimal digits"),
            Demand::Duration => format!("spec.{field} must be a duration as in 5m or 1h30m"),
            Demand::Deadline => format!("spec.{field} must be a duration longer than 0, as in 3m"),
            Demand::Together(_, below) => {
                format!("spec.{field} must have deadlines of less than {below} together")
            }
            Demand::Labels => {
                format!("spec.{field} must have keys and values that labels can have")
            }
            Demand::NoKeyLike(kept) => {
                format!(
                    "spec.{field} must have no key that begins with {}",
                    kept.join(" or ")
                )
            }
            Demand::NeededWhen(other, word) => {
                format!("spec.{field} must be given where spec.{other} is {word}")
            }
            Demand::NeededUnless(other) => {
                format!("spec.{field} must be given unless spec.{other} is true")
            }
            Demand::AtMost(other) => format!("spec.{field} must be at most spec.{other}"),
            Demand::SameAs(other) => {
                format!("spec.{field} must be the same as spec.{other}, or be left out")
            }
        }
    }
}
