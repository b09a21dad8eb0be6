//! Measurements that were made a moment ago, so that many who ask for one place cost one call.

use super::{Measured, Site};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

/// Nobody asks for an older one.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// Measurements, by place.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<Site, Arc<Place>>>);

/// The last measurement of a place. Who holds it is measuring anew, and the others wait for that.
type Place = AsyncMutex<Option<(Instant, Arc<Measured>)>>;

impl Remembered {
    /// The measurement of a place that is not older than `max_age`, else a new one.
    pub async fn within<E>(
        &self,
        max_age: Duration,
        site: &Site,
        measure: impl Future<Output = Result<Measured, E>>,
    ) -> Result<Arc<Measured>, E> {
        let place = self.place(site);
        let mut last = place.lock().await;
        if let Some((at, measured)) = &*last
            && at.elapsed() <= max_age
        {
            return Ok(Arc::clone(measured));
        }
        // From before the call: what happens while it is under way may not be in it.
        let at = Instant::now();
        let measured = Arc::new(measure.await?);
        *last = Some((at, Arc::clone(&measured)));
        Ok(measured)
    }

    fn place(&self, site: &Site) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| !is_forgotten(place));
        Arc::clone(places.entry(site.clone()).or_default())
    }
}

/// Whether nobody measures a place, and its measurement is too old for anybody.
fn is_forgotten(place: &Arc<Place>) -> bool {
    let Ok(last) = place.try_lock() else {
        return false;
    };
    let old = |(at, _): &(Instant, _)| at.elapsed() > FORGOTTEN;
    Arc::strong_count(place) == 1 && last.as_ref().is_none_or(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::MoRef;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn site(datastore: &str) -> Site {
        Site {
            cluster: MoRef::new("ClusterComputeResource", "c-1"),
            pool: MoRef::new("ResourcePool", "pool-1"),
            datastore: MoRef::new("Datastore", datastore),
        }
    }

    /// Asks, and gives the number of the reading that answered.
    async fn ask(all: &Remembered, readings: &AtomicI64, max_age: u64, datastore: &str) -> i64 {
        let measure = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut measured = Measured::default();
            measured.datastore.free_bytes = readings.fetch_add(1, Ordering::Relaxed) + 1;
            Ok::<_, ()>(measured)
        };
        let max_age = Duration::from_secs(max_age);
        let found = all.within(max_age, &site(datastore), measure).await;
        found.expect("measured").datastore.free_bytes
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_for_one_place_share_a_reading_until_it_is_too_old() {
        let (all, readings) = (Remembered::default(), AtomicI64::new(0));
        let one = || ask(&all, &readings, 60, "ds-1");
        assert_eq!(tokio::join!(one(), one(), one()), (1, 1, 1));
        assert_eq!(ask(&all, &readings, 60, "ds-2").await, 2);
        assert_eq!(one().await, 1);
        assert_eq!(ask(&all, &readings, 0, "ds-1").await, 3);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(one().await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_fails_is_made_again_and_nothing_is_kept_for_ever() {
        let all = Remembered::default();
        let failing = async { Err::<_, ()>(()) };
        let failed = all.within(Duration::MAX, &site("ds-1"), failing).await;
        assert!(failed.is_err());
        let readings = AtomicI64::new(0);
        assert_eq!(ask(&all, &readings, 60, "ds-1").await, 1);
        tokio::time::advance(FORGOTTEN * 2).await;
        ask(&all, &readings, 60, "ds-2").await;
        assert_eq!(all.0.lock().unwrap().len(), 1);
    }
}
