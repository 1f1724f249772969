//! A connection that comes back by itself, and says when it was away.

use std::{fmt, io, sync::Arc, time::Duration};

use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use service_kit::config::SecretError;
use thiserror::Error;
use tokio::sync::watch;

use crate::NatsSettings;

/// A server that does not answer two of these in a row is given up, so a dead connection is noticed within three.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the second attempt; every further one waits twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Messages that may wait for one subscriber. More are dropped and reported.
const SUBSCRIPTION_CAPACITY: usize = 256;

/// No connection can be made with these settings. Not an unreachable server: that one is waited for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An address cannot be read.
    #[error("an address of NATS cannot be read")]
    Address(#[source] io::Error),
    /// A secret cannot be read.
    #[error("a secret for NATS cannot be read")]
    Secret(#[source] SecretError),
    /// The file of credentials cannot be read.
    #[error("the credentials for NATS cannot be read")]
    Credentials(#[source] io::Error),
    /// The client refuses the settings, for example a certificate that cannot be read.
    #[error("NATS cannot be connected to")]
    Client(#[source] async_nats::ConnectError),
}

/// What is known of a connection's course.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Course {
    pub(crate) connected: bool,
    /// How often messages may have been missed: connections made, and messages dropped because a subscriber was slow.
    pub(crate) breaks: u64,
}

/// A connection to NATS. A clone is another handle.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    course: watch::Receiver<Course>,
    refused: watch::Receiver<bool>,
}

impl Connection {
    /// The client, for what this crate does not do.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream over this connection.
    #[must_use]
    pub fn jetstream(&self) -> async_nats::jetstream::Context {
        let mut context = async_nats::jetstream::new(self.client.clone());
        context.set_timeout(REQUEST_TIMEOUT);
        context
    }

    /// Whether there is a connection now, as far as one knows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.course.borrow().connected
    }

    /// Waits until there is a connection, or is none any more.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn until(&self, connected: bool) {
        let mut course = self.course.clone();
        // The sender lives in the client, which this handle keeps alive.
        let _closed = course.wait_for(|course| course.connected == connected).await;
    }

    /// Waits until a server refuses the credentials, or can make nothing of them. It is tried again all the same: what a
    /// server knows may change. Never ends while they are accepted.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn refused(&self) {
        let mut refused = self.refused.clone();
        // The sender lives in the client, which this handle keeps alive.
        let _closed = refused.wait_for(|refused| *refused).await;
    }

    pub(crate) fn course(&self) -> watch::Receiver<Course> {
        self.course.clone()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("course", &*self.course.borrow()).finish_non_exhaustive()
    }
}

/// Begins to connect and returns at once; the server's operators see the connection under `name`.
///
/// A server that is not there yet is waited for, one that goes away is looked for again, for ever, with pauses of at
/// most some seconds.
///
/// # Errors
/// [`ConnectError`] for settings nothing can be done with.
pub async fn connect(settings: &NatsSettings, name: &str) -> Result<Connection, ConnectError> {
    let addresses: Vec<ServerAddr> = settings
        .urls
        .iter()
        .map(|url| url.parse::<ServerAddr>())
        .collect::<Result<_, _>>()
        .map_err(ConnectError::Address)?;
    let (told, course) = watch::channel(Course::default());
    let told = Arc::new(told);
    let (tells_refusal, refused) = watch::channel(false);
    let options = authenticate(ConnectOptions::new(), settings)
        .await?
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(pause)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .require_tls(settings.require_tls)
        .event_callback(move |event| {
            note(&told, &event);
            if let Some(now) = refusal(&event) {
                tells_refusal.send_replace(now);
            }
            std::future::ready(())
        });
    let options = match &settings.ca {
        Some(ca) => options.add_root_certificates(ca.clone()),
        None => options,
    };
    let options = match (&settings.certificate, &settings.certificate_key) {
        (Some(certificate), Some(key)) => options.add_client_certificate(certificate.clone(), key.clone()),
        _ => options,
    };
    let client = options.connect(addresses).await.map_err(ConnectError::Client)?;
    Ok(Connection { client, course, refused })
}

/// Says who one is. The client keeps copies of the secrets for as long as it lives.
async fn authenticate(
    options: ConnectOptions,
    settings: &NatsSettings,
) -> Result<ConnectOptions, ConnectError> {
    let options = match (&settings.user, &settings.password) {
        (Some(user), Some(password)) => {
            let password = password.load().map_err(ConnectError::Secret)?;
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
        _ => options,
    };
    let options = match &settings.token {
        Some(token) => options.token(token.load().map_err(ConnectError::Secret)?.expose().to_owned()),
        None => options,
    };
    let options = match &settings.nkey {
        Some(seed) => options.nkey(seed.load().map_err(ConnectError::Secret)?.expose().to_owned()),
        None => options,
    };
    match &settings.credentials {
        Some(file) => options.credentials_file(file).await.map_err(ConnectError::Credentials),
        None => Ok(options),
    }
}

/// Pause before the `attempt`th attempt in a row, spread so that many clients do not come back at one moment.
fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    let pause = match attempt {
        0 | 1 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE),
    };
    let mut random = [0; 2];
    // Without randomness the pauses are merely not spread.
    let _given = getrandom::fill(&mut random);
    let spread = u32::from(u16::from_be_bytes(random));
    pause / 2 + (pause / 2).saturating_mul(spread) / u32::from(u16::MAX)
}

/// Whether an event says that the credentials are refused, or that they are not.
fn refusal(event: &Event) -> Option<bool> {
    match event {
        Event::Connected => Some(false),
        Event::ServerError(ServerError::AuthorizationViolation) => Some(true),
        Event::ClientError(ClientError::Other(text)) => {
            let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
            kinds.iter().any(|kind| kind.to_string() == *text).then_some(true)
        }
        Event::ServerError(_)
        | Event::ClientError(_)
        | Event::Disconnected
        | Event::Closed
        | Event::LameDuckMode
        | Event::Draining
        | Event::SlowConsumer(_) => None,
    }
}

/// What an event means. Texts of the server are not repeated: they name subjects, and thereby groups.
fn note(told: &watch::Sender<Course>, event: &Event) {
    match event {
        Event::Connected => {
            told.send_modify(|course| *course = Course { connected: true, breaks: course.breaks + 1 });
            tracing::info!("connected to NATS");
        }
        Event::Disconnected | Event::Closed => {
            told.send_modify(|course| course.connected = false);
            tracing::warn!("not connected to NATS");
        }
        Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => {
            told.send_modify(|course| course.breaks += 1);
            tracing::warn!("messages from NATS were dropped, they came faster than they were taken");
        }
        Event::LameDuckMode => tracing::info!("the NATS server is about to stop"),
        Event::Draining => {}
        Event::ServerError(ServerError::AuthorizationViolation) => {
            tracing::error!("NATS refuses the credentials");
        }
        Event::ServerError(ServerError::Other(text)) => {
            if text.to_ascii_lowercase().starts_with("permissions violation") {
                tracing::error!("NATS does not permit what was asked of it");
            } else {
                tracing::warn!("NATS reported an error");
            }
        }
        Event::ClientError(_) => tracing::debug!("an attempt to connect to NATS failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1), Duration::ZERO);
        assert!(pause(2) >= FIRST_PAUSE / 2);
        for attempt in [3, 10, 1_000, usize::MAX] {
            assert!(pause(attempt) <= LONGEST_PAUSE);
        }
        assert!(pause(usize::MAX) >= LONGEST_PAUSE / 2);
    }

    #[test]
    fn breaks_are_counted() {
        let (told, course) = watch::channel(Course::default());
        for (event, expected) in [
            (Event::Connected, Course { connected: true, breaks: 1 }),
            (Event::SlowConsumer(3), Course { connected: true, breaks: 2 }),
            (Event::Disconnected, Course { connected: false, breaks: 2 }),
            (Event::ServerError(ServerError::Other("x".to_owned())), Course { connected: false, breaks: 2 }),
            (Event::Connected, Course { connected: true, breaks: 3 }),
        ] {
            note(&told, &event);
            assert_eq!(*course.borrow(), expected, "{event}");
        }
    }
}
