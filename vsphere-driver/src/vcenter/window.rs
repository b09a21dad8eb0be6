//! How much work a lane has under way at once: more while vCenter is quick, less when it is slow.

use std::time::Duration;

/// Work that ends within this time is quick: more may be under way.
const QUICK: Duration = Duration::from_secs(1);
/// Work that takes longer is slow: no more than usual may be under way. Twice as long as quick, the
/// factor by which a window changes: one that was halved for being slow does not grow back at once.
const SLOW: Duration = Duration::from_secs(2);
/// Work that takes longer than this is late: as little as possible may be under way, or calls that
/// wait in vCenter reach their deadline of a minute.
const LATE: Duration = Duration::from_secs(15);

/// A number that follows how long work takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    size: usize,
    least: usize,
    usual: usize,
    most: usize,
    /// Ends in a row that spoke for more.
    good: usize,
    /// Ends to come of work that began before the window shrank, and so says nothing about its size.
    old: usize,
}

impl Window {
    /// A window that begins at its usual size and stays between `least` and `most`.
    pub fn new(least: usize, usual: usize, most: usize) -> Self {
        Self {
            size: usual,
            least,
            usual,
            most,
            good: 0,
            old: 0,
        }
    }

    /// How much may be under way.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Learns from work that took so long. A whole window of good ends doubles it; a bad one halves
    /// it, once for all that was under way.
    pub fn learn(&mut self, took: Duration) {
        if took <= QUICK {
            self.grow(self.most);
        } else if took <= SLOW {
            self.grow(self.usual.max(self.size));
        } else if took <= LATE {
            if self.size > self.usual {
                self.shrink(self.usual);
            } else {
                self.grow(self.usual);
            }
        } else {
            self.shrink(self.least);
        }
    }

    /// Learns from work that failed after so long: that it ended soon speaks for nothing.
    pub fn learn_from_failure(&mut self, took: Duration) {
        if took > SLOW {
            self.learn(took);
        }
    }

    fn grow(&mut self, most: usize) {
        self.old = self.old.saturating_sub(1);
        self.good += 1;
        if self.good >= self.size {
            self.size = (self.size * 2).min(most).max(self.size);
            self.good = 0;
        }
    }

    fn shrink(&mut self, least: usize) {
        self.good = 0;
        if self.old > 0 {
            self.old -= 1;
            return;
        }
        self.old = self.size - 1;
        self.size = (self.size / 2).max(least).min(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window::new(4, 20, 60)
    }

    /// As many ends as are under way, again and again; the sizes after each.
    fn rounds(window: &mut Window, took: Duration, count: usize) -> Vec<usize> {
        let round = |_| {
            for _ in 0..window.size() {
                window.learn(took);
            }
            window.size()
        };
        (0..count).map(round).collect()
    }

    #[test]
    fn a_whole_window_of_quick_work_doubles_it_up_to_the_most() {
        let mut window = window();
        for _ in 0..19 {
            window.learn(QUICK);
        }
        assert_eq!(window.size(), 20);
        window.learn(QUICK);
        assert_eq!(window.size(), 40);
        assert_eq!(rounds(&mut window, QUICK, 2), [60, 60]);
    }

    #[test]
    fn slow_work_halves_it_once_a_round_down_to_what_is_usual() {
        let mut window = window();
        rounds(&mut window, QUICK, 2);
        let slow = SLOW + Duration::from_millis(1);
        for _ in 0..60 {
            window.learn(slow);
        }
        assert_eq!(window.size(), 30);
        assert_eq!(rounds(&mut window, slow, 3), [20, 20, 20]);
    }

    #[test]
    fn late_work_takes_it_down_to_the_least_and_work_that_is_not_brings_it_back() {
        let mut window = window();
        assert_eq!(rounds(&mut window, LATE * 2, 5), [10, 5, 4, 4, 4]);
        assert_eq!(rounds(&mut window, SLOW * 2, 4), [8, 16, 20, 20]);
    }

    #[test]
    fn work_between_quick_and_slow_changes_nothing() {
        let mut window = window();
        let between = (QUICK + SLOW) / 2;
        assert_eq!(rounds(&mut window, between, 3), [20, 20, 20]);
        rounds(&mut window, QUICK, 1);
        assert_eq!(rounds(&mut window, between, 3), [40, 40, 40]);
    }

    #[test]
    fn of_work_that_failed_only_that_it_took_long_counts() {
        let mut window = window();
        for _ in 0..100 {
            window.learn_from_failure(Duration::ZERO);
        }
        assert_eq!(window.size(), 20);
        window.learn_from_failure(LATE * 2);
        assert_eq!(window.size(), 10);
    }
}
