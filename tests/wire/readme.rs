//! What the README tells a person to type does what it says.

use std::process::Stdio;

use lab::{Lab, files};
use tokio::process::Command;

use crate::zone::{Zone, soon};

/// What stands behind the fence of a command of the walk-through, before its name.
const FENCE: &str = "```sh grpcurl-walk ";

/// The commands of the walk-through by their names, in the order of the README.
fn walk() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(files::workspace().join("README.md")).unwrap();
    let blocks = readme.split(FENCE).skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let (commands, _) = rest.split_once("\n```").unwrap();
            (name.to_owned(), commands.to_owned())
        })
        .collect()
}

/// What each command printed, by its name.
async fn walked(lab: &Lab) -> Vec<(String, String)> {
    const HEAD: &str = "=== ";
    let step = |(name, commands): (String, String)| format!("echo '{HEAD}{name}'\n{commands}\n");
    let script: String = walk().into_iter().map(step).collect();
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", &script])
        .env("GRPCURL", lab.grpcurl().unwrap().command_line())
        .env("HCP_DRIVER", lab.driver().unwrap().address().to_string())
        .env("HCP_VCENTER", lab.proxy().address().to_string())
        .env("HCP_VCENTER_CA", &lab.certificates().authority)
        .env("HCP_VCENTER_PASSWORD_FILE", lab.vcenter().password_file())
        .env("GOVC_USERNAME", lab::vcenter::USERNAME)
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

#[tokio::test]
async fn the_walk_through_makes_a_machine_watches_it_and_removes_it() {
    let zone = Zone::unconnected().await;
    let said = walked(&zone.lab).await;
    let names: Vec<_> = said.iter().map(|(name, _)| name.as_str()).collect();
    let steps = [
        "connect",
        "info",
        "validate",
        "room",
        "make",
        "watch",
        "power-off",
        "delete",
    ];
    assert_eq!(names, steps);
    for (name, word) in [
        ("connect", "CONNECTION_STATE_CONNECTED"),
        ("info", "contractRevision"),
        ("validate", "VERB_CREATE"),
        ("room", "ROOM_LIMIT_"),
        ("make", "VIRTUAL_MACHINE_STATE_RUNNING"),
        ("watch", "walk-n01"),
        ("power-off", "VIRTUAL_MACHINE_STATE_OFF"),
        ("delete", "VIRTUAL_MACHINE_STATE_GONE"),
    ] {
        let (_, said) = said.iter().find(|(step, _)| step == name).unwrap();
        assert!(said.contains(word), "{name}: {said}");
    }
    for method in ["CreateVM_Task", "PowerOffVM_Task", "Destroy_Task"] {
        assert_eq!(zone.calls(method), 1, "{method}");
    }
    assert_eq!(zone.machines().await, []);
}
