//! Sources that break, stand still, have expired, send something else, or lead elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use lab::images::{Content, Trouble};
use serde_json::json;
use tokio::net::TcpListener;

use super::{SIZE, Store, fault, path, state};
use crate::requests::{ISO, with};
use crate::zone::soon;

#[tokio::test]
async fn a_transfer_whose_source_breaks_goes_on_where_it_was() {
    let store = Store::start().await;
    let image = store.image(1);
    image.once(Trouble::Broken { after: SIZE / 3 });
    image.once(Trouble::Broken { after: SIZE / 3 });
    let iso = store.ensure("demo", &image).await;
    assert_eq!(state(&iso), "READY", "{iso}");
    store.holds(path(&iso), &image.content()).await;
    let counts = image.counts();
    assert_eq!((counts.gets, counts.parts), (3, 2), "{counts:?}");
    // What was sent and not received is sent again.
    assert!(counts.bytes < SIZE + SIZE / 3, "{counts:?}");
}

#[tokio::test]
async fn a_source_that_changes_in_the_middle_is_not_put_together_of_two() {
    let store = Store::start().await;
    let image = store.image(1);
    image.always(Trouble::Stalled { after: SIZE / 2 });
    let wish = store.wish("demo", image.url());
    let (iso, ()) = tokio::join!(store.ask(&wish), async {
        soon("a transfer", image.until(|counts| counts.stalled == 1)).await;
        image.change(Content::iso(SIZE, 2));
        image.calm_but_once(Trouble::Broken { after: 0 });
    });
    assert_eq!(
        (state(&iso), fault(&iso)),
        ("FAILED", "ISO_SOURCE_CHANGED"),
        "{iso}"
    );
    let iso = store.until_ready(&wish).await;
    store.holds(path(&iso), &Content::iso(SIZE, 2)).await;
    assert_eq!(store.isos().await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_source_is_told_by_its_reason_and_nothing_is_left() {
    let store = Store::start().await;
    for (number, (trouble, reason)) in (1..).zip([
        (
            Trouble::Refused(StatusCode::UNAUTHORIZED),
            "ISO_SOURCE_EXPIRED",
        ),
        (
            Trouble::Refused(StatusCode::FORBIDDEN),
            "ISO_SOURCE_EXPIRED",
        ),
        (Trouble::Refused(StatusCode::GONE), "ISO_SOURCE_EXPIRED"),
        (
            Trouble::Refused(StatusCode::NOT_FOUND),
            "ISO_SOURCE_NOT_FOUND",
        ),
        (
            Trouble::Refused(StatusCode::SERVICE_UNAVAILABLE),
            "ISO_SOURCE_UNREACHABLE",
        ),
        (Trouble::Page, "ISO_INVALID"),
        (Trouble::NoLength, "ISO_SOURCE_UNREACHABLE"),
        (Trouble::Length(1 << 50), "ISO_TOO_LARGE"),
    ]) {
        let image = store.image(number);
        image.always(trouble.clone());
        let iso = store.ensure(&format!("owner-{number}"), &image).await;
        assert_eq!(
            (state(&iso), fault(&iso)),
            ("FAILED", reason),
            "{trouble:?}: {iso}"
        );
        let said = iso.to_string();
        assert!(!said.contains("page-of-the-image-service"), "{said}");
    }
    assert_eq!(store.files().await, BTreeMap::new());
}

#[tokio::test]
async fn a_content_that_is_no_iso_or_not_the_expected_one_never_gets_its_name() {
    let store = Store::start().await;
    let noise = Content::noise(SIZE, 1);
    let noise = store.lab().images().publish(noise).unwrap();
    let iso = store.ensure("noise", &noise).await;
    assert_eq!(
        (state(&iso), fault(&iso)),
        ("FAILED", "ISO_INVALID"),
        "{iso}"
    );

    let image = store.image(2);
    let other = Content::iso(SIZE, 3).sha256();
    let wish = with(
        store.wish("other", image.url()),
        "/source/url/sha256",
        other,
    );
    let iso = store.ask(&wish).await;
    assert_eq!(
        (state(&iso), fault(&iso)),
        ("FAILED", "ISO_DIGEST_MISMATCH"),
        "{iso}"
    );
    assert_eq!(store.files().await, BTreeMap::new());

    let digest = image.content().sha256();
    let wish = with(
        store.wish("other", image.url()),
        "/source/url/sha256",
        digest,
    );
    assert_eq!(state(&store.ask(&wish).await), "READY");
}

#[tokio::test]
async fn a_source_is_trusted_only_by_the_authority_that_was_given() {
    let store = Store::start().await;
    let image = store.image(1);
    let other = &store.lab().certificates().other_authority;
    let other = std::fs::read_to_string(other).unwrap();
    let wish = with(
        store.wish("demo", image.url()),
        "/source/url/caBundlePem",
        other,
    );
    let iso = store.ask(&wish).await;
    assert_eq!(fault(&iso), "ISO_SOURCE_TLS_UNTRUSTED", "{iso}");
    assert_eq!(image.counts().heads + image.counts().gets, 0);
}

#[tokio::test]
async fn a_source_without_head_or_ranges_is_fetched_all_the_same() {
    let store = Store::start().await;
    let image = store.image(1);
    image.always(Trouble::NoHead);
    image.always(Trouble::NoRanges);
    let iso = store.ensure("demo", &image).await;
    assert_eq!(state(&iso), "READY", "{iso}");
    store.holds(path(&iso), &image.content()).await;
}

#[tokio::test]
async fn a_redirect_is_followed_only_to_where_the_policy_lets_it() {
    let store = Store::start().await;
    let target = store.image(1);
    let image = store.image(2);
    image.always(Trouble::Redirected(target.url().to_owned()));
    let iso = store.ensure("demo", &image).await;
    assert_eq!(state(&iso), "READY", "{iso}");
    store.holds(path(&iso), &target.content()).await;

    // Another address of this machine: nobody may be connected there.
    let trap = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = trap.local_addr().unwrap().port();
    for (number, to) in (3..).zip([
        format!("https://127.0.0.2:{port}/image.iso"),
        format!("http://127.0.0.2:{port}/image.iso"),
        format!("https://[::ffff:127.0.0.2]:{port}/image.iso"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        target.url().replacen("https", "http", 1),
        target.url().replacen("https://", "https://user:secret@", 1),
    ]) {
        let image = store.image(number);
        image.always(Trouble::Redirected(to.clone()));
        let iso = store.ensure(&format!("owner-{number}"), &image).await;
        assert_eq!(fault(&iso), "ISO_SOURCE_REFUSED", "{to}: {iso}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(1), trap.accept()).await;
    assert!(nobody.is_err(), "{nobody:?}");
    assert_eq!(target.counts().gets, 1);

    // A circle ends.
    let circle = store.image(20);
    circle.always(Trouble::Redirected(circle.url().to_owned()));
    let iso = store.ensure("circle", &circle).await;
    assert_eq!(state(&iso), "FAILED", "{iso}");
    let asked = circle.counts().heads + circle.counts().gets;
    assert!(asked < 20, "{asked}");
}

#[tokio::test]
async fn headers_are_sent_to_the_host_that_they_are_for_and_to_no_other() {
    let store = Store::start().await;
    let (image, other) = (store.image(1), store.image(2));
    // The same service under another name.
    let elsewhere = other.url().replacen("127.0.0.1", "localhost", 1);
    image.always(Trouble::Redirected(elsewhere));
    let headers = json!({"x-image-token": "only-for-the-first-host"});
    let wish = with(
        store.wish("demo", image.url()),
        "/source/url/headers",
        headers,
    );
    let reply = store.zone.call(ISO, &wish).await;
    let sent = |image: &lab::images::Image| {
        let asked = image.asked().into_iter();
        asked
            .filter(|it| it.headers.contains_key("x-image-token"))
            .count()
    };
    assert_eq!(state(&reply["iso"]), "READY", "{reply}");
    assert!(sent(&image) > 0, "{reply}");
    assert!(!other.asked().is_empty(), "{reply}");
    assert_eq!(sent(&other), 0, "{reply}");
}
