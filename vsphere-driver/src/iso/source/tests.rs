//! The fetcher against servers on this machine.
