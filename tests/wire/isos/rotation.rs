//! A content that changes while it is fetched: whoever asks then gets the new one, and nothing of both.

use lab::images::{Content, Trouble};

use super::{SIZE, Store, fault, path, state};
use crate::requests::{ISO, with};
use crate::zone::soon;

#[tokio::test]
async fn an_iso_that_is_made_anew_while_it_is_fetched_is_given_up_for_the_new_one() {
    let store = Store::start().await;
    let image = store.image(1);
    // Who has begun to read an image goes on with it, whatever is there meanwhile.
    image.always(Trouble::Stalled { after: SIZE / 2 });
    let wish = store.wish("demo", image.url());
    let old = with(wish.clone(), "/source/url/revision", "1");
    store.zone.call(ISO, &with(old, "/wait", "0s")).await;
    soon("a transfer", image.until(|counts| counts.stalled == 1)).await;

    let (old, new) = (image.content(), Content::iso(SIZE, 2));
    image.change(new.clone());
    let wish = with(wish, "/source/url/revision", "2");
    let (iso, ()) = tokio::join!(store.ask(&wish), async {
        soon("another", image.until(|counts| counts.stalled == 2)).await;
        image.calm();
    });
    assert_eq!(
        (state(&iso), &iso["sourceRevision"]),
        ("READY", &"2".into()),
        "{iso}"
    );
    assert_eq!(iso["sha256"], new.sha256(), "{iso}");
    store.holds(path(&iso), &new).await;
    store.machine("demo", path(&iso)).await;

    store.until_tidy().await;
    let files = store.files().await;
    assert_eq!(files.len(), 2, "an ISO and its record: {files:?}");
    let digits = &old.sha256()[..16];
    assert!(!files.keys().any(|name| name.contains(digits)), "{files:?}");
    assert_eq!(image.counts().gets, 2);
}

#[tokio::test]
async fn what_is_not_the_wanted_content_is_fetched_once_however_often_it_is_asked_for() {
    let store = Store::start().await;
    let image = store.image(1);
    let other = Content::iso(SIZE, 2);
    let wish = with(
        store.wish("demo", image.url()),
        "/source/url/sha256",
        other.sha256(),
    );
    for _ in 0..3 {
        let iso = store.ask(&wish).await;
        assert_eq!(fault(&iso), "ISO_DIGEST_MISMATCH", "{iso}");
    }
    assert_eq!(image.counts().gets, 1, "{:?}", image.counts());

    // The caller knows that it is another now.
    image.change(other.clone());
    let iso = store.ask(&with(wish, "/source/url/revision", "2")).await;
    store.holds(path(&iso), &other).await;
}
