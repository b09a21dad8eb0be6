//! Sends requests to one vCenter, in one session.

pub mod files;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use super::{
    Element, Error, MoRef, Request, Server, Trust,
    counts::{ServerMetrics, SoapMetrics},
    reply::{self, Reply},
    trust::{InvalidTrust, LastSeen, SeenCertificate},
    xml::{Cursor, InvalidXml, Limits, Start},
};
use files::Patience;
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use std::{sync::Arc, time::Duration};

/// The version that is spoken. Newer servers answer in it, too.
const SOAP_ACTION: &str = "urn:vim25/7.0.0.0";

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who asks; vCenter shows it in its list of sessions.
    pub user_agent: String,
    /// How long a call may take, where it does not say itself.
    pub timeout: Duration,
    /// How long connecting may take. Shorter than `timeout`, so that it is known when nothing was sent.
    pub connect_timeout: Duration,
    /// How long the file service may do nothing.
    pub patience: Patience,
    /// How large a reply may be.
    pub limits: Limits,
    /// Counts what is sent.
    pub metrics: SoapMetrics,
}

/// A client of one vCenter, with one jar of cookies and so at most one session. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    timeout: Duration,
    operation_id: Option<Arc<str>>,
}

#[derive(Debug)]
struct Connection {
    http: reqwest::Client,
    server: Server,
    base: Url,
    sdk: String,
    patience: Patience,
    limits: Limits,
    seen: Arc<LastSeen>,
    metrics: ServerMetrics,
}

// === impl Settings ===

impl Settings {
    /// The usual ones.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            patience: Patience::default(),
            limits: Limits::DEFAULT,
            metrics: SoapMetrics::default(),
        }
    }
}

// === impl Client ===

impl Client {
    /// A client of `server`. Nothing is sent yet.
    ///
    /// # Errors
    /// It cannot be known whom to trust.
    pub fn new(server: &Server, trust: &Trust, settings: &Settings) -> Result<Self, InvalidTrust> {
        let (tls, seen) = trust.client_config()?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            // Shorter than vCenter's, so that no call goes out on a connection that is being closed.
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_keepalive(Duration::from_secs(30))
            .cookie_store(true)
            // A password follows no redirect, and no variable of the environment to a proxy.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(InvalidTrust::Client)?;
        // Of a request that is never sent.
        let base = http.get(server.url()).build();
        let base = base.map_err(InvalidTrust::Client)?.url().clone();
        let connection = Connection {
            http,
            server: server.clone(),
            base,
            sdk: format!("{}/sdk", server.url()),
            patience: settings.patience,
            limits: settings.limits,
            seen,
            metrics: settings.metrics.server(&server.to_string()),
        };
        Ok(Self {
            connection: Arc::new(connection),
            timeout: settings.timeout,
            operation_id: None,
        })
    }

    /// The same client; vCenter writes this id to its logs for each call.
    pub fn operation(&self, id: impl Into<Arc<str>>) -> Self {
        Self {
            operation_id: Some(id.into()),
            ..self.clone()
        }
    }

    /// The same client; its calls may take this long.
    pub fn within(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    /// Where it goes.
    pub fn server(&self) -> &Server {
        &self.connection.server
    }

    /// The certificate that the server showed last.
    pub fn seen_certificate(&self) -> Option<SeenCertificate> {
        self.connection.seen.get()
    }

    /// The HTTP client behind it, for transfers under vCenter's `/folder`: same trust, same session.
    pub fn http(&self) -> &reqwest::Client {
        &self.connection.http
    }

    /// Sends a request and gives the `…Response` element.
    ///
    /// # Errors
    /// See [`Error`]. A session that has ended is not renewed here.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is not general over the lifetime of the document"
    )]
    pub async fn call(&self, request: Request) -> Result<Element, Error> {
        self.call_with(request, |cursor, start| cursor.element(start))
            .await
    }

    /// Sends a request and has its `…Response` element read by `decode`, which leaves the cursor
    /// behind that element.
    ///
    /// # Errors
    /// See [`Error`].
    #[tracing::instrument(
        level = "debug",
        skip_all,
        name = "soap",
        fields(
            method = request.method().name(),
            operation_id = self.operation_id.as_deref(),
            otel.name = request.method().name(),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
        )
    )]
    pub async fn call_with<T>(
        &self,
        request: Request,
        decode: impl FnOnce(&mut Cursor<'_>, Start) -> Result<T, InvalidXml>,
    ) -> Result<T, Error> {
        let counted = self.connection.metrics.begin(request.method().name());
        let outcome = self.exchange(request, decode).await;
        counted.end(&outcome);
        if outcome.is_err() {
            tracing::Span::current().record("otel.status_code", "ERROR");
        }
        outcome
    }

    async fn exchange<T>(
        &self,
        request: Request,
        decode: impl FnOnce(&mut Cursor<'_>, Start) -> Result<T, InvalidXml>,
    ) -> Result<T, Error> {
        let limits = request.method().limits(self.connection.limits);
        let method = request.method().name();
        let response = self.send(&request).await?;
        let status = response.status();
        if let Some(error) = not_soap(method, status, response.headers()) {
            return Err(error);
        }
        let status = status.as_u16();
        let bad = |source| Error::BadReply {
            method,
            status,
            source,
        };
        let document = body(method, response, limits).await?.map_err(bad)?;
        match reply::read(&document, limits, decode).map_err(bad)? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Fault(fault) => Err(Error::Fault(fault)),
        }
    }

    /// Sends a request that returns a reference to an object: a task, a view, a folder.
    pub(super) async fn object(&self, request: Request) -> Result<MoRef, Error> {
        self.call_with(request, |cursor, start| {
            let returned = cursor.element(start)?.moref_at("returnval");
            returned.ok_or(InvalidXml::Missing("returnval"))
        })
        .await
    }

    async fn send(&self, request: &Request) -> Result<Response, Error> {
        let Connection { http, sdk, .. } = &*self.connection;
        let sent = http
            .post(sdk)
            .timeout(request.timeout().unwrap_or(self.timeout))
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("SOAPAction", SOAP_ACTION)
            .body(request.envelope(self.operation_id.as_deref()))
            .send()
            .await;
        sent.map_err(|error| self.not_answered(request.method().name(), error.without_url()))
    }

    fn not_answered(&self, method: &'static str, source: reqwest::Error) -> Error {
        let Connection { server, seen, .. } = &*self.connection;
        if let Some(untrusted) = seen.untrusted(server, &source) {
            return Error::Untrusted(untrusted);
        }
        if source.is_connect() {
            let server = server.to_string();
            let source = source.into();
            return Error::Unreachable { server, source };
        }
        let source = source.into();
        Error::Lost { method, source }
    }
}

/// What a status means under which no SOAP comes: vCenter answers with 200, and with 500 for faults.
fn not_soap(method: &'static str, status: StatusCode, headers: &HeaderMap) -> Option<Error> {
    let code = status.as_u16();
    if matches!(code, 200 | 500) {
        return None;
    }
    if code != 429 && !status.is_server_error() {
        return Some(Error::Refused {
            method,
            status: code,
        });
    }
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Some(Error::Busy {
        method,
        status: code,
        retry_after: seconds.map(Duration::from_secs),
    })
}

/// The body of a reply, as far as it is permitted to go.
async fn body(
    method: &'static str,
    mut response: Response,
    limits: Limits,
) -> Result<Result<Vec<u8>, InvalidXml>, Error> {
    let lost = |source: reqwest::Error| Error::Lost {
        method,
        source: source.without_url().into(),
    };
    let announced = response.content_length().unwrap_or_default();
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    let mut document = Vec::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if document.len() + chunk.len() > limits.bytes {
            return Ok(Err(InvalidXml::TooLarge {
                what: "bytes",
                most: limits.bytes,
            }));
        }
        document.extend_from_slice(&chunk);
    }
    Ok(Ok(document))
}
