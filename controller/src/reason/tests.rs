//! The list of reasons, and what the README says of them.

use super::*;
use crate::reconcile::CONDITIONS;
use contract::v1;
use std::{collections::BTreeSet, fs, path::Path};

/// Reasons that ask nobody for anything: all is well, or under way.
const FINE: &[Reason] = &[
    Reason::Valid,
    Reason::Connecting,
    Reason::Connected,
    Reason::Syncing,
    Reason::TestMode,
    Reason::NodePoolFound,
    Reason::NothingHeld,
    Reason::ResourcesValidated,
    Reason::SufficientResources,
    Reason::NoQuotaConfigured,
    Reason::WithinQuota,
    Reason::ISOReady,
    Reason::Uploading,
    Reason::VMsReconciled,
    Reason::Reconciling,
    Reason::NothingToRemove,
    Reason::Removing,
    Reason::UpToDate,
    Reason::NoCompanionVMs,
    Reason::Healthy,
    Reason::AllReady,
];

/// Lines before the tables of the README.
const OF_THE_DRIVER: &str = "| reason | most likely, and what to do |";
const OF_CONDITIONS: &str = "| condition | well | if True |";
const OF_THE_CONTROLLER: &str = "| reason | in the condition | what to do |";

/// Words in code, as they stand in each cell of each row of a table of the README.
fn table(head: &str) -> Vec<Vec<BTreeSet<String>>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, rows) = readme.split_once(head).unwrap();
    let rows = rows.lines().skip(2).take_while(|row| row.starts_with('|'));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(Into::into).collect();
    rows.map(|row| row.split('|').skip(1).map(words).collect())
        .collect()
}

/// All sources of this crate.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                fs::read_to_string(path).unwrap()
            }
        })
        .collect()
}

#[test]
fn the_word_of_a_reason_is_its_name() {
    assert_eq!(Reason::ISOReady.word(), "ISOReady");
    for reason in Reason::ALL {
        assert_eq!(reason.word(), format!("{reason:?}"));
    }
}

#[test]
fn each_reason_is_given_by_conditions_that_there_are() {
    for reason in Reason::ALL {
        for condition in reason.conditions() {
            assert!(CONDITIONS.contains(condition), "{reason:?}: {condition}");
        }
    }
}

#[test]
fn the_readme_says_what_to_do_about_each_reason_and_in_which_conditions_it_is() {
    let (ours, theirs) = (table(OF_THE_CONTROLLER), table(OF_THE_DRIVER));
    let told = |word: &str| {
        let name = |name: &String| v1::Reason::from_str_name(&format!("REASON_{name}"));
        let names = theirs.iter().flat_map(|row| &row[0]).filter_map(name);
        names.map(|reason| reason.row().word).any(|it| it == word)
    };
    for reason in Reason::ALL.iter().filter(|it| !FINE.contains(it)) {
        let word = reason.word();
        let rows: Vec<_> = ours.iter().filter(|row| row[0].contains(word)).collect();
        if rows.is_empty() {
            assert!(told(word), "{word} is not in the README");
            continue;
        }
        for condition in reason.conditions() {
            let named = rows.iter().any(|row| row[1].contains(*condition));
            assert!(named, "{word} is also in {condition}");
        }
    }
}

#[test]
fn the_readme_names_no_condition_that_does_not_have_the_reason() {
    let of = |word: &String| Reason::ALL.iter().find(|reason| reason.word() == word);
    for row in table(OF_THE_CONTROLLER) {
        let reasons: Vec<_> = row[0].iter().filter_map(of).collect();
        let conditions = row[1]
            .iter()
            .filter(|word| CONDITIONS.contains(&word.as_str()));
        // What the driver or an Agent is at fault for may be in any condition.
        for condition in conditions.filter(|_| reasons.len() == row[0].len()) {
            let given = |reason: &&Reason| reason.conditions().contains(&condition.as_str());
            assert!(
                reasons.iter().copied().any(|reason| given(&reason)),
                "{:?} are not in {condition}",
                row[0]
            );
        }
    }
}

#[test]
fn the_readme_names_each_condition() {
    let rows = table(OF_CONDITIONS);
    let named: Vec<_> = rows.iter().flat_map(|row| &row[0]).collect();
    assert_eq!(named, CONDITIONS);
}

#[test]
fn the_readme_names_no_reason_that_there_is_not() {
    for word in table(OF_THE_DRIVER).iter().flat_map(|row| &row[0]) {
        let reason = v1::Reason::from_str_name(&format!("REASON_{word}"));
        assert!(reason.is_some(), "{word}");
    }
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for word in table(OF_THE_CONTROLLER).iter().flat_map(|row| &row[0]) {
        let known = Reason::ALL.iter().any(|reason| reason.word() == word);
        let written = [format!("\"{word}\""), format!("\"{word}:")];
        let known = known || written.iter().any(|text| sources.contains(text));
        assert!(known, "{word}");
    }
}
