//! What is told of a content that changes, or may have, while it is wanted.

use super::*;

#[test]
fn a_content_that_changed_behind_its_url_is_a_new_file() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.fetch(URL, "a");
    world.now += std::time::Duration::from_mins(5);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("b")));
    let iso = world.iso("a");
    assert_eq!((iso.state(), &*iso.files[0].path), (IsoState::Pending, ""));
    let (_, carried) = world.begin(URL);
    world.end(URL, &carried[0], Ok(Some(stored("b"))));
    assert_eq!(world.iso("a").files[0].path, stored("b").path);
    let isos = &world.state.isos;
    assert!(isos.wanted_by(&datastore(1), "a.iso").is_empty());
    assert_eq!(isos.wanted_by(&datastore(1), "b.iso").len(), 1);
}

#[test]
fn what_the_source_had_before_is_never_taken_for_what_it_has_now() {
    let silent = || Content {
        etag: None,
        ..content("")
    };
    for (why, before, now, revision, is_given_up) in [
        ("the same", content("a"), content("a"), "r2", false),
        ("another", content("a"), content("b"), "r1", true),
        ("another, and told", content("a"), content("b"), "r2", true),
        ("silent", silent(), silent(), "r1", false),
        ("silent, and told", silent(), silent(), "r2", true),
    ] {
        let mut world = World::new();
        world.want("a", URL, "r1", &[1]);
        let first = world.ask(URL, Ok(before));
        let stop = world.stop.clone();
        world.want("a", URL, revision, &[1]);
        world.now += std::time::Duration::from_mins(5);
        assert_eq!(world.begin(URL), (1, vec![]), "{why}");
        world.answer(URL, Ok(now));
        assert_eq!(stop.is_cancelled(), is_given_up, "{why}");
        let (_, second) = world.begin(URL);
        assert_eq!(second.len(), usize::from(is_given_up), "{why}");
        // It may have come to its end before it was told to stop.
        world.end(URL, &first[0], Ok(Some(stored("old"))));
        if is_given_up {
            assert_ne!(world.state_of("a"), IsoState::Ready, "{why}");
            world.end(URL, &second[0], Ok(Some(stored("new"))));
        }
        let iso = world.iso("a");
        let path = if is_given_up { "new" } else { "old" };
        assert_eq!(iso.state(), IsoState::Ready, "{why}");
        assert_eq!(iso.files[0].path, stored(path).path, "{why}");
        assert_eq!(iso.source_revision, revision, "{why}");
    }
}

#[test]
fn what_was_found_while_the_source_was_away_is_not_believed_once_it_has_answered() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    let looking = world.ask(URL, Err(Fault::new(Reason::IsoSourceUnreachable, "away")));
    world.now += std::time::Duration::from_secs(1);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("b")));
    let found = Stored {
        found: Some(content("a")),
        ..stored("a")
    };
    world.end(URL, &looking[0], Ok(Some(found)));
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.begin(URL).1.len(), 1);
}

#[test]
fn what_changed_while_it_was_fetched_is_asked_for_before_it_is_fetched_again() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    let carried = world.ask(URL, Ok(content("a")));
    world.end(
        URL,
        &carried[0],
        Err(Fault::new(Reason::IsoSourceChanged, "changed")),
    );
    world.now += std::time::Duration::from_secs(2);
    assert_eq!(world.ask(URL, Ok(content("b"))).len(), 1);
}

#[test]
fn what_was_believed_without_the_source_is_the_content_of_the_revision_that_it_was_found_by() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    let looking = world.ask(URL, Err(Fault::new(Reason::IsoSourceUnreachable, "away")));
    world.want("b", URL, "r2", &[1]);
    let found = Stored {
        found: Some(content("a")),
        ..stored("a")
    };
    world.end(URL, &looking[0], Ok(Some(found)));
    assert_eq!(world.state_of("a"), IsoState::Ready);
    assert_ne!(world.state_of("b"), IsoState::Ready);
}

#[test]
fn a_validator_that_comes_later_is_no_other_content() {
    let silent = Content {
        etag: None,
        ..content("")
    };
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    let carried = world.ask(URL, Ok(silent));
    world.end(URL, &carried[0], Ok(Some(stored("x"))));
    world.later(5);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("a")));
    // Only its SHA-256 can tell; what is there is booted meanwhile.
    let carried = world.begin(URL).1;
    assert_eq!((carried.len(), world.state_of("a")), (1, IsoState::Ready));
    world.end(URL, &carried[0], Ok(Some(stored("x"))));
    for _ in 0..3 {
        world.later(5);
        assert_eq!(world.begin(URL), (1, vec![]));
        world.answer(URL, Ok(content("a")));
        assert_eq!(world.begin(URL), (0, vec![]));
    }
    // From now on it can be known by it.
    world.later(5);
    assert_eq!(world.ask(URL, Ok(content("b"))).len(), 1);
}

#[test]
fn a_content_that_is_fetched_again_in_doubt_stays_until_another_one_is_whole() {
    for (why, result, path) in [
        ("the same", Ok(Some(stored("x"))), "x"),
        ("another", Ok(Some(stored("y"))), "y"),
        (
            "a fault",
            Err(Fault::new(Reason::IsoSourceStalled, "x")),
            "x",
        ),
    ] {
        let mut world = World::new();
        world.want("a", URL, "", &[1]);
        world.fetch_as(URL, content("a"), "x");
        world.later(5);
        world.begin(URL);
        let silent = Content {
            etag: None,
            ..content("")
        };
        world.answer(URL, Ok(silent));
        let carried = world.begin(URL).1;
        let key = Digest::of(URL.as_bytes());
        let copy = (&carried[0].0, carried[0].1);
        let how_far = (Stage::Transferring(30), 30);
        world.state.isos.reached(&key, copy, how_far, world.now);
        assert_eq!(world.state_of("a"), IsoState::Ready, "{why}");
        world.end(URL, &carried[0], result);
        let iso = world.iso("a");
        assert_eq!((iso.state(), iso.fault), (IsoState::Ready, None), "{why}");
        assert_eq!(iso.files[0].path, stored(path).path, "{why}");
    }
}

#[test]
fn servers_that_tag_one_content_differently_are_read_once_for_each_tag() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.fetch_as(URL, content("a"), "x");
    let mut fetched = 0;
    for look in 0..100 {
        world.later(5);
        let carried = world.ask(URL, Ok(content(["a", "b", "c"][look % 3])));
        fetched += carried.len();
        for which in carried {
            world.end(URL, &which, Ok(Some(stored("x"))));
        }
    }
    assert_eq!((fetched, world.state_of("a")), (2, IsoState::Ready));
    // A new content is noticed all the same.
    world.later(5);
    let carried = world.ask(URL, Ok(content("d")));
    world.end(URL, &carried[0], Ok(Some(stored("y"))));
    assert_eq!(world.iso("a").files[0].path, stored("y").path);
}

#[test]
fn a_source_that_says_something_new_each_time_is_read_to_the_end_and_then_seldom() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.begin(URL);
    world.answer(URL, Ok(content("0")));
    let (mut running, mut begun) = (world.begin(URL).1, 1);
    // A transfer takes longer than the time between two looks.
    for look in 1..=288 {
        world.later(5);
        assert_eq!(world.begin(URL).0, 1);
        world.answer(URL, Ok(content(&look.to_string())));
        let next = world.begin(URL).1;
        begun += next.len();
        if next.is_empty() {
            for which in running.drain(..) {
                world.end(URL, &which, Ok(Some(stored("x"))));
            }
            let next = world.begin(URL).1;
            begun += next.len();
            running = next;
        } else {
            running = next;
        }
    }
    assert_eq!(world.state_of("a"), IsoState::Ready);
    assert!(begun <= 12, "{begun} transfers in a day");
}

#[test]
fn what_is_not_the_wanted_content_is_not_fetched_again_until_it_may_be_another() {
    for reason in [Reason::IsoDigestMismatch, Reason::IsoInvalid] {
        let mut world = World::new();
        world.want("a", URL, "r1", &[1]);
        let carried = world.ask(URL, Ok(content("a")));
        world.end(URL, &carried[0], Err(Fault::new(reason, "x")));
        for _ in 0..12 {
            world.later(5);
            // The caller asks again at intervals, too.
            world.want("a", URL, "r1", &[1]);
            assert_eq!(world.begin(URL), (1, vec![]));
            world.answer(URL, Ok(content("a")));
            assert_eq!(world.begin(URL), (0, vec![]), "{reason:?}");
            assert_eq!(world.state_of("a"), IsoState::Failed);
        }
        world.later(5);
        assert_eq!(world.ask(URL, Ok(content("b"))).len(), 1, "{reason:?}");
    }
}

#[test]
fn a_caller_who_knows_of_another_content_has_it_fetched_at_once() {
    let silent = || Content {
        etag: None,
        ..content("")
    };
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    let carried = world.ask(URL, Ok(silent()));
    let invalid = Fault::new(Reason::IsoInvalid, "x");
    world.end(URL, &carried[0], Err(invalid));
    world.want("a", URL, "r2", &[1]);
    assert_eq!(world.state_of("a"), IsoState::Pending);
    assert_eq!(world.ask(URL, Ok(silent())).len(), 1);
}

#[test]
fn a_name_that_is_taken_is_tried_again_ever_more_seldom() {
    let mut world = World::new();
    world.want("a", URL, "", &[1]);
    world.begin(URL);
    world.answer(URL, Ok(content("a")));
    let (mut carried, mut fetched) = (world.begin(URL).1, 1);
    for _ in 0..288 {
        for which in carried.drain(..) {
            let taken = Fault::new(Reason::DatastoreFileExists, "x");
            world.end(URL, &which, Err(taken));
        }
        world.later(5);
        world.want("a", URL, "", &[1]);
        world.begin(URL);
        world.answer(URL, Ok(content("a")));
        carried = world.begin(URL).1;
        fetched += carried.len();
    }
    assert!((6..12).contains(&fetched), "{fetched} transfers in a day");
}

#[test]
fn a_source_that_has_the_same_all_the_same_is_told_to_fail_as_before() {
    let mut world = World::new();
    world.want("a", URL, "r1", &[1]);
    let carried = world.ask(URL, Ok(content("a")));
    let invalid = Fault::new(Reason::IsoInvalid, "x");
    world.end(URL, &carried[0], Err(invalid.clone()));
    world.want("a", URL, "r2", &[1]);
    assert_eq!(world.begin(URL), (1, vec![]));
    world.answer(URL, Ok(content("a")));
    assert_eq!(world.begin(URL), (0, vec![]));
    let iso = world.iso("a");
    assert_eq!((iso.state(), iso.fault), (IsoState::Failed, Some(invalid)));
}
