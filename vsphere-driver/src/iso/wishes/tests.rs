//! Tests of who wants what.

mod changes;

use super::{
    fixtures::{at_url, caller, content, datastore, id, stored},
    *,
};
use crate::{
    iso::{image::Step, view},
    vcenter::state::State,
};
use contract::v1::{IsoState, Reason};
use tokio_util::sync::CancellationToken;

const URL: &str = "https://images.example/agent.iso";

struct World {
    state: State,
    now: Instant,
    /// Ends the transfer that was begun last.
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        Self {
            state: State::default(),
            now: Instant::now(),
            stop: CancellationToken::new(),
        }
    }

    fn want(&mut self, owner: &str, url: &str, revision: &str, on: &[u8]) -> Option<JobId> {
        let datastores: Vec<_> = on.iter().map(|number| datastore(*number)).collect();
        let whose = (&id(owner), Owner::default());
        let from = at_url(url, revision, &datastores);
        self.state.isos.want_url(whose, from, &caller(), self.now)
    }

    /// Begins what is due. How often the source is asked, and the datastores that are written to.
    fn begin(&mut self, url: &str) -> (usize, Vec<(MoRef, JobId)>) {
        let key = Digest::of(url.as_bytes());
        let job = self.state.isos.image(&key).expect("wanted").job;
        let when = (self.now, Timestamp::default());
        let plan = self.state.isos.begin_due(&key, job, when).expect("wanted");
        let mut carried = Vec::new();
        let mut asked = 0;
        for step in plan.steps {
            match step {
                Step::Ask(_) => asked += 1,
                Step::Carry(errand) => {
                    self.stop = errand.stop;
                    carried.push((errand.datastore, errand.job));
                }
            }
        }
        (asked, carried)
    }

    fn answer(&mut self, url: &str, said: Result<Content, Fault>) {
        let key = Digest::of(url.as_bytes());
        let job = self.state.isos.image(&key).expect("wanted").job;
        let when = (self.now, Timestamp::default());
        self.state.isos.asked(&key, job, said, when);
    }

    fn end(&mut self, url: &str, which: &(MoRef, JobId), result: Result<Option<Stored>, Fault>) {
        let key = Digest::of(url.as_bytes());
        let when = (self.now, Timestamp::default());
        let isos = &mut self.state.isos;
        isos.carried(&key, (&which.0, which.1), result, when);
    }

    /// Has all that is wanted there.
    fn fetch(&mut self, url: &str, version: &str) {
        self.fetch_as(url, content(version), version);
    }

    fn later(&mut self, minutes: u64) {
        self.now += std::time::Duration::from_mins(minutes);
    }

    /// Has it, under what its source says of it.
    fn fetch_as(&mut self, url: &str, said: Content, version: &str) {
        for which in self.ask(url, Ok(said)) {
            self.end(url, &which, Ok(Some(stored(version))));
        }
    }

    /// Has the source asked, which is due, and answer this. The transfers that begin then.
    fn ask(&mut self, url: &str, said: Result<Content, Fault>) -> Vec<(MoRef, JobId)> {
        assert_eq!(self.begin(url), (1, vec![]));
        self.answer(url, said);
        let (asked, carried) = self.begin(url);
        assert_eq!(asked, 0);
        carried
    }

    fn iso(&self, owner: &str) -> Iso {
        view::iso(&self.state, &id(owner), &view::Mounts::new()).expect("wanted")
    }

    fn state_of(&self, owner: &str) -> IsoState {
        self.iso(owner).state()
    }
}

#[test]
fn all_who_want_a_content_on_a_datastore_share_one_transfer() {
    let mut world = World::new();
    let begun = (0..50).filter_map(|owner| world.want(&owner.to_string(), URL, "", &[1]));
    assert_eq!(begun.count(), 1);
    assert_eq!(world.begin(URL), (1, vec![]));
    assert_eq!(world.begin(URL), (0, vec![]));
    world.answer(URL, Ok(content("a")));
    let (asked, carried) = world.begin(URL);
    assert_eq!((asked, carried.len()), (0, 1));
    world.end(URL, &carried[0], Ok(Some(stored("a"))));
    for owner in 0..50 {
        assert_eq!(world.state_of(&owner.to_string()), IsoState::Ready);
    }
    let file = world.iso("7").files[0].clone();
    assert_eq!((file.wanted_by.len(), file.wanted_by_count), (20, 50));
    assert_eq!(world.begin(URL), (0, vec![]));
}

#[test]
fn an_iso_is_as_far_as_its_last_file_and_failed_when_one_is() {
    let mut world = World::new();
    world.want("a", URL, "", &[1, 2]);
    assert_eq!(world.state_of("a"), IsoState::Pending);
    let carried = world.ask(URL, Ok(content("a")));
    let key = Digest::of(URL.as_bytes());
    for which in &carried {
        let copy = (&which.0, which.1);
        let how_far = (Stage::Transferring(30), 30);
        world.state.isos.reached(&key, copy, how_far, world.now);
    }
    world.end(URL, &carried[0], Ok(Some(stored("a"))));
    assert_eq!(world.state_of("a"), IsoState::Transferring);
    let iso = world.iso("a");
    let bytes = iso.files.iter().map(|file| file.transferred_bytes);
    assert_eq!(bytes.collect::<Vec<_>>(), [100, 30]);
    assert_eq!(iso.operation.expect("under way").percent, 30);
    let full = Fault::new(Reason::DatastoreFull, "no room");
    world.end(URL, &carried[1], Err(full.clone()));
    assert_eq!(world.state_of("a"), IsoState::Failed);
    assert_eq!(world.iso("a").fault, Some(full));
}

#[test]
fn a_source_that_fails_is_told_and_asked_again_when_its_time_has_come() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.begin(URL);
    let away = Fault::new(Reason::IsoSourceUnreachable, "away");
    world.answer(URL, Err(away.clone()));
    let iso = world.iso("a");
    assert_eq!((iso.state(), iso.fault), (IsoState::Failed, Some(away)));
    // The datastore is looked at for a file of before; there is none.
    let (asked, carried) = world.begin(URL);
    assert_eq!((asked, carried.len()), (0, 1));
    world.end(URL, &carried[0], Ok(None));
    assert_eq!(world.begin(URL), (0, vec![]));
    world.now += std::time::Duration::from_secs(1);
    assert_eq!(world.begin(URL), (1, vec![]));
}

#[test]
fn who_asks_again_for_what_failed_has_it_tried_at_once() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.begin(URL);
    let expired = Fault::new(Reason::IsoSourceExpired, "401");
    world.answer(URL, Err(expired));
    assert_eq!(world.state_of("a"), IsoState::Failed);
    world.want("a", URL, "", &[1]);
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.begin(URL).0, 1);
}

#[test]
fn a_source_that_goes_away_takes_nothing_from_a_file_that_is_there() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    world.fetch(URL, "a");
    world.now += std::time::Duration::from_mins(5);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Err(Fault::new(Reason::IsoSourceExpired, "401")));
    assert_eq!(world.begin(URL), (0, vec![]));
    let iso = world.iso("a");
    assert_eq!((iso.state(), iso.fault), (IsoState::Ready, None));
    assert_eq!(iso.source_revision, "r1");
}

#[test]
fn a_new_revision_is_ready_only_when_the_source_has_confirmed_it() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    world.want("b", URL, "r1", &[1]);
    world.fetch(URL, "a");
    world.want("a", URL, "r2", &[1]);
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.state_of("b"), IsoState::Ready);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("a")));
    assert_eq!(world.iso("a").source_revision, "r2");
    assert_eq!(world.state_of("b"), IsoState::Ready);
    assert_eq!(world.begin(URL), (0, vec![]));
}

#[test]
fn a_wish_that_is_withdrawn_stops_what_nobody_else_wants() {
    let mut world = World::new();
    world.want("a", URL, "", &[1, 2]);
    world.want("b", URL, "", &[2]);
    let stops = |world: &World| -> Vec<_> {
        let image = world
            .state
            .isos
            .image(&Digest::of(URL.as_bytes()))
            .expect("wanted");
        image
            .copies
            .values()
            .map(|copy| copy.stop.clone())
            .collect()
    };
    let all = stops(&world);
    world.state.isos.withdraw(&id("a"));
    let is_stopped: Vec<_> = all.iter().map(CancellationToken::is_cancelled).collect();
    assert_eq!((is_stopped, stops(&world).len()), (vec![true, false], 1));
    world.state.isos.withdraw(&id("b"));
    assert!(all[1].is_cancelled());
    assert!(
        world
            .state
            .isos
            .image(&Digest::of(URL.as_bytes()))
            .is_none()
    );
    assert!(world.state.isos.withdraw(&id("b")).is_none());
}

#[test]
fn another_source_under_the_same_key_replaces_the_wish() {
    let other = "https://images.example/other.iso";
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.fetch(URL, "a");
    assert!(world.want("a", other, "", &[1]).is_some());
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert!(
        world
            .state
            .isos
            .image(&Digest::of(URL.as_bytes()))
            .is_none()
    );
    assert!(
        world
            .state
            .isos
            .wanted_by(&datastore(1), "a.iso")
            .is_empty()
    );
}

#[test]
fn an_end_that_comes_late_is_not_taken_for_that_of_a_newer_wish() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    let before = world.ask(URL, Ok(content("a")));
    world.state.isos.withdraw(&id("a"));
    world.want("a", URL, "", &[1]);
    world.end(URL, &before[0], Ok(Some(stored("a"))));
    assert_eq!(world.state_of("a"), IsoState::Pending);
}

#[test]
fn a_file_that_went_away_is_brought_anew() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.fetch(URL, "a");
    let now = world.now;
    world
        .state
        .isos
        .lost(&datastore(1), |file| file == "a.iso", now);
    assert_eq!(world.begin(URL), (0, vec![]));
    world.state.isos.lost(&datastore(1), |_| false, now);
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.begin(URL).1.len(), 1);
}

#[test]
fn a_file_that_was_removed_before_it_is_told_is_brought_anew() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    let carried = world.ask(URL, Ok(content("a")));
    let nothing = (BTreeMap::new(), BTreeSet::new());
    let when = (Timestamp::default(), world.now);
    world.state.isos.saw(&datastore(1), nothing, when);
    world.end(URL, &carried[0], Ok(Some(stored("a"))));
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.begin(URL).1.len(), 1);
}

#[test]
fn a_file_that_is_found_while_the_source_is_away_is_ready_and_is_compared_later() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    let carried = world.ask(URL, Err(Fault::new(Reason::IsoSourceUnreachable, "away")));
    let found = Stored {
        found: Some(content("a")),
        ..stored("a")
    };
    world.end(URL, &carried[0], Ok(Some(found)));
    assert_eq!(world.state_of("a"), IsoState::Ready);
    world.now += std::time::Duration::from_secs(1);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("b")));
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.begin(URL).1.len(), 1);
}

#[test]
fn an_upload_is_whole_at_once_and_is_never_fetched() {
    let mut world = World::new();
    let label = Label::parse("agent").expect("good");
    let files = vec![(datastore(1), stored("a"))];
    let (owner, now) = ((&id("a"), Owner::default()), world.now);
    world
        .state
        .isos
        .want_upload(owner, (&label, &caller()), files, now);
    let iso = world.iso("a");
    assert_eq!((iso.state(), &*iso.source), (IsoState::Ready, "agent"));
    assert_eq!(iso.sha256, stored("a").sha256.to_string());
}

#[test]
fn an_upload_that_went_away_is_missing_until_it_is_there_again() {
    let mut world = World::new();
    let label = Label::parse("agent").expect("good");
    let upload = |world: &mut World| {
        let (owner, now) = ((&id("a"), Owner::default()), world.now);
        let files = vec![(datastore(1), stored("a"))];
        let isos = &mut world.state.isos;
        isos.want_upload(owner, (&label, &caller()), files, now);
    };
    upload(&mut world);
    for again in [true, false] {
        let now = world.now;
        world.state.isos.lost(&datastore(1), |_| false, now);
        let iso = world.iso("a");
        let reason = iso.fault.as_ref().map(Fault::reason);
        assert_eq!(
            (iso.state(), reason),
            (IsoState::Failed, Some(Reason::IsoMissing))
        );
        if again {
            upload(&mut world);
        } else {
            world.state.isos.lost(&datastore(1), |_| true, now);
        }
        assert_eq!(world.state_of("a"), IsoState::Ready);
    }
    let (last, now) = (world.state.isos.changes.last(), world.now);
    world.state.isos.lost(&datastore(1), |_| true, now);
    assert_eq!(world.state.isos.changes.last(), last, "nothing new");
}

#[test]
fn progress_is_told_once_a_second_however_many_datastores_there_are() {
    let mut world = World::new();
    let all: Vec<_> = (1..=8).collect();
    world.want("a", URL, "", &all);
    let carried = world.ask(URL, Ok(content("a")));
    let key = Digest::of(URL.as_bytes());
    let before = world.state.isos.changes.last();
    for percent in 1..=10_u8 {
        world.now += std::time::Duration::from_millis(500);
        for (datastore, job) in &carried {
            let how_far = (Stage::Transferring(percent.into()), percent.into());
            let isos = &mut world.state.isos;
            isos.reached(&key, (datastore, *job), how_far, world.now);
        }
    }
    assert_eq!(world.state.isos.changes.last() - before, 5);
    // What is shown is as new as it can be.
    let bytes = world
        .iso("a")
        .files
        .iter()
        .map(|file| file.transferred_bytes)
        .sum::<i64>();
    assert_eq!(bytes, 80);
    // A step is told at once.
    let (datastore, job) = &carried[0];
    let isos = &mut world.state.isos;
    isos.reached(
        &key,
        (datastore, *job),
        (Stage::Verifying(100), 100),
        world.now,
    );
    assert_eq!(world.state.isos.changes.last() - before, 6);
}

#[test]
fn a_file_is_wanted_by_all_whose_content_it_is_wherever_it_came_from() {
    let other = "https://images.example/other.iso";
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.fetch(URL, "a");
    world.want("b", other, "", &[1]);
    world.fetch(other, "a");
    let file = world.iso("a").files[0].clone();
    assert_eq!(file.wanted_by, [id("a").key(), id("b").key()]);
}
