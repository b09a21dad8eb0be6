//! How much work a lane has under way at once: more while vCenter is quick, less when it is slow.

use std::time::Duration;

/// Work that ends within this time is quick: the window may grow.
const QUICK: Duration = Duration::from_secs(1);
/// Work that takes longer is slow: the window shrinks.
const SLOW: Duration = Duration::from_secs(3);

/// A number that follows how long work takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    size: usize,
    least: usize,
    most: usize,
    /// Quick ends since the size last changed.
    quick: usize,
}

impl Window {
    /// A window that begins at `size` and stays between `least` and `most`.
    pub fn new(size: usize, least: usize, most: usize) -> Self {
        Self {
            size,
            least,
            most,
            quick: 0,
        }
    }

    /// How much may be under way.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Learns from work that took so long. A whole window of quick work doubles it; one slow piece
    /// takes away a quarter.
    pub fn learn(&mut self, took: Duration) {
        if took > SLOW {
            self.resize(self.size - self.size.div_ceil(4).min(self.size));
        } else if took <= QUICK {
            self.quick += 1;
            if self.quick >= self.size {
                self.resize(self.size * 2);
            }
        }
    }

    fn resize(&mut self, size: usize) {
        self.size = size.clamp(self.least, self.most);
        self.quick = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_window_of_quick_work_doubles_it_up_to_the_most() {
        let mut window = Window::new(20, 4, 60);
        for _ in 0..19 {
            window.learn(QUICK);
        }
        assert_eq!(window.size(), 20);
        window.learn(QUICK);
        assert_eq!(window.size(), 40);
        for _ in 0..40 {
            window.learn(QUICK);
        }
        assert_eq!(window.size(), 60);
    }

    #[test]
    fn slow_work_shrinks_it_down_to_the_least() {
        let mut window = Window::new(20, 4, 60);
        window.learn(SLOW * 2);
        assert_eq!(window.size(), 15);
        for _ in 0..20 {
            window.learn(SLOW * 2);
        }
        assert_eq!(window.size(), 4);
    }

    #[test]
    fn work_between_quick_and_slow_changes_nothing() {
        let mut window = Window::new(20, 4, 60);
        for _ in 0..100 {
            window.learn(Duration::from_secs(2));
        }
        assert_eq!(window, Window::new(20, 4, 60));
    }
}
