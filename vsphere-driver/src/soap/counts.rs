//! Counts what is sent to vCenters: by server, method and result.

use super::Error;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{sync::Arc, time::Instant};

/// Upper bounds in seconds: from a reply on the same machine to a long poll that ran its time.
const SECONDS: [f64; 12] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// The result of a call that was answered.
const OK: &str = "ok";
/// The result of a call that nobody waited for any more: its outcome is not known.
const GIVEN_UP: &str = "given_up";

/// What was sent to all vCenters; clones share the counts.
#[derive(Clone, Debug)]
pub struct SoapMetrics {
    calls: Family<Ended, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    logins: Family<Login, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Method {
    server: Arc<str>,
    method: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Ended {
    server: Arc<str>,
    method: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Login {
    server: Arc<str>,
    result: &'static str,
}

/// A call under way. Dropped without a result, it was given up.
#[derive(Debug)]
pub(super) struct Call<'a> {
    metrics: &'a SoapMetrics,
    method: Method,
    since: Instant,
    result: &'static str,
}

// === impl SoapMetrics ===

impl Default for SoapMetrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            logins: Family::default(),
        }
    }
}

impl SoapMetrics {
    /// Puts the metrics into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Calls to vCenter; the result is `ok`, the type of vCenter's fault, or why there \
                    is no answer";
        registry.register("soap_calls", help, self.calls.clone());
        let help = "How long calls to vCenter took, long polls included";
        let seconds = self.seconds.clone();
        registry.register_with_unit("soap_call_duration", help, Unit::Seconds, seconds);
        let help = "Logins: `ok`, `refused` for a wrong credential, or `failed`";
        registry.register("logins", help, self.logins.clone());
    }

    pub(super) fn begin(&self, server: &Arc<str>, method: &'static str) -> Call<'_> {
        let server = Arc::clone(server);
        Call {
            metrics: self,
            method: Method { server, method },
            since: Instant::now(),
            result: GIVEN_UP,
        }
    }
}

// === impl Call ===

impl Call<'_> {
    pub(super) fn end<T>(mut self, outcome: &Result<T, Error>) {
        self.result = outcome.as_ref().map_or_else(word, |_| OK);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Self {
            metrics,
            method,
            since,
            result,
        } = self;
        let seconds = since.elapsed().as_secs_f64();
        metrics.seconds.get_or_create(method).observe(seconds);
        let Method { server, method } = method.clone();
        if method == "Login" {
            let server = Arc::clone(&server);
            let result = login(result);
            metrics
                .logins
                .get_or_create(&Login { server, result })
                .inc();
        }
        let result = *result;
        let ended = Ended {
            server,
            method,
            result,
        };
        metrics.calls.get_or_create(&ended).inc();
    }
}

/// One of a bounded list of words, whatever a server says.
fn word(error: &Error) -> &'static str {
    match error {
        Error::Fault(fault) => fault.known_type().unwrap_or("other_fault"),
        Error::Unreachable { .. } => "unreachable",
        Error::Untrusted(_) => "untrusted",
        Error::Refused { .. } => "refused",
        Error::Busy { .. } => "busy",
        Error::Lost { .. } => "lost",
        Error::BadReply { .. } => "bad_reply",
    }
}

fn login(result: &str) -> &'static str {
    match result {
        OK => OK,
        "InvalidLogin" => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::VimFault;
    use prometheus_client::encoding::text::encode;

    fn text(metrics: &SoapMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn fault(type_name: &str) -> Error {
        Error::Fault(Box::new(VimFault {
            type_name: type_name.into(),
            ..VimFault::default()
        }))
    }

    #[test]
    fn each_call_is_counted_once_with_a_word_of_a_bounded_list() {
        let (metrics, server) = (SoapMetrics::default(), Arc::from("vc:443"));
        let busy = Error::Busy {
            method: "Destroy_Task",
            status: 503,
            retry_after: None,
        };
        for (outcome, result) in [
            (Ok(()), "ok"),
            (Err(fault("DuplicateName")), "DuplicateName"),
            (Err(fault("Made\"Up")), "other_fault"),
            (Err(busy), "busy"),
        ] {
            metrics.begin(&server, "Destroy_Task").end(&outcome);
            let line = format!(
                "soap_calls_total{{server=\"vc:443\",method=\"Destroy_Task\",result=\"{result}\"}} 1\n"
            );
            assert!(text(&metrics).contains(&line), "{line}");
        }
        drop(metrics.begin(&server, "Destroy_Task"));
        let text = text(&metrics);
        assert!(text.contains("result=\"given_up\"} 1\n"), "{text}");
        let count = "duration_seconds_count{server=\"vc:443\",method=\"Destroy_Task\"} 5\n";
        assert!(text.contains(count), "{text}");
    }

    #[test]
    fn logins_are_told_apart_from_refused_ones() {
        let (metrics, server) = (SoapMetrics::default(), Arc::from("vc:443"));
        metrics.begin(&server, "Login").end(&Ok::<(), _>(()));
        metrics
            .begin(&server, "Login")
            .end(&Err::<(), _>(fault("InvalidLogin")));
        metrics
            .begin(&server, "Login")
            .end(&Err::<(), _>(fault("RuntimeFault")));
        for result in ["ok", "refused", "failed"] {
            let line = format!("logins_total{{server=\"vc:443\",result=\"{result}\"}} 1\n");
            assert!(text(&metrics).contains(&line), "{line}");
        }
    }
}
