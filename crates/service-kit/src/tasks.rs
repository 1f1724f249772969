//! Background tasks that cannot die in silence.

use core::{convert::Infallible, error::Error, fmt, time::Duration};
use std::collections::HashMap;

use thiserror::Error;
use tokio::task::{self, JoinSet};

use crate::shutdown::{Shutdown, Trigger};

/// An error some task ended with.
pub type TaskFailure = Box<dyn Error + Send + Sync>;

/// How a task ended that should have gone on, or did not end that should have.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskEnd {
    /// It returned, as if its work were done.
    Returned,
    /// It returned an error.
    Failed(TaskFailure),
    /// It panicked. Our fault.
    Panicked,
    /// It was still running when the time to stop was over.
    TimedOut,
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Returned => "ended too early",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "did not stop in time",
        })
    }
}

/// A task did not do what it was there for; the process ends with this.
#[derive(Debug, Error)]
#[error("background task `{name}` {end}")]
pub struct TaskError {
    /// The task.
    pub name: &'static str,
    /// What it did.
    pub end: TaskEnd,
}

impl TaskError {
    /// The error the task returned, if that is how it ended.
    #[must_use]
    pub fn failure(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.end {
            TaskEnd::Failed(error) => Some(error.as_ref()),
            TaskEnd::Returned | TaskEnd::Panicked | TaskEnd::TimedOut => None,
        }
    }
}

/// The tasks a service consists of.
///
/// All of them live as long as the service: whichever ends before it was asked to takes the service down with it, so
/// that something outside can start it anew in a known state.
#[derive(Debug)]
pub struct Tasks {
    set: JoinSet<Result<(), TaskFailure>>,
    names: HashMap<task::Id, &'static str>,
    trigger: Trigger,
    shutdown: Shutdown,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(trigger: Trigger, shutdown: Shutdown) -> Self {
        Self { set: JoinSet::new(), names: HashMap::new(), trigger, shutdown }
    }

    /// Starts a task. It has to end, with `Ok`, when shutdown is requested, and not before.
    pub fn spawn<E>(&mut self, name: &'static str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<TaskFailure> + 'static,
    {
        let handle = self.set.spawn(async move { task.await.map_err(Into::into) });
        self.names.insert(handle.id(), name);
    }

    /// Asks these tasks to stop when somebody outside asks the process to.
    pub fn stop_with(&mut self, outside: Shutdown) {
        let (trigger, stopping) = (self.trigger.clone(), self.shutdown.clone());
        self.spawn("shutdown", async move {
            tokio::select! {
                () = outside.requested() => trigger.request(),
                // A task has failed, which nobody outside has to know of first.
                () = stopping.requested() => {}
            }
            Ok::<_, Infallible>(())
        });
    }

    /// Waits until shutdown is requested or a task ends too early, asks all to stop, and gives them `grace` to do so.
    ///
    /// # Errors
    /// [`TaskError`] for the first task that ended too early, failed, panicked, or had to be cut off.
    pub async fn run(mut self, grace: Duration) -> Result<(), TaskError> {
        let mut first = None;
        let shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.requested() => {}
            // A task may be faster than this one to see that shutdown was requested.
            Some(ended) = self.set.join_next_with_id() => first = self.judge(ended, shutdown.is_requested()),
        }
        self.trigger.request();
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = self.set.join_next_with_id().await {
                let error = self.judge(ended, true);
                first = first.take().or(error);
            }
        });
        if drained.await.is_err() {
            // One name is enough for the report; the log has them all.
            for name in self.names.values() {
                tracing::error!(task = name, "background task did not stop in time");
            }
            let name = self.names.values().min().copied().unwrap_or_default();
            first = first.or(Some(TaskError { name, end: TaskEnd::TimedOut }));
            self.set.shutdown().await;
        }
        first.map_or(Ok(()), Err)
    }

    fn judge(&mut self, ended: Ended, stopping: bool) -> Option<TaskError> {
        let (id, end) = match ended {
            Ok((id, Ok(()))) if stopping => (id, None),
            Ok((id, Ok(()))) => (id, Some(TaskEnd::Returned)),
            Ok((id, Err(error))) => (id, Some(TaskEnd::Failed(error))),
            Err(error) => (error.id(), Some(TaskEnd::Panicked)),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        let error = end.map(|end| TaskError { name, end })?;
        match error.failure() {
            Some(failure) => tracing::error!(task = name, error = failure, "background task failed"),
            None => tracing::error!(task = name, "background task {}", error.end),
        }
        Some(error)
    }
}

type Ended = Result<(task::Id, Result<(), TaskFailure>), task::JoinError>;
