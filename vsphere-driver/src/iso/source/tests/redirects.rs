//! Redirects: how far they are followed, and with what.

use super::{
    HOST, Names, fault, fetcher, message, one, over, read,
    server::{Answer, Server},
    source,
};
use crate::soap::client::fixtures::Identity;
use contract::v1::Reason;

#[tokio::test]
async fn headers_follow_a_redirect_to_the_same_host_and_no_further() {
    let fetcher = fetcher();
    let (here, there) = (
        Identity::new(HOST, 2100),
        Identity::new("other.example", 2100),
    );
    let other = Server::https(&there, vec![Answer::whole("0123456789")]).await;
    let answers = vec![
        Answer::to("/moved.iso"),
        Answer::to(&format!("https://other.example:{}/agent.iso", other.port)),
    ];
    let server = Server::https(&here, answers).await;
    let trusted = format!("{}{}", here.ca_pem, there.ca_pem);
    let source = source(&fetcher, message(server.port, &trusted));
    let opened = fetcher.open(&source, 0, None).await.expect("opened");
    assert_eq!(read(opened).await, ("0123456789".into(), None));
    let [first, second] = &server.requests()[..] else {
        panic!("two requests");
    };
    assert!(first.contains("authorization: bearer canary"), "{first}");
    assert!(
        second.starts_with("get /moved.iso ") && second.contains("authorization"),
        "{second}"
    );
    let [third] = &other.requests()[..] else {
        panic!("one request");
    };
    assert!(!third.contains("canary"), "{third}");
}

#[tokio::test]
async fn each_redirect_is_judged_anew() {
    for (location, host, rule) in [
        (
            "https://169.254.169.254/latest/meta-data/canary",
            "169.254.169.254",
            "metadata",
        ),
        ("//169.254.169.254/canary", "169.254.169.254", "metadata"),
        ("https://0xa9fea9fe/canary", "169.254.169.254", "metadata"),
        (
            "https://[::ffff:169.254.169.254]/canary",
            "::ffff:169.254.169.254",
            "metadata",
        ),
        (
            "https://user:canary@other.example/",
            "other.example",
            "user_info",
        ),
        ("https://other.example:22/canary", "other.example", "port"),
        ("http://images.example/canary", HOST, "downgrade"),
        ("file:///etc/canary", "?", "scheme"),
        ("https://1.1.1.1/canary", "1.1.1.1", "not_listed"),
        ("https://far.example/canary", "far.example", "not_listed"),
    ] {
        let names = Names::of(&[(HOST, &["127.0.0.1"]), ("far.example", &["1.1.1.1"])]);
        let fetcher = over(names, &["127.0.0.0/8"]);
        let (_server, source) = one(&fetcher, vec![Answer::to(location)]).await;
        let refused = fault(fetcher.open(&source, 0, None).await);
        assert_eq!(
            refused.reason(),
            Reason::IsoSourceRefused,
            "{location} {refused}"
        );
        let told = (&*refused.metadata["host"], &*refused.metadata["rule"]);
        assert_eq!(told, (host, rule), "{location}");
    }
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let fetcher = fetcher();
    let redirects = |count| (0..count).map(|_| Answer::to("/next.iso"));
    let answers = redirects(3).chain([Answer::whole("0")]).collect();
    let (_server, source) = one(&fetcher, answers).await;
    assert!(fetcher.open(&source, 0, None).await.is_ok());
    let (server, source) = one(&fetcher, redirects(5).collect()).await;
    let refused = fault(fetcher.open(&source, 0, None).await);
    assert_eq!(refused.metadata["rule"], "redirects");
    assert_eq!(server.requests().len(), 4);
}
