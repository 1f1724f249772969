//! Stopping: asked for once, waited for everywhere.

use std::io;

use tokio::sync::watch;

/// Makes a pair: whoever holds the [`Trigger`] asks, whoever holds the [`Shutdown`] hears.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

/// Asks the process to stop.
#[derive(Debug, Clone)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks. Any number of times.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Knows whether the process was asked to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Whether it was.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is. Also ends when nobody is left who could ask.
    ///
    /// # Cancel safety
    /// May be dropped and called again; a request made in between is seen.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the last trigger is gone, and with it the service.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}

/// Turns SIGINT and SIGTERM into a request to stop. A second signal ends the process at once, with status 130: the
/// log is made to survive that.
///
/// The handlers stand when this returns; the future it returns waits for the signals and never ends.
///
/// # Errors
/// The operating system refuses a signal handler.
pub fn signals(
    trigger: Trigger,
) -> io::Result<impl Future<Output = std::convert::Infallible> + Send + 'static> {
    let mut interrupt = Signal::interrupt()?;
    let mut terminate = Signal::terminate()?;
    Ok(async move {
        loop {
            tokio::select! {
                () = interrupt.received() => {}
                () = terminate.received() => {}
            }
            if *trigger.0.borrow() {
                tracing::warn!("asked to stop again, stopping at once");
                std::process::exit(130);
            }
            tracing::info!("asked to stop");
            trigger.request();
        }
    })
}

#[cfg(unix)]
struct Signal(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signal {
    fn interrupt() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map(Self)
    }

    fn terminate() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map(Self)
    }

    async fn received(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(windows)]
enum Signal {
    Interrupt(tokio::signal::windows::CtrlC),
    Terminate(tokio::signal::windows::CtrlShutdown),
}

#[cfg(windows)]
impl Signal {
    fn interrupt() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self::Interrupt)
    }

    fn terminate() -> io::Result<Self> {
        tokio::signal::windows::ctrl_shutdown().map(Self::Terminate)
    }

    async fn received(&mut self) {
        let received = match self {
            Self::Interrupt(signal) => signal.recv().await,
            Self::Terminate(signal) => signal.recv().await,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_heard_before_and_after_asking() {
        let (trigger, shutdown) = channel();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        trigger.request();
        trigger.request();
        waiting.await.unwrap();
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_trigger_that_is_gone() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        shutdown.requested().await;
        assert!(!shutdown.is_requested());
    }
}
