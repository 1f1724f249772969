//! Several relays on one log: partitions shared, leaders that die, leaders that come back too late.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use frame_log::OrderedSource;
use service_kit::{config::Period, shutdown};

use crate::kit::{PATIENCE, Scene, connected, group, until};

#[tokio::test]
async fn partitions_are_shared_and_taken_over() {
    let scene = Scene::new(5).await;
    let first = scene.relay().await;
    until("the first leads all", || async { first.metrics.leading() == 5 }).await;
    let second = scene.relay().await;
    until("they share", || async {
        let both = [first.metrics.leading(), second.metrics.leading()];
        both == [3, 2] || both == [2, 3]
    })
    .await;
    for n in 0..40 {
        scene.append(&group(n), 5).await;
    }
    scene.exact().await;

    first.crash().await;
    for n in 0..40 {
        scene.append(&group(n), 5).await;
    }
    until("the second leads all", || async { second.metrics.leading() == 5 }).await;
    scene.exact().await;

    let third = scene.relay().await;
    until("they share again", || async {
        second.metrics.leading() + third.metrics.leading() == 5 && third.metrics.leading() >= 2
    })
    .await;
    second.stop().await;
    for n in 0..40 {
        scene.append(&group(n), 5).await;
    }
    until("the third leads all", || async { third.metrics.leading() == 5 }).await;
    scene.exact().await;
    assert_eq!(third.metrics.scans(), 0);
    third.stop().await;
}

/// A relay on a thread of its own, which can be stopped wherever it is, as `SIGSTOP` stops a process: its leases run out,
/// its connection stays open, what it was about to send is sent when it goes on.
struct Pausable {
    commands: tokio::sync::mpsc::UnboundedSender<Command>,
    thread: thread::JoinHandle<()>,
}

enum Command {
    Pause(mpsc::Receiver<()>),
    Stop,
}

impl Pausable {
    fn start(scene: &Arc<Scene>) -> (Self, message_relay::RelayMetrics) {
        let (commands, mut received) = tokio::sync::mpsc::unbounded_channel();
        let (metrics_sender, metrics) = mpsc::channel();
        let scene = Arc::clone(scene);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let source = Arc::new(OrderedSource::new(Arc::new(scene.log.clone())));
                let connection = connected(&scene.nats).await;
                let running = scene.relay_between(Arc::new(scene.log.clone()), source, connection);
                metrics_sender.send(running.metrics.clone()).unwrap();
                while let Some(Command::Pause(until)) = received.recv().await {
                    // Blocks the only thread of the runtime.
                    let _resumed = until.recv();
                }
                running.stop().await;
            });
        });
        (Self { commands, thread }, metrics.recv().unwrap())
    }

    /// Stops it until what is returned is dropped.
    fn pause(&self) -> mpsc::Sender<()> {
        let (resume, resumed) = mpsc::channel();
        assert!(self.commands.send(Command::Pause(resumed)).is_ok());
        resume
    }

    async fn stop(self) {
        assert!(self.commands.send(Command::Stop).is_ok());
        tokio::task::spawn_blocking(move || self.thread.join().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_leader_that_was_paused_is_fenced() {
    let mut scene = Scene::new(2).await;
    // Neither an audit nor a cursor is due when it goes on: what it does first is to publish what the source has.
    scene.settings.audit_every = Period::from_secs(600);
    scene.settings.cursor_every = Period::from_secs(600);
    let scene = Arc::new(scene);
    let (paused, paused_metrics) = Pausable::start(&scene);
    until("it leads", || async { paused_metrics.leading() == 2 }).await;
    let waiting = scene.relay().await;
    let leads = |paused_leads, waiting_leads| {
        paused_metrics.leading() == paused_leads && waiting.metrics.leading() == waiting_leads
    };

    let (stop_writing, writing) = shutdown::channel();
    let writer = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move {
            let mut n = 0_u8;
            while !writing.is_requested() {
                n = n.wrapping_add(1);
                scene.append(&group(n % 50), 4).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for _ in 0..4 {
        until("each leads one", || async { leads(1, 1) }).await;
        let before = paused_metrics.published();
        until("it publishes", || async { paused_metrics.published() > before + 20 }).await;
        let resume = paused.pause();
        until("the other takes over", || async { waiting.metrics.leading() == 2 }).await;
        let before = waiting.metrics.published();
        until("and publishes", || async { waiting.metrics.published() > before + 200 }).await;
        drop(resume);
    }
    until("each leads one", || async { leads(1, 1) }).await;
    stop_writing.request();
    writer.await.unwrap();
    scene.exact().await;
    assert_eq!(waiting.metrics.scans() + paused_metrics.scans(), 0);
    waiting.stop().await;
    tokio::time::timeout(PATIENCE, paused.stop()).await.unwrap();
}
