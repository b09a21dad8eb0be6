//! Machines of a node pool keep the ISO that they are installed from until they are nodes, and no longer.

use lab::agents::{Agents, Cast, Pool, State};
use lab::images::{Content, Image};
use lab::metrics::scrape;
use lab::{DATASTORE, ISO, Lab};
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::nodepool::NodePool;
use crate::zone::{PATIENCE, soon};

const SIZE: u64 = 4 << 20;
const CHANGE: &str = "ReconfigVM_Task";
const EJECT: &str = "EjectIso";
/// A template without machines, which wants the same image under another name.
const OTHER: &str = "other";

/// A node pool whose machines boot the image of its InfraEnv.
struct Site(NodePool);

impl Site {
    /// Without machines. Files go soon that nobody needs.
    async fn start() -> Self {
        let builder = Lab::builder().rpc_proxy().isos("grace = \"1s\"\n");
        let hub = Hub::of(builder.node_pools()).await;
        let pool = Pool::new(&hub.lab, POOL);
        pool.prepare(&hub.lab).await.unwrap();
        let played = Agents::start(&hub.lab, Cast::default()).await.unwrap();
        Self(NodePool { hub, pool, played })
    }

    fn lab(&self) -> &Lab {
        &self.0.hub.lab
    }

    /// From now on this is the image.
    async fn image(&self, seed: u64) -> Image {
        let image = self.lab().images().publish(Content::iso(SIZE, seed));
        let image = image.unwrap();
        let infra_env = self.0.pool.infra_env();
        let created = infra_env.image_created(self.lab(), &image);
        created.await.unwrap();
        image
    }

    /// A template without machines has the image fetched under a name of its own.
    async fn fetch(&self, image: &Image) {
        let mut template = self.lab().template(OTHER, 0);
        template["spec"]["agentISO"] = json!({
            "type": "url",
            "url": image.url(),
            "caBundle": self.lab().images().authority().unwrap(),
            "uploadedISOName": "other.iso",
        });
        self.lab().apply(&template).await.unwrap();
    }

    /// Has the template follow the image, under this name.
    async fn follow(&self, template: Value, label: &str) {
        let infra_env = self.0.pool.infra_env();
        let mut template = infra_env.followed_by(self.lab(), template).unwrap();
        template["spec"]["agentISO"]["uploadedISOName"] = json!(label);
        self.lab().apply(&template).await.unwrap();
    }

    /// Waits until a template has this image, and returns its path.
    async fn path(&self, template: &str, image: &Image) -> String {
        let ending = format!("-{}.iso", &image.content().sha256()[..16]);
        let path = |template: Option<&Value>| {
            let path = template?["status"]["isoPath"].as_str()?;
            path.ends_with(&ending).then(|| path.to_owned())
        };
        let has = |template: Option<&Value>| path(template).is_some();
        let has = self.lab().wait_for_template(template, PATIENCE, has);
        let error = has.await.err();
        let get = ["get", "vmtemplate", template, "-o", "json"];
        let found = self.lab().kubectl(&get).await.unwrap();
        let path = path(serde_json::from_str(&found).ok().as_ref());
        path.unwrap_or_else(|| panic!("{error:?}: {found}"))
    }

    /// What a machine has in its drive, as govc tells it; nothing where it is empty.
    async fn drive(&self, machine: &str) -> String {
        let info = ["device.info", "-vm", machine, "cdrom-*"];
        let info = self.lab().govc(&info).await.unwrap();
        let file = info["devices"][0]["backing"]["fileName"].as_str();
        file.unwrap_or_default().to_owned()
    }

    /// How often the controller asked for an ISO to be taken out.
    fn asked(&self) -> u64 {
        self.lab().rpcs().unwrap().counts().of(EJECT).calls
    }

    /// How often the driver changed a machine.
    fn changed(&self) -> u64 {
        self.lab().proxy().counts().of(CHANGE).calls
    }

    /// Both machines have this in their drives, and nobody wanted it otherwise.
    async fn have_both(&self, iso: &str) {
        for machine in ["pool-n01", "pool-n02"] {
            assert_eq!(self.drive(machine).await, iso, "{machine}");
        }
        assert_eq!((self.asked(), self.changed()), (0, 0));
    }

    /// Names the file of the image otherwise, and waits until the controller has seen that.
    async fn rename(&self, label: &str) {
        let hub = &self.0.hub;
        hub.patch(&json!({"spec": {"agentISO": {"uploadedISOName": label}}}))
            .await;
        let seen = |template: Option<&Value>| {
            let template = template.unwrap_or(&Value::Null);
            let label_now = &template["spec"]["agentISO"]["uploadedISOName"];
            let generation = &template["metadata"]["generation"];
            label_now == label && template["status"]["observedGeneration"] == *generation
        };
        let seen = self.lab().wait_for_template(POOL, PATIENCE, seen);
        seen.await.unwrap();
    }

    /// Waits until the driver refused to take something out that it did not bring.
    async fn refused(&self) {
        let controller = self.lab().controller().unwrap();
        let address = controller.metrics().unwrap();
        let faults = "vmware_nodepool_driver_faults_total";
        let refused = async {
            loop {
                let told = scrape(address).await.unwrap();
                if told.sum(faults, &[("reason", "ISONotOurs")]) > 0 {
                    return;
                }
            }
        };
        soon("the refusal", refused).await;
    }

    /// Waits until the drive of a machine is empty.
    async fn empty(&self, machine: &str) {
        let empty = async { while !self.drive(machine).await.is_empty() {} };
        soon("an empty drive", empty).await;
    }

    /// Waits until a file is not on the datastore any more.
    async fn gone(&self, path: &str) {
        let govc = self.lab().vcenter().govc();
        let (folder, file) = path.rsplit_once('/').unwrap();
        let begins = format!("[{DATASTORE}] ");
        let folder = folder.strip_prefix(&begins).unwrap();
        let files = || async { govc.files(DATASTORE, folder).await.unwrap() };
        let gone = async { while files().await.contains_key(file) {} };
        soon("the file to go", gone).await;
    }
}

#[tokio::test]
async fn an_iso_stays_until_its_machine_is_a_node_and_is_taken_out_once() {
    let site = Site::start().await;
    let Site(pool) = &site;
    let (hub, orders) = (&pool.hub, pool.played.orders());
    let image = site.image(1).await;
    // Who wants a content first gives its file the name, and others share it.
    site.fetch(&image).await;
    let iso = site.path(OTHER, &image).await;
    assert!(iso.contains("/other-"), "{iso}");

    orders.hold(State::KnownUnbound);
    hub.lab.apply(&pool.pool.node_pool(2)).await.unwrap();
    let mut template = pool.pool.template(&hub.lab);
    template["spec"]["vmTemplate"]["datastore"] = json!(format!("/DC0/datastore/{DATASTORE}"));
    site.follow(template, "mine.iso").await;
    assert_eq!(site.path(POOL, &image).await, iso);
    hub.ready(2).await;
    pool.all_in(2, State::KnownUnbound).await;
    site.have_both(&iso).await;

    orders.hold(State::InstallingInProgress);
    orders.release(State::KnownUnbound);
    pool.all_in(2, State::InstallingInProgress).await;
    pool.phase(2, "Installing").await;
    site.rename("renamed.iso").await;
    site.have_both(&iso).await;

    // A person needs the drive of one of them.
    let insert = ["device.cdrom.insert", "-vm", "pool-n02", "-ds", DATASTORE];
    hub.govc(&[&insert[..], &[ISO]].concat()).await;
    orders.release(State::InstallingInProgress);
    pool.phase(2, "Joined").await;
    site.empty("pool-n01").await;
    site.refused().await;
    let persons = format!("[{DATASTORE}] {ISO}");
    assert_eq!(site.drive("pool-n02").await, persons);
    assert_eq!(site.changed(), 1);

    // Nobody needs the file any more once there is another image.
    let next = site.image(2).await;
    site.path(POOL, &next).await;
    hub.kubectl(&["delete", "vmtemplate", OTHER]).await;
    site.gone(&iso).await;

    // Neither a look at them nor starting them anew puts anything into drives, or takes anything out.
    let asked = site.asked();
    hub.govc(&["vm.power", "-off", "-force", "pool-n01"]).await;
    hub.message("pool-n01", "PoweredOffOutside").await;
    hub.govc(&["vm.power", "-on", "pool-n01"]).await;
    hub.ready(2).await;
    for label in ["a.iso", "b.iso", "c.iso"] {
        site.rename(label).await;
    }
    assert_eq!(site.drive("pool-n01").await, "");
    assert_eq!(site.drive("pool-n02").await, persons);
    assert_eq!((site.asked(), site.changed()), (asked, 1));
}
