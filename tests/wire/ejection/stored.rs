//! Only what the driver brought is taken out, where no more is asked for: known by its record, not by its name.

use lab::images::{Content, Image};
use lab::proxy::{Action, Fault};
use lab::{DATASTORE, Lab};
use serde_json::{Value, json};

use crate::requests::{EJECT, ENSURE, ISO, keys, machines, with};
use crate::zone::{Zone, reasons, states};

const SIZE: u64 = 4 << 20;
const CHANGE: &str = "ReconfigVM_Task";

impl Zone {
    /// A file that the driver fetched, by its path.
    async fn fetched(&self, label: &str) -> String {
        let image: Image = self.lab.images().publish(Content::iso(SIZE, 1)).unwrap();
        let wish = json!({
            "vcenter": lab::VCENTER,
            "owner": {"name": label},
            "datastores": [DATASTORE],
            "fileLabel": label,
            "source": {"url": {
                "url": image.url(), "caBundlePem": self.lab.images().authority().unwrap(),
            }},
            "wait": "90s",
        });
        let reply = self.call(ISO, &wish).await;
        let path = reply["iso"]["files"][0]["path"].as_str();
        path.unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// A file of somebody else, which is called as if it were the driver's.
    async fn alike(&self) -> String {
        let local = self.lab.folder().join("alike.iso");
        std::fs::write(&local, "not of the driver").unwrap();
        let remote = "hcp-iso/agent-0123456789abcdef.iso";
        let local = local.display().to_string();
        self.govc(&["datastore.upload", "-ds", DATASTORE, &local, remote])
            .await;
        format!("[{DATASTORE}] {remote}")
    }

    /// One machine of this owner, which boots this.
    async fn boots(&self, owner: &str, iso: &str) {
        let cdrom = json!({"isoPath": iso});
        let asked = with(machines(owner, [1]), "/spec/cdrom", cdrom);
        let made = self.call(ENSURE, &asked).await;
        assert_eq!(states(&made), ["RUNNING"], "{made}");
    }

    /// Asks for what the driver brought to be taken out of the first machine of each owner.
    async fn eject_stored(&self, owners: [&str; 2]) -> Value {
        let key = |owner| json!({"key": {"ownerUid": owner, "slot": 1}});
        let asked = with(
            keys("demo", []),
            "/machines",
            json!(owners.map(key).to_vec()),
        );
        self.call(EJECT, &with(asked, "/onlyStored", true)).await
    }
}

#[tokio::test]
async fn what_the_driver_brought_goes_by_its_record_and_what_only_looks_so_stays() {
    let mut zone = Zone::of(Lab::builder()).await;
    let (brought, alike) = (zone.fetched("their-own.iso").await, zone.alike().await);
    zone.boots("brought", &brought).await;
    zone.boots("alike", &alike).await;
    // What it has seen of its folder, the driver has forgotten.
    zone.lab.restart_driver().await.unwrap();
    zone.synced().await;
    zone.lab.proxy().reset();
    for verbs in [json!(["VERB_EJECT_ISO"]), json!([])] {
        let ejected = zone.eject_stored(["brought", "alike"]).await;
        assert_eq!(reasons(&ejected), ["", "ISO_NOT_OURS"], "{ejected}");
        assert_eq!(ejected["done"], true, "{ejected}");
        assert_eq!(ejected["results"][0]["verbs"], verbs, "{ejected}");
        let left = &ejected["results"][1]["machine"]["mountedIso"];
        assert_eq!(*left, json!(alike), "{ejected}");
    }
    assert_eq!(zone.calls(CHANGE), 1);
}

#[tokio::test]
async fn whose_a_file_is_cannot_be_told_while_its_datastore_is_away() {
    let zone = Zone::of(Lab::builder()).await;
    let (brought, alike) = (zone.fetched("agent.iso").await, zone.alike().await);
    zone.boots("brought", &brought).await;
    zone.boots("alike", &alike).await;
    let away = Action::reply("InaccessibleDatastore");
    zone.lab
        .proxy()
        .add(Fault::each("SearchDatastore_Task", away));
    // What it has seen before, it knows.
    let ejected = zone.eject_stored(["brought", "alike"]).await;
    assert_eq!(
        reasons(&ejected),
        ["", "DATASTORE_UNAVAILABLE"],
        "{ejected}"
    );
    zone.lab.proxy().clear();
    let ejected = zone.eject_stored(["brought", "alike"]).await;
    assert_eq!(reasons(&ejected), ["", "ISO_NOT_OURS"], "{ejected}");
}
