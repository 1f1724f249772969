//! What else a process does that runs a node.

use std::{fmt, future::Future, pin::Pin};

use axum::Router;
use service_kit::{metrics::Metrics, shutdown::Shutdown, tasks::TaskFailure};

type Task = Pin<Box<dyn Future<Output = Result<(), TaskFailure>> + Send>>;
type Start = Box<dyn FnOnce(&mut Metrics, Shutdown) -> Running + Send>;

/// Something that runs beside a node: on the store it has open, or with routes of its own on its listener.
pub struct Beside {
    pub(crate) name: &'static str,
    pub(crate) has_drops: bool,
    start: Start,
}

/// What was started.
pub(crate) struct Running {
    pub(crate) routes: Router,
    pub(crate) task: Task,
}

impl Beside {
    /// Something without routes; the name is for the log.
    ///
    /// `start` is called once the node is ready. It declares measurements, which are shown with the node's, and gives
    /// what is to run until shutdown is requested and no shorter.
    pub fn task<T, E>(
        name: &'static str,
        start: impl FnOnce(&mut Metrics, Shutdown) -> T + Send + 'static,
    ) -> Self
    where
        T: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<TaskFailure> + 'static,
    {
        Self::service(name, |metrics, stopping| (Router::new(), start(metrics, stopping)))
    }

    /// As [`Self::task`], with routes for the node's clients. They are wrapped in a
    /// [`Stack`](service_kit::http::Stack) of their own, have no fallback, and no path that the node has.
    pub fn service<T, E>(
        name: &'static str,
        start: impl FnOnce(&mut Metrics, Shutdown) -> (Router, T) + Send + 'static,
    ) -> Self
    where
        T: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<TaskFailure> + 'static,
    {
        let start = |metrics: &mut Metrics, stopping: Shutdown| {
            let (routes, task) = start(metrics, stopping);
            Running { routes, task: Box::pin(async move { task.await.map_err(Into::into) }) }
        };
        Self { name, has_drops: false, start: Box::new(start) }
    }

    /// Says that it answers at [`api::transistor::BASE`] with drops, which the node announces to its clients where
    /// `listen.transistor` names no other place.
    #[must_use]
    pub fn with_drops(self) -> Self {
        Self { has_drops: true, ..self }
    }

    pub(crate) fn start(self, metrics: &mut Metrics, stopping: Shutdown) -> Running {
        (self.start)(metrics, stopping)
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("name", &self.name).finish_non_exhaustive()
    }
}
