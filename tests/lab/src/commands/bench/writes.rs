//! What our controller writes to the hub, by the API server's own count.
//!
//! The counts do not say who wrote. Nobody else writes statuses of templates or events here, and those
//! who are played do not use server-side apply.

use anyhow::Context as _;
use lab::Lab;
use serde::Serialize;

/// Writes that the API server has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Writes {
    /// Of the status of templates.
    pub(super) status: u64,
    /// Server-side applies of Agents.
    pub(super) agents: u64,
    /// Of events.
    pub(super) events: u64,
}

// === impl Writes ===

impl Writes {
    /// Those since the API server began.
    pub(super) async fn read(lab: &Lab) -> anyhow::Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let metrics = lab.client()?.request_text(request).await;
        Ok(Self::of(&metrics.context("reading the hub's metrics")?))
    }

    fn of(metrics: &str) -> Self {
        let sum = |what, verbs: &[&str]| {
            let counts = metrics
                .lines()
                .filter_map(|line| counted(line, what, verbs));
            counts.sum()
        };
        Self {
            status: sum(
                ("vmwarenodepooltemplates", "status"),
                &["APPLY", "PATCH", "PUT"],
            ),
            agents: sum(("agents", ""), &["APPLY"]),
            events: sum(("events", ""), &["PATCH", "POST", "PUT"]),
        }
    }

    /// Those since `before` was read.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            status: self.status - before.status,
            agents: self.agents - before.agents,
            events: self.events - before.events,
        }
    }

    /// All of them.
    pub(super) fn sum(&self) -> u64 {
        self.status + self.agents + self.events
    }
}

/// The count in a line of metrics, if it counts requests of one of these verbs.
fn counted(line: &str, (resource, subresource): (&str, &str), verbs: &[&str]) -> Option<u64> {
    let (labels, count) = line
        .strip_prefix("apiserver_request_total{")?
        .rsplit_once("} ")?;
    let has = |name: &str, value: &str| {
        let label = format!("{name}=\"{value}\"");
        labels.split(',').any(|it| it == label)
    };
    let verb = verbs.iter().any(|verb| has("verb", verb));
    if !(verb && has("resource", resource) && has("subresource", subresource)) {
        return None;
    }
    // Written as a float where it is large.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a count"
    )]
    count.parse::<f64>().ok().map(|count| count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(resource: &str, subresource: &str, verb: &str) -> String {
        format!(
            r#"apiserver_request_total{{code="200",resource="{resource}",subresource="{subresource}",verb="{verb}"}} 7"#
        )
    }

    #[test]
    fn each_write_is_counted_as_what_it_is_and_reads_are_not() {
        let none = Writes::default();
        let templates = "vmwarenodepooltemplates";
        for (resource, subresource, verb, expected) in [
            (templates, "status", "PATCH", Writes { status: 7, ..none }),
            (templates, "status", "GET", none),
            (templates, "", "PATCH", none),
            ("agents", "", "APPLY", Writes { agents: 7, ..none }),
            ("agents", "", "PATCH", none),
            ("agents", "status", "APPLY", none),
            ("events", "", "POST", Writes { events: 7, ..none }),
            ("events", "", "WATCH", none),
        ] {
            let found = Writes::of(&line(resource, subresource, verb));
            assert_eq!(found, expected, "{resource}/{subresource} {verb}");
        }
        assert_eq!(Writes::of("# HELP apiserver_request_total {"), none);
    }

    #[test]
    fn counts_of_all_answers_add_up() {
        let ok = line("agents", "", "APPLY");
        let conflict = ok.replace("200", "409");
        let before = Writes::of(&ok);
        let after = Writes::of(&format!("{ok}\n{conflict}"));
        assert_eq!(after.since(&before).sum(), 7);
    }
}
