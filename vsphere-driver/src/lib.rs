//! Serves the contract beside vCenter: sessions, inventory and the work on machines.
