//! Asking for a content and reading it, whatever the source does.

use super::{
    HOST, LONG, Names, fault, fetcher, message, one, policy, read,
    server::{Answer, Server},
    source,
};
use crate::{
    iso::source::{Content, Fetcher, fetch::Patience},
    soap::client::fixtures::Identity,
};
use contract::v1::Reason;
use std::time::Duration;

const ETAG: &str = "ETag: \"v1\"";

#[tokio::test]
async fn a_source_is_asked_by_its_head_and_with_the_headers_of_the_caller() {
    let fetcher = fetcher();
    let headers = ["Content-Length: 10", ETAG, "Last-Modified: Mon"];
    let (server, source) = one(&fetcher, vec![Answer::http("200 OK", &headers, "")]).await;
    let content = fetcher.ask(&source).await;
    assert_eq!(
        content,
        Ok(Content {
            length: 10,
            etag: Some("\"v1\"".into()),
            last_modified: Some("Mon".into()),
        })
    );
    let [head] = &server.requests()[..] else {
        panic!("one request");
    };
    for part in [
        "head /byapikey/canary/agent.iso?token=canary http/1.1",
        "authorization: bearer canary",
        "accept-encoding: identity",
        "user-agent: hcp-vsphere-driver/",
    ] {
        assert!(head.contains(part), "{part} in {head}");
    }
}

#[tokio::test]
async fn a_source_that_takes_no_head_is_asked_for_one_byte() {
    for status in [
        "405 Method Not Allowed",
        "403 Forbidden",
        "501 Not Implemented",
    ] {
        let fetcher = fetcher();
        let part = ["Content-Range: bytes 0-0/10", "Content-Length: 1"];
        let answers = vec![
            Answer::http(status, &["Content-Length: 6"], ""),
            Answer::http("206 Partial Content", &part, "x"),
        ];
        let (server, source) = one(&fetcher, answers).await;
        let content = fetcher.ask(&source).await.expect(status);
        assert_eq!(content.length, 10);
        let last = &server.requests()[1];
        assert!(
            last.starts_with("get ") && last.contains("range: bytes=0-0"),
            "{last}"
        );
    }
}

#[tokio::test]
async fn a_source_whose_head_knows_no_size_is_asked_for_one_byte() {
    for size in ["Content-Length: 0", "Transfer-Encoding: chunked"] {
        let fetcher = fetcher();
        let part = ["Content-Range: bytes 0-0/10", "Content-Length: 1"];
        let answers = vec![
            Answer::http("200 OK", &[size], ""),
            Answer::http("206 Partial Content", &part, "x"),
        ];
        let (_server, source) = one(&fetcher, answers).await;
        let content = fetcher.ask(&source).await.expect(size);
        assert_eq!(content.length, 10);
    }
}

#[tokio::test]
async fn a_content_that_is_made_this_moment_is_asked_for_until_it_can_be_known_again() {
    const NOON: &str = "Last-Modified: Fri, 20 Nov 2026 12:00:00 GMT";
    const SOON: &str = "Date: Fri, 20 Nov 2026 12:00:01 GMT";
    const LATER: &str = "Date: Fri, 20 Nov 2026 12:00:03 GMT";
    let known = "Fri, 20 Nov 2026 12:00:00 GMT";
    for (headers, requests, last_modified) in [
        ([&[NOON, SOON][..], &[NOON, LATER]], 2, Some(known)),
        ([&[NOON, SOON], &[NOON, SOON]], 2, None),
        ([&[NOON, SOON, ETAG], &[]], 1, None),
        ([&[NOON, LATER], &[]], 1, Some(known)),
    ] {
        let fetcher = fetcher();
        let answers = headers.map(|headers| {
            let headers = [headers, &["Content-Length: 10"]].concat();
            Answer::http("200 OK", &headers, "")
        });
        let (server, source) = one(&fetcher, answers.into()).await;
        let content = fetcher.ask(&source).await.expect("a content");
        assert_eq!(content.last_modified.as_deref(), last_modified);
        assert_eq!(server.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_refusal_has_its_reason_and_nothing_of_the_body() {
    for (status, reason) in [
        ("401 Unauthorized", Reason::IsoSourceExpired),
        ("404 Not Found", Reason::IsoSourceNotFound),
        ("503 Service Unavailable", Reason::IsoSourceUnreachable),
    ] {
        let fetcher = fetcher();
        let answer = || Answer::http(status, &["Content-Length: 6"], "canary");
        let (_server, source) = one(&fetcher, vec![answer(), answer()]).await;
        let opened = fault(fetcher.open(&source, 0, None).await);
        assert_eq!(
            (opened.reason(), opened.metadata["host"].as_str()),
            (reason, HOST)
        );
        assert_eq!(fault(fetcher.ask(&source).await).reason(), reason);
    }
}

#[tokio::test]
async fn a_content_comes_whole() {
    let fetcher = fetcher();
    let (_server, source) = one(&fetcher, vec![Answer::whole("0123456789")]).await;
    let opened = fetcher.open(&source, 0, None).await.expect("opened");
    assert_eq!(opened.content.length, 10);
    assert_eq!(read(opened).await, ("0123456789".into(), None));
}

#[tokio::test]
async fn a_broken_content_goes_on_where_it_was() {
    let fetcher = fetcher();
    let part = [ETAG, "Content-Range: bytes 4-9/10", "Content-Length: 6"];
    let answers = vec![
        Answer::http("200 OK", &[ETAG, "Content-Length: 10"], "0123"),
        Answer::http("206 Partial Content", &part, "456789"),
    ];
    let (server, source) = one(&fetcher, answers).await;
    let opened = fetcher.open(&source, 0, None).await.expect("opened");
    let content = opened.content.clone();
    let (text, broken) = read(opened).await;
    let reason = broken.map(|fault| fault.reason());
    assert_eq!(
        (text.as_str(), reason),
        ("0123", Some(Reason::IsoSourceUnreachable))
    );
    let opened = fetcher
        .open(&source, 4, Some(&content))
        .await
        .expect("goes on");
    assert_eq!(read(opened).await, ("456789".into(), None));
    let last = &server.requests()[1];
    assert!(
        last.contains("range: bytes=4-\r\n") && last.contains("if-range: \"v1\""),
        "{last}"
    );
}

#[tokio::test]
async fn a_source_without_parts_is_read_again_up_to_where_it_was() {
    let fetcher = fetcher();
    let whole = [ETAG, "Content-Length: 10"];
    let (_server, source) = one(&fetcher, vec![Answer::http("200 OK", &whole, "0123456789")]).await;
    let known = Content {
        length: 10,
        etag: Some("\"v1\"".into()),
        last_modified: None,
    };
    let opened = fetcher
        .open(&source, 4, Some(&known))
        .await
        .expect("goes on");
    assert_eq!(read(opened).await, ("456789".into(), None));
}

#[tokio::test]
async fn a_changed_content_is_never_continued() {
    let fetcher = fetcher();
    let whole = ["ETag: \"v2\"", "Content-Length: 10"];
    let (_server, source) = one(&fetcher, vec![Answer::http("200 OK", &whole, "abcdefghij")]).await;
    let known = Content {
        length: 10,
        etag: Some("\"v1\"".into()),
        last_modified: None,
    };
    let changed = fault(fetcher.open(&source, 4, Some(&known)).await);
    assert_eq!(changed.reason(), Reason::IsoSourceChanged);
}

#[tokio::test]
async fn a_source_that_falls_silent_is_given_up_after_a_while() {
    let patience = Patience {
        connect: LONG,
        answer: LONG,
        stall: Duration::from_millis(50),
        settle: Duration::ZERO,
    };
    let names = Names::of(&[(HOST, &["127.0.0.1"])]);
    let fetcher = Fetcher::over(names, policy(&["127.0.0.0/8"]), patience);
    let answer = Answer::http("200 OK", &["Content-Length: 10"], "0123");
    let (_server, source) = one(&fetcher, vec![answer.then_silence()]).await;
    let (text, stalled) = read(fetcher.open(&source, 0, None).await.expect("opened")).await;
    let stalled = stalled.expect("a fault");
    assert_eq!(
        (text.as_str(), stalled.reason()),
        ("0123", Reason::IsoSourceStalled)
    );
    assert_eq!(stalled.metadata["transferred_bytes"], "4");
}

#[tokio::test]
async fn a_source_that_never_answers_is_given_up() {
    let patience = Patience {
        connect: LONG,
        answer: Duration::from_millis(50),
        stall: LONG,
        settle: Duration::ZERO,
    };
    let names = Names::of(&[(HOST, &["127.0.0.1"])]);
    let fetcher = Fetcher::over(names, policy(&["127.0.0.0/8"]), patience);
    let (_server, source) = one(&fetcher, vec![Answer::http("", &[], "").then_silence()]).await;
    let silent = fault(fetcher.ask(&source).await);
    assert_eq!(silent.reason(), Reason::IsoSourceUnreachable);
}

#[tokio::test]
async fn a_content_beyond_the_limit_is_refused_before_it_comes() {
    let fetcher = fetcher();
    let large = || Answer::http("200 OK", &["Content-Length: 1001"], "");
    let (_server, source) = one(&fetcher, vec![large(), large()]).await;
    for outcome in [
        fetcher.ask(&source).await.map(drop),
        fetcher.open(&source, 0, None).await.map(drop),
    ] {
        let large = fault(outcome);
        assert_eq!(large.reason(), Reason::IsoTooLarge);
        assert_eq!(
            (
                &*large.metadata["size_bytes"],
                &*large.metadata["limit_bytes"]
            ),
            ("1001", "1000")
        );
    }
}

#[tokio::test]
async fn a_source_that_does_not_say_its_size_is_refused_as_such() {
    let fetcher = fetcher();
    let chunked = || Answer::http("200 OK", &["Transfer-Encoding: chunked"], "0\r\n\r\n");
    let (_server, source) = one(&fetcher, vec![chunked(), chunked()]).await;
    let refused = fault(fetcher.ask(&source).await);
    assert_eq!(refused.reason(), Reason::IsoSourceUnreachable);
    assert!(refused.message.contains("Content-Length"), "{refused}");
}

#[tokio::test]
async fn a_part_that_ends_early_or_goes_on_too_long_is_noticed() {
    for (body, reason) in [
        ("3\r\n456\r\n0\r\n\r\n", Reason::IsoTruncated),
        ("8\r\n456789ab\r\n0\r\n\r\n", Reason::IsoSourceChanged),
    ] {
        let fetcher = fetcher();
        let part = [
            ETAG,
            "Content-Range: bytes 4-9/10",
            "Transfer-Encoding: chunked",
        ];
        let answer = Answer::http("206 Partial Content", &part, body);
        let (_server, source) = one(&fetcher, vec![answer]).await;
        let known = Content {
            length: 10,
            etag: Some("\"v1\"".into()),
            last_modified: None,
        };
        let opened = fetcher
            .open(&source, 4, Some(&known))
            .await
            .expect("opened");
        let (_, broken) = read(opened).await;
        assert_eq!(broken.map(|fault| fault.reason()), Some(reason), "{body}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_in_words() {
    let (good, other) = (Identity::new(HOST, 2100), Identity::new(HOST, 2100));
    let (expired, misnamed) = (Identity::new(HOST, 2000), Identity::new("a.example", 2100));
    for (shown, trusted, problem) in [
        (&good, &other, "authority"),
        (&expired, &expired, "expired"),
        (&misnamed, &misnamed, "not valid for name"),
    ] {
        let fetcher = fetcher();
        let server = Server::https(shown, Vec::new()).await;
        let source = source(&fetcher, message(server.port, &trusted.ca_pem));
        let untrusted = fault(fetcher.ask(&source).await);
        assert_eq!(untrusted.reason(), Reason::IsoSourceTlsUntrusted);
        assert_eq!(untrusted.metadata["host"], HOST);
        assert!(
            untrusted.metadata["problem"].contains(problem),
            "{untrusted:?}"
        );
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn an_authority_is_trusted_also_where_those_of_the_system_are_beside_it() {
    let (good, other) = (Identity::new(HOST, 2100), Identity::new(HOST, 2100));
    for (trusted, good_enough) in [(&good, true), (&other, false)] {
        let fetcher = fetcher();
        let server = Server::https(
            &good,
            vec![Answer::http("200 OK", &["Content-Length: 10"], "")],
        )
        .await;
        let mut message = message(server.port, &trusted.ca_pem);
        message.system_authorities = true;
        let asked = fetcher.ask(&source(&fetcher, message)).await;
        let reason = asked.err().map(|fault| fault.reason());
        let expected = (!good_enough).then_some(Reason::IsoSourceTlsUntrusted);
        assert_eq!(reason, expected);
    }
}
