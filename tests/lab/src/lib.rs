//! The local hub and vCenter that tests, the demo and people run on.
