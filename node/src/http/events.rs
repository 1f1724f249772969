//! The event stream of a group.

use std::{convert::Infallible, sync::Arc};

use api::{ErrorCode, Problem, events::HEARTBEAT, frames::EventId, paths::EventsQuery, token::Scope};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use service_kit::http::Query;

use super::{App, extract::Reader};
use crate::follow::{Delivery, Follower, Start};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies not to hold events back until they have a buffer full.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET …/events`: every frame from a position on, in order, each once.
///
/// `Last-Event-ID` wins over the query: a browser that connects again sends the first beside the old second.
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    reader: Reader,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    if reader.grant.scope() == Scope::Removal {
        return Err(Problem::new(ErrorCode::Forbidden));
    }
    let start = match (last_event_id(&headers)?, query.from) {
        (Some(id), _) => Start::After(id),
        (None, Some(seq)) => Start::At(seq),
        (None, None) => Start::Now,
    };
    let place = Arc::clone(&app.followers)
        .try_acquire_owned()
        .map_err(|_| Problem::new(ErrorCode::TooManyFollowers).with_retry_after(5))?;
    let held = app.groups.env().metrics.follower();
    let follower = Follower::new(&app.follow, reader.group, reader.grant, start);
    // Place and gauge live in the stream: they are given back when the body is dropped, however that comes about.
    let deliveries = stream::unfold((follower, place, held), |(mut follower, place, held)| async move {
        let delivery = follower.next().await?;
        let text = match delivery {
            Delivery::Event(event) => Bytes::from(event.to_text()),
            Delivery::Heartbeat => Bytes::from_static(HEARTBEAT.as_bytes()),
        };
        Some((Ok::<_, Infallible>(text), (follower, place, held)))
    });
    let mut response = Body::from_stream(deliveries).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let invalid = || Problem::new(ErrorCode::InvalidRequest).with_detail("Last-Event-ID is not an event id");
    headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(invalid))
        .transpose()
}
