use super::{
    fixtures::{Answer, Identity, Server, envelope},
    *,
};
use crate::{
    secret::Secret,
    soap::{self, replies, session},
};
use std::error::Error as _;

const FOREVER: i32 = 4096;
const DONE: &str = "<CurrentTimeResponse><returnval>now</returnval></CurrentTimeResponse>";

fn client(server: &Server, trust: &Trust) -> Client {
    let limits = Limits {
        bytes: 4096,
        ..Limits::DEFAULT
    };
    let settings = Settings {
        limits,
        timeout: Duration::from_millis(500),
        ..Settings::new("tests/1")
    };
    let server = soap::Server::new("127.0.0.1", server.port);
    Client::new(&server, trust, &settings).unwrap()
}

/// What becomes of one call that is answered so.
async fn outcome_of(answer: Answer) -> Result<String, Error> {
    let identity = Identity::new("127.0.0.1", FOREVER);
    let server = Server::start(&identity, vec![answer]).await;
    client(&server, &Trust::CaBundle(identity.ca_pem))
        .current_time()
        .await
}

#[tokio::test]
async fn a_call_is_answered() {
    let answered = outcome_of(Answer::soap(DONE)).await;
    assert_eq!(answered.unwrap(), "now");
}

/// Ways to fail: what the server does, how the error reads, and whether the call certainly did not run.
fn failures() -> [(Answer, &'static str, bool); 12] {
    let fault = String::from_utf8(replies::recorded("not_authenticated")).unwrap();
    let large = envelope(&"x".repeat(5000));
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<s:Envelope".to_vec();
    let http = |status, body: &str| Answer::http(status, "", body.as_bytes());
    [
        (http("500 X", &fault), "NotAuthenticated", true),
        (
            http("200 OK", "<html/>"),
            "unreadable reply (HTTP status 200): no valid `Envelope`",
            false,
        ),
        (
            http("500 X", "oops"),
            "unreadable reply (HTTP status 500): truncated",
            false,
        ),
        (
            http("200 OK", ""),
            "unreadable reply (HTTP status 200): truncated",
            false,
        ),
        (
            http("200 OK", &large),
            "unreadable reply (HTTP status 200): larger than permitted: more than 4096 bytes",
            false,
        ),
        (http("302 Found", ""), "HTTP status 302", true),
        (http("403 X", ""), "HTTP status 403", true),
        (http("429 X", ""), "HTTP status 429", true),
        (http("503 X", ""), "HTTP status 503", false),
        (Answer::Bytes(Vec::new()), "no reply", false),
        (Answer::Bytes(cut), "no reply", false),
        (Answer::Silence, "no reply", false),
    ]
}

#[tokio::test]
async fn each_failure_says_whether_the_call_certainly_did_not_run() {
    for (answer, shown, not_run) in failures() {
        let error = outcome_of(answer).await.expect_err(shown);
        let mut text = error.to_string();
        if let Error::BadReply { source, .. } = &error {
            text = format!("{text}: {source}");
        }
        let text = text.trim_start_matches("CurrentTime: ");
        assert_eq!((text, error.certainly_not_run()), (shown, not_run));
    }
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_again() {
    let error = outcome_of(Answer::http("503 Busy", "Retry-After: 7\r\n", b"")).await;
    let Err(Error::Busy { retry_after, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn no_server_means_that_nothing_was_sent() {
    let identity = Identity::new("127.0.0.1", FOREVER);
    let mut server = Server::start(&identity, Vec::new()).await;
    // A port that was free a moment ago, and is again.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = client(&server, &Trust::Insecure)
        .current_time()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.certainly_not_run() && error.source().is_some());
}

#[tokio::test]
async fn each_kind_of_trust_accepts_what_it_promises() {
    let good = Identity::new("127.0.0.1", FOREVER);
    let expired = Identity::new("127.0.0.1", 1999);
    let elsewhere = Identity::new("elsewhere.example", FOREVER);
    let bundle = |identity: &Identity| Trust::CaBundle(identity.ca_pem.clone());
    let pin = |identity: &Identity| Trust::Thumbprint(identity.sha256);
    for (why, shown, trust, problem) in [
        ("its authority", &good, bundle(&good), None),
        (
            "another authority",
            &good,
            bundle(&elsewhere),
            Some("signed by an unknown authority"),
        ),
        (
            "its namesake",
            &good,
            bundle(&expired),
            Some("signed by a namesake of the authority"),
        ),
        ("expired", &expired, bundle(&expired), Some("expired")),
        (
            "another name",
            &elsewhere,
            bundle(&elsewhere),
            Some("certificate not valid for name"),
        ),
        ("pinned, whatever else", &expired, pin(&expired), None),
        (
            "another pin",
            &good,
            pin(&expired),
            Some("its SHA-256 is not the one that is trusted"),
        ),
        ("anything", &elsewhere, Trust::Insecure, None),
    ] {
        let server = Server::start(shown, vec![Answer::soap(DONE)]).await;
        let client = client(&server, &trust);
        let found = match client.current_time().await {
            Ok(_) => None,
            Err(Error::Untrusted(untrusted)) => Some(untrusted),
            Err(error) => panic!("{why}: {error:?}"),
        };
        let seen = client.seen_certificate().expect(why);
        assert_eq!(seen.sha256, shown.sha256, "{why}");
        assert_eq!(
            found.is_some(),
            server.requests().is_empty(),
            "{why}: sent all the same"
        );
        match (found, problem) {
            (None, None) => {}
            (Some(found), Some(problem)) => {
                assert!(found.problem.starts_with(problem), "{why}: {found}");
                assert_eq!(found.sha256_thumbprint, seen.thumbprint(), "{why}");
            }
            (found, _) => panic!("{why}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn the_expiry_of_the_certificate_is_noted() {
    let identity = Identity::new("127.0.0.1", 1999);
    let server = Server::start(&identity, vec![Answer::soap(DONE)]).await;
    let client = client(&server, &Trust::Insecure);
    assert_eq!(client.seen_certificate(), None);
    client.current_time().await.unwrap();
    let expires_at = client.seen_certificate().unwrap().expires_at;
    assert_eq!(expires_at, Some(915_148_800));
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    let server = soap::Server::new("vcenter.example", 443);
    let settings = Settings::new("tests/1");
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let refused = Client::new(&server, &Trust::CaBundle(pem.into()), &settings);
        assert!(matches!(refused, Err(InvalidTrust::CaBundle)), "{pem}");
    }
}

#[tokio::test]
async fn a_session_is_kept_and_a_password_goes_only_into_the_login() {
    let identity = Identity::new("127.0.0.1", FOREVER);
    let user = "<LoginResponse><returnval><key>52aa</key><userName>LAB\\u</userName></returnval></LoginResponse>";
    let cookie = "Set-Cookie: vmware_soap_session=\"abc\"; Path=/; HttpOnly; Secure\r\n";
    let answers = vec![
        Answer::http("200 OK", cookie, envelope(user).as_bytes()),
        Answer::soap(DONE),
    ];
    let server = Server::start(&identity, answers).await;
    let client = client(&server, &Trust::CaBundle(identity.ca_pem));
    let content = content();
    let session = client
        .login(&content, "u", &Secret::new("canary"))
        .await
        .unwrap();
    assert_eq!((&*session.key, &*session.user_name), ("52aa", "LAB\\u"));
    assert!(!format!("{session:?}").contains("52aa"));
    client.operation("op-7").current_time().await.unwrap();

    let requests = server.requests();
    let head = requests[1].to_ascii_lowercase();
    for expected in [
        "post /sdk http/1.1\r\n",
        "soapaction: urn:vim25/7.0.0.0\r\n",
        "content-type: text/xml; charset=utf-8\r\n",
        "user-agent: tests/1\r\n",
        "cookie: vmware_soap_session=\"abc\"\r\n",
        "<operationid>op-7</operationid>",
    ] {
        assert!(head.contains(expected), "{expected} in {head}");
    }
    assert!(requests[0].contains("canary") && !requests[0].contains("Cookie"));
    assert!(!requests[1].contains("canary"));
}

fn content() -> session::ServiceContent {
    let xml = "<c><rootFolder type='Folder'>group-d1</rootFolder>\
        <propertyCollector type='PropertyCollector'>pc</propertyCollector>\
        <viewManager type='ViewManager'>v</viewManager>\
        <sessionManager type='SessionManager'>s</sessionManager>\
        <searchIndex type='SearchIndex'>i</searchIndex>\
        <authorizationManager type='AuthorizationManager'>a</authorizationManager>\
        <fileManager type='FileManager'>f</fileManager></c>";
    let content = Element::parse(xml.as_bytes(), Limits::DEFAULT).unwrap();
    session::ServiceContent::of(&content).unwrap()
}
