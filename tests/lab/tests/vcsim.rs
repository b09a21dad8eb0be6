//! The lab's own vCenter is one that the driver can be tried on: it keeps up with its watchers, is as
//! strict as a vCenter, and fails where it is told to.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share may fail them, too"
)]

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use lab::certificates::Certificates;
use lab::tools::{self, Paths, Tool};
use lab::vcenter::{USERNAME, Vcenter};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// How long 1,000 VMs may take: they take 4 s, and minutes when the simulator does not keep up.
const KEEPS_UP: Duration = Duration::from_mins(1);

/// A simulator of one test.
struct Simulator {
    vcenter: Vcenter,
    certificates: Certificates,
    floor: PathBuf,
    _folder: tempfile::TempDir,
}

/// What a run of the bare client ended with: its figures, or its complaint.
type Ran = Result<Value, String>;

#[tokio::test]
async fn a_thousand_vms_come_on_under_one_pending_update_call_again_and_again() {
    for _ in 0..3 {
        let simulator = Simulator::start(&[]).await;
        let ran = timeout(KEEPS_UP, simulator.make(&["-vms", "1000", "-follow"])).await;
        let figures = ran
            .expect("the simulator keeps up with its watchers")
            .unwrap();
        assert_eq!(figures["by_method"]["CreateVM_Task"], 1000, "{figures}");
    }
}

#[tokio::test]
async fn a_name_that_the_folder_has_is_refused_in_the_task_or_at_once() {
    for (place, complaint) in [
        ("task", "CreateVm failed: DuplicateName"),
        ("call", "The name 'floor-00000' already exists"),
    ] {
        let simulator = Simulator::start(&["-duplicate-name", place]).await;
        simulator.make(&["-vms", "1"]).await.unwrap();
        let refused = simulator.make(&["-vms", "1"]).await.unwrap_err();
        assert!(refused.contains(complaint), "{refused}");
        simulator
            .make(&["-vms", "1", "-prefix", "other"])
            .await
            .unwrap();
        assert_eq!(simulator.vcenter.govc().machines().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_iso_that_is_not_there_is_refused() {
    let iso = ["-vms", "1", "-iso", "[LocalDS_0] boot/agent.iso"];
    for (place, complaint) in [
        ("create", "CreateVm failed: FileNotFound"),
        ("power-on", "PowerOn failed: FileNotFound"),
    ] {
        let simulator = Simulator::start(&["-missing-iso", place]).await;
        let refused = simulator.make(&iso).await.unwrap_err();
        assert!(refused.contains(complaint), "{refused}");

        let file = simulator.certificates.authority.display().to_string();
        let govc = simulator.vcenter.govc();
        govc.run(&[
            "datastore.upload",
            "-ds",
            "LocalDS_0",
            &file,
            "boot/agent.iso",
        ])
        .await
        .unwrap();
        simulator
            .make(&[&iso[..], &["-prefix", "other"]].concat())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_datastore_that_is_not_there_is_refused_and_the_simulator_goes_on() {
    let simulator = Simulator::start(&[]).await;
    let refused = simulator
        .make(&["-vms", "1", "-datastore", "elsewhere"])
        .await
        .unwrap_err();
    assert!(
        refused.contains("CreateVm failed: InvalidDatastorePath"),
        "{refused}"
    );
    simulator.make(&["-vms", "1"]).await.unwrap();
}

#[tokio::test]
async fn a_rule_makes_the_task_of_its_call_fail_and_no_other() {
    let simulator = Simulator::start(&[]).await;
    let rule = json!({
        "method": "CreateVM_Task", "name": "second-*", "first": 2, "times": 1,
        "fault": {"type": "NoPermission", "fields": {"privilegeId": "VirtualMachine.Inventory.Create"}},
    });
    let added = simulator
        .control(Method::POST, "/faults", &rule)
        .await
        .unwrap();
    assert_eq!((&added["id"], &added["at"]), (&json!(1), &json!("task")));

    simulator
        .make(&["-vms", "3", "-prefix", "first"])
        .await
        .unwrap();
    let refused = simulator
        .make(&["-vms", "3", "-prefix", "second"])
        .await
        .unwrap_err();
    assert!(
        refused.contains("CreateVm failed: NoPermission"),
        "{refused}"
    );
    assert_eq!(simulator.vcenter.govc().machines().await.unwrap().len(), 5);

    let rules = simulator
        .control(Method::GET, "/faults", &Value::Null)
        .await
        .unwrap();
    assert_eq!(
        (&rules[0]["seen"], &rules[0]["played"]),
        (&json!(3), &json!(1))
    );
    simulator
        .control(Method::DELETE, "/faults", &Value::Null)
        .await
        .unwrap();
    simulator
        .make(&["-vms", "1", "-prefix", "third"])
        .await
        .unwrap();
}

#[tokio::test]
async fn one_vm_of_a_group_fails_to_power_on_or_is_not_attempted() {
    for (place, complaint) in [
        ("task", "PowerOn failed: InsufficientResourcesFault"),
        ("not-attempted", "not attempted: InsufficientResourcesFault"),
    ] {
        let simulator = Simulator::start(&[]).await;
        let rule = json!({
            "method": "PowerOnVM_Task", "name": "floor-00001", "at": place,
            "fault": {"type": "InsufficientResourcesFault"},
        });
        simulator
            .control(Method::POST, "/faults", &rule)
            .await
            .unwrap();
        let refused = simulator.make(&["-vms", "3"]).await.unwrap_err();
        assert!(refused.contains(complaint), "{refused}");
        let machines = simulator.vcenter.govc().machines().await.unwrap();
        let off: Vec<_> = machines
            .iter()
            .filter(|vm| !vm.on)
            .map(|vm| vm.name.as_str())
            .collect();
        assert_eq!(off, ["floor-00001"]);
    }
}

#[tokio::test]
async fn a_rule_that_cannot_work_is_refused() {
    let simulator = Simulator::start(&[]).await;
    let fault = json!({"type": "NoPermission"});
    for (rule, why) in [
        (json!({"fault": fault}), "method is missing"),
        (
            json!({"method": "CreateVM_Task", "fault": {"type": "NoSuchFault"}}),
            "NoSuchFault",
        ),
        (
            json!({"method": "CreateVM_Task", "fault": {"type": "Description"}}),
            "is no fault",
        ),
        (
            json!({"method": "Login", "at": "task", "fault": fault}),
            "no task of Login",
        ),
        (json!({"method": "Login", "nth": 1, "fault": fault}), "nth"),
    ] {
        let refused = simulator
            .control(Method::POST, "/faults", &rule)
            .await
            .unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn ended_sessions_are_ended_for_whoever_uses_them() {
    let simulator = Simulator::start(&[]).await;
    let (ran, ()) = tokio::join!(simulator.make(&["-vms", "20000"]), async {
        let login = async {
            while simulator
                .control(Method::GET, "/sessions", &Value::Null)
                .await
                .unwrap()
                == json!([])
            {}
        };
        timeout(KEEPS_UP, login)
            .await
            .expect("the bare client logs in");
        simulator
            .control(Method::DELETE, "/sessions", &Value::Null)
            .await
            .unwrap();
    });
    let complaint = ran.unwrap_err();
    assert!(complaint.contains("NotAuthenticated"), "{complaint}");
}

// === impl Simulator ===

impl Simulator {
    async fn start(arguments: &[&str]) -> Self {
        // A second call in this process finds the provider installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(folder.path()).unwrap();
        let paths = tools().await;
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let vcenter = Vcenter::start("strict", &paths, &certificates, folder.path(), &arguments);
        let vcenter = vcenter.await.unwrap();
        Self {
            vcenter,
            certificates,
            floor: paths.floor,
            _folder: folder,
        }
    }

    /// Makes VMs and powers them on, by the bare client.
    async fn make(&self, arguments: &[&str]) -> Ran {
        let mut floor = Command::new(&self.floor);
        floor
            .arg("-url")
            .arg(format!("https://{}/sdk", self.vcenter.address()));
        floor
            .arg("-ca")
            .arg(&self.certificates.authority)
            .args(["-user", USERNAME]);
        floor
            .arg("-password-file")
            .arg(self.vcenter.password_file())
            .args(arguments);
        let output = floor.kill_on_drop(true).output().await.unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Asks the simulator's control endpoint.
    async fn control(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let answer = lab::control::ask(self.vcenter.control(), method, path, body).await;
        answer.map_err(|error| error.to_string())
    }
}

/// The tools that these tests need: the hub's are not built for them.
async fn tools() -> Paths {
    let [vcsim, govc, floor] = [Tool::Vcsim, Tool::Govc, Tool::Floor].map(tools::one);
    Paths {
        vcsim: vcsim.await.unwrap(),
        govc: govc.await.unwrap(),
        floor: floor.await.unwrap(),
        etcd: PathBuf::new(),
        kube_apiserver: PathBuf::new(),
        kubectl: PathBuf::new(),
        grpcurl: PathBuf::new(),
    }
}
