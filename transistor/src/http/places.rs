//! How many bodies one peer may have under way.
//!
//! The service has places for a fixed number of bodies, and a body may take hours: without a bound for each, one peer
//! with slow connections could hold all of them.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use api::{ErrorCode, Problem};
use axum::{
    body::Body,
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use service_kit::http::Peer;

use super::App;

/// Seconds until it is worth trying again.
pub(super) const AGAIN: u32 = 2;

/// Counts of peers with something under way, as many as there are requests.
#[derive(Debug)]
pub(crate) struct Places {
    most: u16,
    taken: Arc<Mutex<HashMap<Peer, u16>>>,
}

/// One body's place, until it is dropped.
struct Place {
    peer: Peer,
    taken: Arc<Mutex<HashMap<Peer, u16>>>,
}

impl Places {
    pub(crate) fn new(most: u16) -> Self {
        Self { most, taken: Arc::default() }
    }

    fn enter(&self, peer: Peer) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(peer).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { peer, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.peer) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Holds a place for whatever may bring or fetch a body, until the last byte of the answer is handed on.
pub(super) async fn held(State(app): State<Arc<App>>, peer: Peer, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::PUT | Method::POST | Method::PATCH) {
        return next.run(request).await;
    }
    let Some(place) = app.limits.places.enter(peer) else {
        return Problem::new(ErrorCode::Busy).with_retry_after(AGAIN).into_response();
    };
    next.run(request).await.map(|body| Body::new(Holding { body, _place: place }))
}

/// A body that keeps a place until it was handed on, and is else as it was, its length included.
struct Holding {
    body: Body,
    _place: Place,
}

impl HttpBody for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_they_come_back() {
        let places = Places::new(2);
        let [one, other] = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|address| Peer::of(address.into()));
        let held = (places.enter(one).unwrap(), places.enter(one).unwrap());
        assert!(places.enter(one).is_none());
        let others = places.enter(other).unwrap();
        drop(held.0);
        let again = places.enter(one).unwrap();
        assert!(places.enter(one).is_none());
        drop((held.1, again, others));
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is kept of who was there");
    }
}
