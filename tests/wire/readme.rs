//! What the README tells a person to type does what it says.

use std::process::Stdio;

use lab::images::Content;
use lab::{Lab, files};
use tokio::process::Command;

use crate::hub::Hub;
use crate::zone::{Zone, soon};

/// The tools of the lab under the names that a person types.
const TOOLS: &str = r#"
PATH="$BIN:$PATH"
kubectl() { "$KUBECTL" --namespace "$NAMESPACE" "$@"; }
govc() { "$GOVC" "$@"; }
"#;

/// The commands of a walk through the README by their names, in its order.
fn walk(name: &str) -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(files::workspace().join("README.md")).unwrap();
    // What stands behind the fence of a command, before its name.
    let fence = format!("```sh {name} ");
    let blocks = readme.split(&fence).skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let (commands, _) = rest.split_once("\n```").unwrap();
            (name.to_owned(), commands.to_owned())
        })
        .collect()
}

/// What each command of a walk printed, by its name.
async fn walked(name: &str, shell: &mut Command) -> Vec<(String, String)> {
    const HEAD: &str = "=== ";
    let step = |(name, commands): (String, String)| format!("echo '{HEAD}{name}'\n{commands}\n");
    let script: String = walk(name).into_iter().map(step).collect();
    shell
        .args(["-euc", &format!("{TOOLS}{script}")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = soon("the walk to end", shell.output()).await.unwrap();
    let printed = String::from_utf8(ended.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{printed}\n{complaint}");
    let steps = printed.split(HEAD).skip(1);
    let named = steps.filter_map(|step| step.split_once('\n'));
    named
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}

/// A shell with what `cargo lab env` sets.
fn shell(lab: &Lab) -> Command {
    let image = lab.images().publish(Content::iso(1 << 20, 1)).unwrap();
    let mut shell = Command::new("sh");
    let certificates = lab.certificates();
    shell
        .env("BIN", lab.link_tools().unwrap())
        .env("DRIVER_CA", &certificates.authority)
        .env("DRIVER_CERTIFICATE", &certificates.person.certificate)
        .env("DRIVER_KEY", &certificates.person.key)
        .env("HCP_VCENTER", lab.proxy().address().to_string())
        .env("HCP_VCENTER_CA", &lab.certificates().authority)
        .env("HCP_VCENTER_PASSWORD_FILE", lab.vcenter().password_file())
        .env("HCP_IMAGES_CA", &lab.certificates().images_authority)
        .env("HCP_IMAGE_URL", image.url())
        .envs(lab.vcenter().govc().environment())
        .env("GOVC", &lab.tools().govc)
        .env("KUBECTL", &lab.tools().kubectl)
        .env("NAMESPACE", lab.namespace())
        .current_dir(lab.folder());
    shell
}

#[tokio::test]
async fn the_walk_through_makes_a_machine_watches_it_and_removes_it() {
    let zone = Zone::unconnected().await;
    let mut shell = shell(&zone.lab);
    let driver = zone.lab.driver().unwrap().address();
    shell
        .env("GRPCURL", zone.lab.grpcurl().unwrap().command_line())
        .env("HCP_DRIVER", driver.to_string())
        .env("DRIVER_ADDRESS", format!("https://{driver}"));
    let said = walked("grpcurl-walk", &mut shell).await;
    let names: Vec<_> = said.iter().map(|(name, _)| name.as_str()).collect();
    let steps = [
        "connect",
        "info",
        "validate",
        "room",
        "iso",
        "make",
        "watch",
        "eject",
        "power-off",
        "delete",
        "upload",
        "iso-files",
        "iso-delete",
    ];
    assert_eq!(names, steps);
    for (name, word) in [
        ("connect", "CONNECTION_STATE_CONNECTED"),
        ("info", "contractRevision"),
        ("validate", "VERB_CREATE"),
        ("room", "ROOM_LIMIT_"),
        ("iso", "ISO_STATE_READY"),
        ("make", "VIRTUAL_MACHINE_STATE_RUNNING"),
        ("watch", "walk-n01"),
        ("watch", "\"mountedIso\": \"[LocalDS_0] hcp-iso/iso-"),
        ("eject", "VERB_EJECT_ISO"),
        ("power-off", "VIRTUAL_MACHINE_STATE_OFF"),
        ("delete", "VIRTUAL_MACHINE_STATE_GONE"),
        ("upload", "[LocalDS_0] hcp-iso/iso-"),
        ("iso-files", "ISO_ORIGIN_UPLOAD"),
        ("iso-delete", "ISO_STATE_GONE"),
    ] {
        let (_, said) = said.iter().find(|(step, _)| step == name).unwrap();
        assert!(said.contains(word), "{name}: {said}");
    }
    for method in ["CreateVM_Task", "PowerOffVM_Task", "Destroy_Task"] {
        assert_eq!(zone.calls(method), 1, "{method}");
    }
    assert_eq!(zone.machines().await, []);
}

#[tokio::test]
async fn the_template_by_hand_has_its_machines_made_and_removed() {
    let hub = Hub::of(Lab::builder().node_pools()).await;
    let mut shell = shell(&hub.lab);
    shell.env("KUBECONFIG", hub.lab.kubeconfig().unwrap());
    let said = walked("kubectl-walk", &mut shell).await;
    let machines = |step: usize| {
        let lines = said[step].1.lines();
        lines
            .filter(|line| line.starts_with("/DC0/vm/workers-"))
            .count()
    };
    let names: Vec<_> = said.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["prepare", "apply", "scale", "delete"]);
    assert_eq!([1, 2, 3].map(machines), [3, 1, 0], "{said:?}");
    assert!(said[1].1.contains("hcp-iso/workers-"), "{said:?}");
}
