//! Supervision: no task ends unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::{convert::Infallible, future::pending, time::Duration};
use std::io;

use service_kit::{
    shutdown::{Shutdown, Trigger, channel},
    tasks::{TaskEnd, TaskError, Tasks},
};

const GRACE: Duration = Duration::from_secs(5);

fn tasks() -> (Tasks, Trigger, Shutdown) {
    let (trigger, shutdown) = channel();
    (Tasks::new(trigger.clone(), shutdown.clone()), trigger, shutdown)
}

/// A task that does what it should: runs until it is asked to stop.
async fn obedient(shutdown: Shutdown) -> Result<(), Infallible> {
    shutdown.requested().await;
    Ok(())
}

#[tokio::test]
async fn tasks_that_end_when_asked_are_fine() {
    let (mut tasks, trigger, shutdown) = tasks();
    tasks.spawn("one", obedient(shutdown.clone()));
    tasks.spawn("two", obedient(shutdown));
    trigger.request();
    assert!(tasks.run(GRACE).await.is_ok());
}

async fn first_error(tasks: Tasks, shutdown: &Shutdown) -> TaskError {
    let error = tasks.run(GRACE).await.unwrap_err();
    // Whatever one task does, the others are asked to stop.
    assert!(shutdown.is_requested());
    error
}

#[tokio::test]
async fn a_task_that_returns_takes_the_service_down() {
    let (mut tasks, _trigger, shutdown) = tasks();
    tasks.spawn("good", obedient(shutdown.clone()));
    tasks.spawn("early", async { Ok::<_, Infallible>(()) });
    let error = first_error(tasks, &shutdown).await;
    assert_eq!(error.to_string(), "background task `early` ended too early");
}

#[tokio::test]
async fn a_task_that_fails_takes_the_service_down() {
    let (mut tasks, _trigger, shutdown) = tasks();
    tasks.spawn("good", obedient(shutdown.clone()));
    tasks.spawn("bad", async { Err::<(), _>(io::Error::other("the cable is cut")) });
    let error = first_error(tasks, &shutdown).await;
    assert_eq!(error.name, "bad");
    assert_eq!(error.failure().unwrap().to_string(), "the cable is cut");
}

#[tokio::test]
async fn a_task_that_panics_takes_the_service_down() {
    let (mut tasks, _trigger, shutdown) = tasks();
    tasks.spawn("good", obedient(shutdown.clone()));
    tasks.spawn("ugly", async {
        tokio::task::yield_now().await;
        if true {
            panic!("hunter2");
        }
        Ok::<_, Infallible>(())
    });
    let error = first_error(tasks, &shutdown).await;
    assert!(matches!(error.end, TaskEnd::Panicked));
    assert_eq!(error.to_string(), "background task `ugly` panicked");
}

#[tokio::test]
async fn a_task_that_fails_while_stopping_is_an_error() {
    let (mut tasks, trigger, shutdown) = tasks();
    tasks.spawn("late", async move {
        shutdown.requested().await;
        Err::<(), _>(io::Error::other("could not flush"))
    });
    trigger.request();
    let error = tasks.run(GRACE).await.unwrap_err();
    assert_eq!(error.failure().unwrap().to_string(), "could not flush");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_stop_is_cut_off() {
    let (mut tasks, trigger, shutdown) = tasks();
    tasks.spawn("good", obedient(shutdown));
    tasks.spawn("deaf", pending::<Result<(), Infallible>>());
    trigger.request();
    let error = tasks.run(GRACE).await.unwrap_err();
    assert_eq!(error.to_string(), "background task `deaf` did not stop in time");
}

#[tokio::test]
async fn a_request_from_outside_is_passed_on() {
    let (mut tasks, _trigger, shutdown) = tasks();
    let (outside, asked) = channel();
    tasks.stop_with(asked);
    tasks.spawn("good", obedient(shutdown));
    outside.request();
    assert!(tasks.run(GRACE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_held_up_by_those_outside_who_ask_for_nothing() {
    let (mut tasks, _trigger, shutdown) = tasks();
    let (_outside, asked) = channel();
    tasks.stop_with(asked);
    tasks.spawn("early", async { Err(io::Error::other("no")) });
    let began = tokio::time::Instant::now();
    let error = first_error(tasks, &shutdown).await;
    assert_eq!(error.name, "early");
    assert!(began.elapsed() < GRACE, "the time to stop was waited for");
}
