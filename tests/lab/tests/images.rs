//! The image service as curl sees it: images are whole, and go wrong as they are told.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share may fail them, too"
)]

use std::sync::Arc;

use http::StatusCode;
use lab::canary::Canary;
use lab::certificates::Certificates;
use lab::images::{Content, Image, Images, Trouble};
use tempfile::TempDir;
use tokio::process::Command;

/// curl's exit codes (curl(1)).
const PARTIAL: i32 = 18;
const RECEIVE: i32 = 56;
const TIMED_OUT: i32 = 28;
const UNTRUSTED: i32 = 60;
const TOO_MANY_REDIRECTS: i32 = 47;

const SIZE: u64 = 300_000;

struct Service {
    images: Images,
    canary: Arc<Canary>,
    certificates: Certificates,
    folder: TempDir,
}

/// What curl had.
struct Got {
    exit: i32,
    status: u16,
    body: Vec<u8>,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(&folder.path().join("certificates")).unwrap();
        let canary = Arc::default();
        let images = Images::start(&certificates, &canary).await.unwrap();
        Self {
            images,
            canary,
            certificates,
            folder,
        }
    }

    fn image(&self) -> Image {
        self.images.publish(Content::iso(SIZE, 1)).unwrap()
    }

    async fn get(&self, image: &Image, options: &[&str]) -> Got {
        self.get_trusting(&self.certificates.images_authority, image, options)
            .await
    }

    async fn get_trusting(
        &self,
        authority: &std::path::Path,
        image: &Image,
        options: &[&str],
    ) -> Got {
        let file = self.folder.path().join("body");
        let _ = std::fs::remove_file(&file);
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--write-out", "%{http_code}"])
            .arg("--cacert")
            .arg(authority)
            .arg("--output")
            .arg(&file)
            .args(options)
            .arg(image.url())
            .output();
        let output = output.await.unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        Got {
            exit: output.status.code().unwrap(),
            status: status.parse().unwrap(),
            body: std::fs::read(&file).unwrap_or_default(),
        }
    }
}

fn bytes(image: &Image) -> Vec<u8> {
    image.content().chunks().flatten().collect()
}

#[tokio::test]
async fn an_image_is_served_whole_and_in_parts_to_who_trusts_its_authority() {
    let service = Service::start().await;
    let image = service.image();
    let whole = service.get(&image, &[]).await;
    assert_eq!((whole.exit, whole.status), (0, 200));
    assert!(whole.body == bytes(&image));
    let part = service.get(&image, &["--range", "70000-"]).await;
    assert_eq!((part.exit, part.status), (0, 206));
    assert!(part.body == bytes(&image)[70_000..]);
    service.get(&image, &["--head"]).await;
    let counts = image.counts();
    assert_eq!((counts.heads, counts.gets, counts.parts), (1, 2, 1));
    assert_eq!(counts.bytes, 2 * SIZE - 70_000);

    let other = &service.certificates.authority;
    let untrusted = service.get_trusting(other, &image, &[]).await;
    assert_eq!(untrusted.exit, UNTRUSTED);
}

/// What curl is to see of a trouble: its exit code, the status, how many bytes.
type Seen = (i32, u16, Option<u64>);

/// Asks with each of these troubles, one after the other.
async fn see(service: &Service, image: &Image, troubles: &[(Trouble, &[&str], Seen)]) {
    for (trouble, options, (exit, status, bytes)) in troubles {
        image.always(trouble.clone());
        let got = service.get(image, options).await;
        // Not every version of curl tells a connection that broke from one that ended too early.
        let exit_is = got.exit == *exit || (*exit, got.exit) == (PARTIAL, RECEIVE);
        assert!(exit_is, "{trouble:?}: {}", got.exit);
        assert_eq!(got.status, *status, "{trouble:?}");
        if let Some(bytes) = bytes {
            assert_eq!(got.body.len() as u64, *bytes, "{trouble:?}");
        }
        image.calm();
    }
    assert_eq!(service.get(image, &[]).await.body.len() as u64, SIZE);
}

#[tokio::test]
async fn troubles_answer_in_the_place_of_an_image() {
    let service = Service::start().await;
    let image = service.image();
    let other = service.image();
    let to = |image: &Image| Trouble::Redirected(image.url().to_owned());
    let refused = Trouble::Refused(StatusCode::FORBIDDEN);
    let troubles: [(_, &[&str], Seen); 5] = [
        (refused, &[], (0, 403, None)),
        (Trouble::Page, &[], (0, 200, None)),
        (Trouble::NoHead, &["--head"], (0, 405, None)),
        (to(&other), &["--location"], (0, 200, Some(SIZE))),
        (to(&image), &["--location"], (TOO_MANY_REDIRECTS, 302, None)),
    ];
    see(&service, &image, &troubles).await;
}

#[tokio::test]
async fn troubles_spoil_the_bytes_of_an_image() {
    let service = Service::start().await;
    let image = service.image();
    let after = 100_000;
    let second: &[&str] = &["--max-time", "1"];
    let troubles: [(_, &[&str], Seen); 7] = [
        (Trouble::NoRanges, &["--range", "1-2"], (0, 200, Some(SIZE))),
        (Trouble::NoLength, &[], (0, 200, Some(SIZE))),
        (Trouble::Length(SIZE + 1), &[], (PARTIAL, 200, Some(SIZE))),
        (Trouble::Length(SIZE - 1), &[], (0, 200, Some(SIZE - 1))),
        (Trouble::Broken { after }, &[], (PARTIAL, 200, Some(after))),
        (
            Trouble::Stalled { after },
            second,
            (TIMED_OUT, 200, Some(after)),
        ),
        (
            Trouble::Slow { rate: 1_000 },
            second,
            (TIMED_OUT, 200, None),
        ),
    ];
    see(&service, &image, &troubles).await;
}

#[tokio::test]
async fn a_reply_that_stood_still_goes_on_and_a_broken_one_is_taken_up_where_it_was() {
    let service = Service::start().await;
    let image = service.image();
    image.always(Trouble::Stalled { after: 100_000 });
    let (got, ()) = tokio::join!(service.get(&image, &[]), async {
        image.until(|counts| counts.stalled == 1).await;
        image.calm();
    });
    assert!(got.body == bytes(&image));

    image.once(Trouble::Broken { after: 100_000 });
    let first = service.get(&image, &[]).await;
    let rest = service.get(&image, &["--range", "100000-"]).await;
    assert!([first.body, rest.body].concat() == bytes(&image));
}

#[tokio::test]
async fn another_content_under_the_same_url_has_another_tag_and_time() {
    let service = Service::start().await;
    let image = service.image();
    let before = service.get(&image, &["--head"]).await.body;
    image.change(Content::iso(SIZE, 2));
    let after = service.get(&image, &["--head"]).await.body;
    let (before, after) = (
        String::from_utf8(before).unwrap(),
        String::from_utf8(after).unwrap(),
    );
    for header in ["etag:", "last-modified:"] {
        let of = |text: &str| {
            text.lines()
                .find(|it| it.starts_with(header))
                .map(str::to_owned)
        };
        assert!(of(&before).is_some(), "{before}");
        assert_ne!(of(&before), of(&after));
    }
}

#[tokio::test]
async fn no_part_of_a_token_may_be_said_by_anybody() {
    let service = Service::start().await;
    let image = service.image();
    service.canary.said("a log", image.masked());
    assert_eq!(service.canary.search().hits, [""; 0]);
    let signature = image.token().rsplit('.').next().unwrap();
    service.canary.said("a log", signature);
    assert_eq!(service.canary.search().hits.len(), 1);
}
