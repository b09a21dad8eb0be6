//! Two defects of govmomi's simulator, and what is put in their place.
//!
//! Without these nobody can follow the simulator by one pending `WaitForUpdatesEx`, which is how
//! the driver follows a vCenter:
//!
//! * Each queued update collected every object of every filter again, so that the time of an
//!   answer grew with the square of what had changed: 500 new VMs took minutes. Collecting once
//!   for all of them finds the same. A machine that changed brings no other object in sight, nor does
//!   a task: what they are reached by changes as well. Collecting 10,000 machines takes two seconds,
//!   which a change would be late by.
//! * A changed view made the filter collect under its own lock, which needs the view's lock, while
//!   a view that is being added to holds its own lock and wants the filter's: neither ever moved.
//!   It also forgot what it had reported. The collecting above finds what is new, so that here
//!   nothing is left to do. The price: what leaves a list view is not reported as having left.
//!
//! The sources stay with their project; only these few lines are here. When a new version moves
//! them, the build says so.

use std::fs;
use std::path::Path;

use super::error::{Doing as _, Error};

/// A text in a file of a module, and another to put in its place.
#[derive(Debug)]
pub(super) struct Mend {
    /// The file, below the module's folder.
    pub(super) file: &'static str,
    /// The text, which is there once.
    pub(super) found: &'static str,
    /// What to put in its place.
    pub(super) instead: &'static str,
}

const COLLECTOR: &str = "simulator/property_collector.go";
const FILTER: &str = "simulator/property_filter.go";

/// What the simulator needs.
pub(super) const SIMULATOR: [Mend; 4] = [
    Mend {
        file: COLLECTOR,
        found: "
			for _, f := range pc.Filter {
				filter := ctx.Session.Get(f).(*PropertyFilter)
				filter.update(ctx)
",
        instead: "
			collects := false
			for _, update := range updates {
				switch update.Obj.Type {
				case \"Task\":
				case \"VirtualMachine\":
					collects = collects || update.Kind == types.ObjectUpdateKindEnter
				default:
					collects = true
				}
			}
			if collects && !apply() {
				return body
			}
			for _, f := range pc.Filter {
				filter := ctx.Session.Get(f).(*PropertyFilter)
				filter.update(ctx)
",
    },
    Mend {
        file: COLLECTOR,
        found: "
					case types.ObjectUpdateKindEnter: // Create
						if !apply() {
							return body
						}
",
        instead: "
					case types.ObjectUpdateKindEnter: // Create
",
    },
    Mend {
        file: COLLECTOR,
        found: "
						if !apply() { // An update may apply to collector traversal specs
							return body
						}
",
        instead: "\n",
    },
    Mend {
        file: FILTER,
        found: "
			f.sync = false
			clear(f.refs)
			_, _ = f.collect(ctx)
",
        instead: "
			f.sync = false
",
    },
];

/// Mends the module in `folder`.
pub(super) fn apply(mends: &[Mend], folder: &Path) -> Result<(), Error> {
    for mend in mends {
        let path = folder.join(mend.file);
        let source = fs::read_to_string(&path).doing("reading", &path)?;
        let mended = mended(&source, mend)?;
        // What was copied from Go's cache is read-only, as it is there.
        fs::remove_file(&path).doing("replacing", &path)?;
        fs::write(&path, mended).doing("writing", &path)?;
    }
    Ok(())
}

fn mended(source: &str, mend: &Mend) -> Result<String, Error> {
    let &Mend {
        file,
        found: text,
        instead,
    } = mend;
    match source.matches(text).count() {
        1 => Ok(source.replace(text, instead)),
        found => Err(Error::Unmendable { file, found, text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEND: Mend = Mend {
        file: "file.go",
        found: "bad",
        instead: "good",
    };

    #[test]
    fn the_text_is_replaced() {
        assert_eq!(mended("a bad line", &MEND).unwrap(), "a good line");
    }

    #[test]
    fn a_text_that_is_there_not_exactly_once_is_refused() {
        for (source, times) in [("a line", 0), ("bad and bad", 2)] {
            let error = mended(source, &MEND).unwrap_err();
            assert!(
                matches!(error, Error::Unmendable { found, .. } if found == times),
                "{error}"
            );
        }
    }
}
