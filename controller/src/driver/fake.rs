//! A driver in memory, for tests.
