//! How much room there is for machines: the figures are vCenter's own, and nothing is promised twice.

use lab::Lab;
use lab::metrics::scrape;
use serde_json::{Value, json};

use crate::hub::{Hub, POOL};
use crate::requests::{CAPACITY, ENSURE, PLACEMENT, machines, with, without};
use crate::zone::{PATIENCE, Zone, reason, soon, word};

const GIB: i64 = 1 << 30;
const MIB: i64 = 1 << 20;
/// What one CPU of a machine is reckoned with.
const MHZ: i64 = 2_000;

/// What vCenter itself says of a cluster and a datastore, asked past the driver.
#[derive(Debug)]
struct Figures {
    /// Of each host: CPU and memory, all of it and what is in use.
    hosts: Vec<Host>,
    capacity_bytes: i64,
    free_bytes: i64,
}

#[derive(Debug)]
struct Host {
    cpu_mhz: (i64, i64),
    memory_mib: (i64, i64),
}

impl Figures {
    async fn of(lab: &Lab) -> Self {
        let hosts = lab.govc(&["host.info", "/DC0/host/DC0_C0/*"]).await;
        let hosts = hosts.unwrap()["hostSystems"].as_array().unwrap().clone();
        let host = |host: &Value| {
            let (hardware, used) = (&host["summary"]["hardware"], &host["summary"]["quickStats"]);
            let cpu = number(&hardware["cpuMhz"]) * number(&hardware["numCpuCores"]);
            Host {
                cpu_mhz: (cpu, number(&used["overallCpuUsage"])),
                memory_mib: (
                    number(&hardware["memorySize"]) / MIB,
                    number(&used["overallMemoryUsage"]),
                ),
            }
        };
        let stores = lab.govc(&["datastore.info", lab::DATASTORE]).await.unwrap();
        let store = &stores["datastores"][0]["summary"];
        Self {
            hosts: hosts.iter().map(host).collect(),
            capacity_bytes: number(&store["capacity"]),
            free_bytes: number(&store["freeSpace"]),
        }
    }

    /// All of it, and what is in use.
    fn cpu(&self) -> (i64, i64) {
        sum(self.hosts.iter().map(|host| host.cpu_mhz))
    }

    fn memory(&self) -> (i64, i64) {
        sum(self.hosts.iter().map(|host| host.memory_mib))
    }

    /// How many machines of 2 CPUs, 8 GiB of memory and a disk of 20 GiB fit: by CPU, by memory, by space
    /// and by host.
    fn room(&self) -> [i64; 4] {
        let left = |(all, used): (i64, i64)| all - used;
        let cpu = |pair| left(pair) / (2 * MHZ);
        let memory = |pair| left(pair) / 8_192;
        let by_host = self.hosts.iter();
        let by_host = by_host.map(|host| cpu(host.cpu_mhz).min(memory(host.memory_mib)));
        [
            cpu(self.cpu()),
            memory(self.memory()),
            self.free_bytes / (28 * GIB),
            by_host.sum(),
        ]
    }

    fn machines(&self) -> i64 {
        self.room().into_iter().min().unwrap()
    }
}

fn sum(pairs: impl Iterator<Item = (i64, i64)>) -> (i64, i64) {
    pairs.fold((0, 0), |all, pair| (all.0 + pair.0, all.1 + pair.1))
}

/// A number, which protobuf writes as a text if it has 64 bits.
fn number(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_i64().or(text).unwrap_or_default()
}

/// Asks for the room of the machines of `machines`.
fn question() -> Value {
    let spec = machines("demo", [1])["spec"].take();
    let spec = with(spec, "/hardware", json!({"numCpus": 2, "memoryMib": 8_192}));
    json!({"vcenter": lab::VCENTER, "spec": spec, "basis": "CAPACITY_BASIS_TOTAL"})
}

fn by(room: &Value) -> [i64; 4] {
    ["byCpu", "byMemory", "byStorage", "byHost"].map(|by| number(&room[by]))
}

#[tokio::test]
async fn the_room_follows_from_vcenters_own_figures() {
    let zone = Zone::start().await;
    let told = zone.call(CAPACITY, &question()).await["capacity"].take();
    let figures = Figures::of(&zone.lab).await;
    assert!(figures.machines() > 10, "{figures:?}");
    let (compute, store) = (&told["compute"], &told["datastores"][0]);
    assert_eq!(
        [
            number(&compute["cpuTotalMhz"]),
            number(&compute["cpuUsedMhz"]),
            number(&compute["memoryTotalMib"]),
            number(&compute["memoryUsedMib"]),
            number(&store["capacityBytes"]),
            number(&store["freeBytes"]),
        ],
        [
            figures.cpu().0,
            figures.cpu().1,
            figures.memory().0,
            figures.memory().1,
            figures.capacity_bytes,
            figures.free_bytes,
        ],
        "{told}"
    );
    assert_eq!(compute["object"]["path"], "/DC0/host/DC0_C0");
    assert_eq!(compute["usableHosts"], figures.hosts.len());
    assert_eq!(by(&told["room"]), figures.room(), "{told}");
    assert_eq!(number(&told["room"]["machines"]), figures.machines());
}

#[tokio::test]
async fn a_measurement_is_shared_until_it_is_too_old() {
    let zone = Zone::start().await;
    let before = zone.calls("RetrievePropertiesEx");
    let first = zone.call(CAPACITY, &question()).await;
    let larger = with(question(), "/spec/hardware/memoryMib", 16_384);
    let second = zone.call(CAPACITY, &larger).await;
    assert_eq!(zone.calls("RetrievePropertiesEx"), before + 1);
    let at = |told: &Value| told["capacity"]["measuredAt"].clone();
    assert_eq!(at(&first), at(&second));
    let halves = number(&second["capacity"]["room"]["byMemory"]) * 2;
    let all = number(&first["capacity"]["room"]["byMemory"]);
    assert!((0..=1).contains(&(all - halves)), "{all} and {halves}");

    let now = with(question(), "/maxAge", "0s");
    let third = zone.call(CAPACITY, &now).await;
    assert_eq!(zone.calls("RetrievePropertiesEx"), before + 2);
    assert_ne!(at(&first), at(&third));
}

#[tokio::test]
async fn what_is_accepted_and_not_yet_made_is_no_longer_free() {
    let zone = Zone::start().await;
    let hold = zone.lab.proxy().hold("CreateVM_Task");
    let before = zone.call(CAPACITY, &question()).await["capacity"].take();
    zone.call(ENSURE, &without(machines("demo", 1..=2), "/wait"))
        .await;
    let after = zone.call(CAPACITY, &question()).await["capacity"].take();
    assert_eq!(before["measuredAt"], after["measuredAt"]);
    let less = by(&before["room"]).map(|room| room - 2);
    assert_eq!(by(&after["room"]), less, "{before} {after}");
    drop(hold);
}

#[tokio::test]
async fn what_does_not_resolve_is_refused_and_more_than_fits_is_said() {
    let zone = Zone::start().await;
    for (pointer, value, expected) in [
        (
            "/spec/placement/datastore",
            json!("nowhere"),
            (9, "PLACEMENT_NOT_FOUND"),
        ),
        ("/vcenter", json!("nowhere"), (9, "VCENTER_UNKNOWN")),
        ("/mhzPerCpu", json!(10_001), (3, "INVALID_FIELD")),
        ("/maxAge", json!("3601s"), (3, "INVALID_FIELD")),
    ] {
        let request = with(question(), pointer, value);
        let refusal = zone.refused(CAPACITY, &request).await;
        assert_eq!(refusal.is(), expected, "{refusal:?}");
    }
    // The network has no part in it.
    let elsewhere = with(
        question(),
        "/spec/networkInterfaces",
        json!([{"network": "nowhere"}]),
    );
    zone.call(CAPACITY, &elsewhere).await;

    let place = without(question(), "/basis");
    let report = zone.call(PLACEMENT, &place).await["report"].take();
    assert_eq!(report["faults"], json!([]), "{report}");
    let machines = number(&report["capacity"]["room"]["machines"]);
    let limit = word(&report["capacity"]["room"]["limitedBy"], "ROOM_LIMIT_");
    let many = with(place, "/count", machines + 1);
    let report = zone.call(PLACEMENT, &many).await["report"].take();
    let expected = match limit {
        "STORAGE" => "DATASTORE_FULL",
        _ => "CAPACITY_EXHAUSTED",
    };
    assert_eq!(reason(&report["faults"][0]), expected, "{report}");
}

#[tokio::test]
async fn the_status_tells_the_room_and_no_two_templates_are_promised_the_same() {
    let hub = Hub::start().await;
    // Its machines are not asked for, as long as there is no ISO: they are missing.
    let lacking = with(
        hub.lab.template("lacking", 10),
        "/spec/agentISO/datastorePath",
        format!("[{}] nowhere.iso", lab::DATASTORE),
    );
    hub.lab.apply(&lacking).await.unwrap();
    hub.condition_of("lacking", "ISOReady", "False", "ISOMissing")
        .await;
    let enough = ("ResourcesAvailable", "True", "SufficientResources");
    hub.condition_of("lacking", enough.0, enough.1, enough.2)
        .await;
    hub.apply(0).await;
    hub.condition(enough.0, enough.1, enough.2).await;

    let template = hub
        .kubectl_output(&["get", "vmtemplate", POOL, "-o", "json"])
        .await;
    let template: Value = serde_json::from_str(&template).unwrap();
    let told = &template["status"]["resourceUtilization"];
    let figures = Figures::of(&hub.lab).await;
    let free = figures.free_bytes / GIB;
    assert_eq!(
        told["datastore"],
        json!({
            "name": lab::DATASTORE,
            "capacityGB": figures.capacity_bytes / GIB,
            "freeSpaceGB": free,
            "usedGB": figures.capacity_bytes / GIB - free,
            "percentUsed": (figures.capacity_bytes - figures.free_bytes) * 100 / figures.capacity_bytes,
        })
    );
    let ((cpu, cpu_used), (memory, memory_used)) = (figures.cpu(), figures.memory());
    assert_eq!(
        told["compute"],
        json!({
            "resourceType": "Cluster",
            "name": "DC0_C0",
            "cpuTotalMhz": cpu,
            "cpuEffectiveMhz": cpu,
            "cpuUsedMhz": cpu_used,
            "cpuAvailableMhz": cpu - cpu_used,
            "cpuPercentUsed": cpu_used * 100 / cpu,
            "memoryTotalMb": memory,
            "memoryEffectiveMb": memory,
            "memoryUsedMb": memory_used,
            "memoryAvailableMb": memory - memory_used,
            "memoryPercentUsed": memory_used * 100 / memory,
        })
    );
    assert_eq!(told["estimatedVMCapacity"], figures.machines() - 10);
    assert_eq!(told["softLimitExceeded"], false);

    let address = hub.lab.controller().unwrap().metrics().unwrap();
    let scraped = soon("the metrics", scrape(address)).await.unwrap();
    let (pool, estimate) = (("name", POOL), "vmware_hcp_estimated_vm_capacity");
    assert_eq!(scraped.sum(estimate, &[pool]), figures.machines() - 10);
    let store = ("datastore", lab::DATASTORE);
    assert_eq!(
        scraped.sum("vmware_hcp_datastore_free_gb", &[pool, store]),
        free
    );
}

#[tokio::test]
async fn too_little_room_for_what_is_missing_is_told_and_makes_nothing_wait() {
    let hub = Hub::start().await;
    let figures = Figures::of(&hub.lab).await;
    let many = u32::try_from(figures.machines() + 1).unwrap();
    let lacking = with(
        hub.lab.template(POOL, many),
        "/spec/agentISO/datastorePath",
        format!("[{}] nowhere.iso", lab::DATASTORE),
    );
    hub.lab.apply(&lacking).await.unwrap();
    hub.condition("ResourcesAvailable", "False", "InsufficientResources")
        .await;
    hub.patch(&json!({"spec": {"replicas": 2, "quota": {"softMaxVms": 2}}}))
        .await;
    hub.condition("ResourcesAvailable", "True", "SufficientResources")
        .await;
    hub.condition("QuotaAvailable", "False", "ApproachingQuota")
        .await;
    let exceeded = |template: Option<&Value>| {
        template.is_some_and(|it| it["status"]["resourceUtilization"]["softLimitExceeded"] == true)
    };
    let told = hub.lab.wait_for_template(POOL, PATIENCE, exceeded);
    told.await.unwrap();
}
