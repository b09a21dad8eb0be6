//! A plan looks at the source and at the datastores, and changes neither.

use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use super::{Store, path, state};
use crate::requests::{ISO, with};
use crate::zone::reason;

const OTHER: &str = "LocalDS_1";

impl Store {
    /// What would be done for an ISO on both datastores.
    async fn planned(&self, url: &str) -> Value {
        let wish = with(self.wish("demo", url), "/validateOnly", true);
        let both = with(wish, "/datastores", json!([DATASTORE, OTHER]));
        self.zone.call(ISO, &both).await["iso"].clone()
    }
}

fn is_transferred(file: &Value) -> bool {
    file["verbs"] == json!(["VERB_TRANSFER_ISO"])
}

#[tokio::test]
async fn a_plan_says_what_is_there_already_and_where_nothing_can_come() {
    let store = Store::of(Lab::builder().vcenter_arguments(["-ds", "2"])).await;
    let image = store.image(1);
    let iso = store.ensure("demo", &image).await;
    let before = store.files().await;

    let planned = store.planned(image.url()).await;
    let (here, there) = (&planned["files"][0], &planned["files"][1]);
    assert_eq!(
        (state(here), state(there)),
        ("READY", "PENDING"),
        "{planned}"
    );
    assert_eq!(here["path"], path(&iso), "{planned}");
    assert_eq!(
        (is_transferred(here), is_transferred(there)),
        (false, true),
        "{planned}"
    );
    assert_eq!(state(&planned), "PENDING", "{planned}");

    let fault = json!({"type": "InaccessibleDatastore", "fields": {"name": OTHER}});
    let search = "SearchDatastore_Task";
    let rule = json!({"method": search, "times": 2, "fault": fault});
    store.lab().vcenter().add_fault(&rule).await.unwrap();
    let planned = store.planned(image.url()).await;
    for file in planned["files"].as_array().unwrap() {
        assert_eq!(reason(&file["fault"]), "DATASTORE_UNAVAILABLE", "{planned}");
        assert!(!is_transferred(file), "{planned}");
    }
    assert_eq!(state(&planned), "UNKNOWN", "{planned}");

    assert_eq!(image.counts().gets, 1, "only for the ISO that is there");
    assert_eq!(store.files().await, before);
}
