//! The commands that a person types, one after the other.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A lab in a folder of its own, which ends with the test.
struct Person<'a>(&'a Path);

impl Person<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(arguments).env("HCP_LAB_FOLDER", self.0);
        command.output().expect("the lab is built for its tests")
    }

    /// What a command prints that has to succeed.
    fn types(&self, line: &str) -> String {
        let output = self.run(&line.split(' ').collect::<Vec<_>>());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a shell prints that has evaluated `cargo lab env`.
    fn in_shell(&self, script: &str) -> String {
        let script = format!("set -e\n{}\n{script}", self.types("env"));
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .expect("there is a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Person<'_> {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

/// Has the driver fetch an ISO.
fn fetched(url: &str) -> String {
    format!(
        r#"$GRPCURL -d @ $HCP_DRIVER vsphere.driver.v1.Isos/EnsureIso <<JSON
{{"vcenter": "lab", "owner": {{"name": "person"}}, "datastores": ["LocalDS_0"], "wait": "60s",
  "source": {{"url": {{"url": "{url}", "caBundlePem": "$(awk '{{printf "%s\\n", $0}}' "$HCP_IMAGES_CA")"}}}}}}
JSON"#
    )
}

#[test]
fn a_person_starts_uses_breaks_mends_and_ends_a_lab() {
    let folder = tempfile::tempdir().unwrap();
    let person = Person(folder.path());
    person.types("up --only driver --delay 1");
    let twice = person.run(&["up", "--only", "driver"]);
    assert!(!twice.status.success(), "one lab in one folder");

    let info =
        person.in_shell("$GRPCURL -d '{}' $HCP_DRIVER vsphere.driver.v1.Driver/GetDriverInfo");
    assert!(info.contains("runId"), "{info}");
    let found = person.in_shell("govc find / -type d");
    assert_eq!(found.trim(), "/DC0");

    let earlier = person.types("image --size 1MiB");
    let later = person.types("image --size 1MiB --expire");
    for (url, became) in [
        (earlier, "REASON_ISO_SOURCE_EXPIRED"),
        (later, "ISO_STATE_READY"),
    ] {
        let said = person.in_shell(&fetched(url.trim()));
        assert!(said.contains(became), "{said}");
    }

    person.types("fault add CreateVM_Task drop-after --nth 2");
    let faults: Value = serde_json::from_str(&person.types("fault list")).unwrap();
    assert_eq!(
        (&faults[0]["kind"], &faults[0]["nth"]),
        (&"drop-after".into(), &2.into())
    );
    person.types("fault add * hostile --with endless");
    let faults: Value = serde_json::from_str(&person.types("fault list")).unwrap();
    assert_eq!(
        (&faults[1]["kind"], &faults[1]["with"]),
        (&"hostile".into(), &"endless".into())
    );
    person.types("fault clear");
    assert_eq!(person.types("fault list").trim(), "[]");

    person.in_shell("kill -9 $HCP_DRIVER_PID");
    assert!(
        !person.run(&["status"]).status.success(),
        "the driver has ended"
    );
    person.types("restart driver");
    let summary = folder.path().join("status.json");
    person.types(&format!("status --json {}", summary.display()));
    let summary: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    assert_eq!(summary["ok"], true);

    person.types("down");
    let ended = person.run(&["status"]);
    assert!(!ended.status.success(), "nothing runs any more");
    for process in summary["processes"].as_array().unwrap() {
        let alive = Path::new("/proc").join(process["id"].to_string()).exists();
        assert!(!alive, "{process} has ended");
    }
}
