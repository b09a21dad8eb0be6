//! CPU and memory, reckoned side by side.

use std::iter::Sum;

/// So much CPU and so much memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// CPU.
    pub cpu_mhz: i64,
    /// Memory.
    pub memory_mib: i64,
}

impl Amount {
    /// Each of the two by the same rule.
    pub fn zip(self, other: Self, rule: impl Fn(i64, i64) -> i64) -> Self {
        Self {
            cpu_mhz: rule(self.cpu_mhz, other.cpu_mhz),
            memory_mib: rule(self.memory_mib, other.memory_mib),
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, i64::saturating_add)
    }

    /// What is left, never below 0.
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, |all, part| all.saturating_sub(part).max(0))
    }

    /// The less of each.
    pub fn least(self, other: Self) -> Self {
        self.zip(other, i64::min)
    }

    /// How many times `one` is in it whole, by the scarcer of the two.
    pub fn fits(self, one: Self) -> i64 {
        let times = self.zip(one, times);
        times.cpu_mhz.min(times.memory_mib)
    }

    /// How many times `one` it takes to hold it, by the one of the two that it takes more for.
    pub fn places(self, one: Self) -> i64 {
        let places = self.zip(one, |all, one| {
            if one <= 0 {
                0
            } else {
                (all.max(0) + one - 1) / one
            }
        });
        places.cpu_mhz.max(places.memory_mib)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::plus)
    }
}

/// How many times `one` is in `all`, whole. Of what takes nothing there is room without end.
pub(super) fn times(all: i64, one: i64) -> i64 {
    if one <= 0 {
        return i64::MAX;
    }
    all.max(0) / one
}
