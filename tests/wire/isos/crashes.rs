//! The driver is killed in the middle of a transfer: whatever looks like an ISO is one, and whole.

use lab::images::{Image, Trouble};
use lab::proxy::{Moment, Trap, Which};
use lab::{DATASTORE, Lab};

use super::{FOLDER, SIZE, Store, path, state};
use crate::requests::{ISO, with};
use crate::zone::soon;

/// Where in the source's bytes the driver is killed: at both ends, around the volume descriptors, and
/// where nothing particular is.
const AT: [u64; 6] = [0, 1, 0x8001, 2_345_678, 4_567_891, SIZE - 1];
/// At which of the calls that change something, too: the folder, the file, the record, the move.
const CALLS: [(u64, Moment); 8] = [
    (1, Moment::Before),
    (1, Moment::After),
    (2, Moment::Before),
    (2, Moment::After),
    (3, Moment::Before),
    (3, Moment::After),
    (4, Moment::Before),
    (4, Moment::After),
];

impl Store {
    /// Asks, and does not wait.
    async fn wish_only(&self, owner: &str, image: &Image) {
        let wish = with(self.wish(owner, image.url()), "/wait", "0s");
        // The driver may be killed while it answers.
        let _ = self.zone.attempt(ISO, &wish).await;
    }

    /// Returns when it is there.
    async fn unless_killed(&self, owner: &str, image: &Image) {
        let wish = self.wish(owner, image.url());
        // A driver that is killed meanwhile never answers.
        if self.zone.attempt(ISO, &wish).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Each file that looks like an ISO holds one of these images, all of it.
    async fn only_whole(&self, images: &[Image], when: &str) {
        let digests: Vec<_> = images.iter().map(|it| it.content().sha256()).collect();
        for (name, size) in self.files().await {
            if super::is_iso(&name) {
                assert_eq!(size, SIZE, "{name} {when}");
                let file = format!("{FOLDER}/{name}");
                let govc = self.lab().vcenter().govc();
                let sha256 = govc.sha256(DATASTORE, &file).await.unwrap();
                assert!(digests.contains(&sha256), "{name} {when}");
            }
        }
    }

    /// Starts the driver again, and has the image.
    async fn again(&mut self, owner: &str, image: &Image) {
        let lab: &mut Lab = &mut self.zone.lab;
        lab.restart_driver().await.unwrap();
        self.zone.synced().await;
        image.calm();
        let iso = self.ensure(owner, image).await;
        assert_eq!(state(&iso), "READY", "{iso}");
        self.holds(path(&iso), &image.content()).await;
    }

    /// Waits until no part of any transfer is left.
    pub(super) async fn until_tidy(&self) {
        let proxy = self.lab().proxy();
        let tidy = async {
            loop {
                let removed = proxy.counts().of("DeleteDatastoreFile_Task").answers;
                let files = self.files().await;
                if !files.keys().any(|name| name.contains(".part-")) {
                    return;
                }
                proxy
                    .answered("DeleteDatastoreFile_Task", removed + 1)
                    .await;
            }
        };
        soon("the parts to be removed", tidy).await;
    }
}

#[tokio::test]
async fn a_driver_that_is_killed_in_a_transfer_leaves_no_iso_that_is_not_whole() {
    let mut store = Store::start().await;
    let mut images = Vec::new();
    for (seed, at) in (1..).zip(AT) {
        let image = store.image(seed);
        images.push(image.clone());
        image.always(Trouble::Stalled { after: at });
        let owner = format!("owner-{seed}");
        store.wish_only(&owner, &image).await;
        soon("a transfer", image.until(|counts| counts.stalled > 0)).await;
        store
            .zone
            .lab
            .kill_driver_with_its_sessions()
            .await
            .unwrap();
        store
            .only_whole(&images, &format!("killed at byte {at}"))
            .await;
        store.again(&owner, &image).await;
    }
    store.until_tidy().await;
    assert_eq!(store.isos().await.len(), AT.len());
}

#[tokio::test]
async fn a_driver_that_is_killed_at_a_call_leaves_no_iso_that_is_not_whole() {
    let mut store = Store::start().await;
    let mut images = Vec::new();
    for (seed, (nth, moment)) in (1..).zip(CALLS) {
        let image = store.image(seed);
        images.push(image.clone());
        let owner = format!("owner-{seed}");
        let which = Which::Changing;
        let kill = store.lab().driver().unwrap().process().unwrap().killer();
        let trap = Trap { which, nth, moment };
        let sprung = store.lab().proxy().trap(trap, kill);
        store.wish_only(&owner, &image).await;
        // Where the folder is there already, there is one call less.
        let sprung = tokio::select! {
            sprung = sprung => sprung.unwrap().method,
            () = store.unless_killed(&owner, &image) => "none".to_owned(),
        };
        store
            .zone
            .lab
            .kill_driver_with_its_sessions()
            .await
            .unwrap();
        let when = format!("killed {moment:?} {sprung}");
        store.only_whole(&images, &when).await;
        store.again(&owner, &image).await;
    }
    store.until_tidy().await;
    assert_eq!(store.isos().await.len(), CALLS.len());
}
