//! Counts what is sent to vCenters: by server, method and result.
//!
//! The series of a server live as long as somebody has a handle to it.

use super::Error;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Upper bounds in seconds: from a reply on the same machine to a long poll that ran its time.
const SECONDS: [f64; 12] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// The result of a call that was answered.
pub(super) const OK: &str = "ok";
/// The result of a call that nobody waited for any more: its outcome is not known.
const GIVEN_UP: &str = "given_up";
/// The method whose results are counted apart.
const LOGIN: &str = "Login";

/// What was sent to all vCenters; clones share the counts.
#[derive(Clone, Debug)]
pub struct SoapMetrics {
    calls: Family<Ended, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    logins: Family<Login, Counter>,
    servers: Arc<Mutex<HashMap<Arc<str>, Server>>>,
}

/// What is sent to one server. Its series go with the last handle.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    all: SoapMetrics,
    server: Arc<str>,
}

/// What is remembered of a server, so that its series can be found again.
#[derive(Debug, Default)]
struct Server {
    handles: usize,
    ended: HashSet<(&'static str, &'static str)>,
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
    metrics: &'a ServerMetrics,
    method: &'static str,
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
            servers: Arc::default(),
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

    /// A handle to this server.
    pub(super) fn server(&self, server: &str) -> ServerMetrics {
        let server = Arc::from(server);
        let mut servers = self.servers();
        servers.entry(Arc::clone(&server)).or_default().handles += 1;
        drop(servers);
        let all = self.clone();
        ServerMetrics { all, server }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<Arc<str>, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ServerMetrics ===

impl ServerMetrics {
    pub(super) fn begin(&self, method: &'static str) -> Call<'_> {
        Call {
            metrics: self,
            method,
            since: Instant::now(),
            result: GIVEN_UP,
        }
    }

    fn count(&self, method: &'static str, result: &'static str, seconds: f64) {
        let all = &self.all;
        all.seconds
            .get_or_create(&self.method(method))
            .observe(seconds);
        if method == LOGIN {
            all.logins.get_or_create(&self.login(login(result))).inc();
        }
        all.calls.get_or_create(&self.ended(method, result)).inc();
        if let Some(server) = all.servers().get_mut(&self.server) {
            server.ended.insert((method, result));
        }
    }

    fn method(&self, method: &'static str) -> Method {
        let server = Arc::clone(&self.server);
        Method { server, method }
    }

    fn login(&self, result: &'static str) -> Login {
        let server = Arc::clone(&self.server);
        Login { server, result }
    }

    fn ended(&self, method: &'static str, result: &'static str) -> Ended {
        let server = Arc::clone(&self.server);
        Ended {
            server,
            method,
            result,
        }
    }
}

impl Drop for ServerMetrics {
    fn drop(&mut self) {
        // Held to the end: whoever comes back meanwhile must not lose what it counts.
        let mut servers = self.all.servers();
        let Some(known) = servers.get_mut(&self.server) else {
            return;
        };
        known.handles -= 1;
        if known.handles > 0 {
            return;
        }
        for (method, result) in std::mem::take(&mut known.ended) {
            self.all.calls.remove(&self.ended(method, result));
            self.all.seconds.remove(&self.method(method));
            self.all.logins.remove(&self.login(login(result)));
        }
        servers.remove(&self.server);
    }
}

// === impl Call ===

impl Call<'_> {
    pub(super) fn end<T>(self, outcome: &Result<T, Error>) {
        self.end_with(outcome.as_ref().map_or_else(word, |_| OK));
    }

    /// With this result, one of few words.
    pub(super) fn end_with(mut self, result: &'static str) {
        self.result = result;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.metrics.count(self.method, self.result, seconds);
    }
}

/// One of a bounded list of words, whatever a server says.
pub(super) fn word(error: &Error) -> &'static str {
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

    /// Lines of one histogram: sum, count, and a bucket for each bound and for all.
    const SERIES: usize = 2 + SECONDS.len() + 1;

    fn fault(type_name: &str) -> Error {
        Error::Fault(Box::new(VimFault {
            type_name: type_name.into(),
            ..VimFault::default()
        }))
    }

    #[test]
    fn each_call_is_counted_once_with_a_word_of_a_bounded_list() {
        let metrics = SoapMetrics::default();
        let server = metrics.server("vc:443");
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
            server.begin("Destroy_Task").end(&outcome);
            let line = format!(
                "soap_calls_total{{server=\"vc:443\",method=\"Destroy_Task\",result=\"{result}\"}} 1\n"
            );
            assert!(text(&metrics).contains(&line), "{line}");
        }
        drop(server.begin("Destroy_Task"));
        let text = text(&metrics);
        assert!(text.contains("result=\"given_up\"} 1\n"), "{text}");
        let count = "duration_seconds_count{server=\"vc:443\",method=\"Destroy_Task\"} 5\n";
        assert!(text.contains(count), "{text}");
    }

    #[test]
    fn logins_are_told_apart_from_refused_ones() {
        let metrics = SoapMetrics::default();
        let server = metrics.server("vc:443");
        server.begin(LOGIN).end(&Ok::<(), _>(()));
        for refusal in ["InvalidLogin", "RuntimeFault"] {
            server.begin(LOGIN).end(&Err::<(), _>(fault(refusal)));
        }
        for result in ["ok", "refused", "failed"] {
            let line = format!("logins_total{{server=\"vc:443\",result=\"{result}\"}} 1\n");
            assert!(text(&metrics).contains(&line), "{line}");
        }
    }

    #[test]
    fn the_series_of_a_server_go_with_its_last_handle_and_no_others() {
        let metrics = SoapMetrics::default();
        let (first, second) = (metrics.server("vc:443"), metrics.server("vc:443"));
        let other = metrics.server("other:443");
        for server in [&first, &other] {
            server.begin(LOGIN).end(&Ok::<(), _>(()));
        }
        second
            .begin("Destroy_Task")
            .end(&Err::<(), _>(fault("DuplicateName")));
        drop(first);
        assert_eq!(
            text(&metrics).matches("\"vc:443\"").count(),
            2 + 1 + 2 * SERIES
        );
        drop(second);
        let left = text(&metrics);
        assert!(!left.contains("\"vc:443\""), "{left}");
        assert!(left.contains("\"other:443\""), "{left}");
        // Whoever comes back begins at nothing.
        let again = metrics.server("vc:443");
        again.begin(LOGIN).end(&Ok::<(), _>(()));
        let line = "logins_total{server=\"vc:443\",result=\"ok\"} 1\n";
        assert!(text(&metrics).contains(line));
    }
}
