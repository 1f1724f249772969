//! Signals, sent to a real process: this test, started again by itself.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
};

use service_kit::shutdown::{channel, signals};

const ROLE: &str = "SERVICE_KIT_SIGNALS_CHILD";

/// Not a test by itself: what the child does. It says when it is ready and when it was asked to stop, and then either
/// ends, or hangs until a second signal comes.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (trigger, shutdown) = channel();
        tokio::spawn(signals(trigger).unwrap());
        println!("\nready");
        shutdown.requested().await;
        println!("\nasked");
        if role == "hang" {
            std::future::pending::<()>().await;
        }
    });
}

struct Started {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Started {
    fn new(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut started = Self { child, lines };
        started.wait_for("ready");
        started
    }

    fn wait_for(&mut self, line: &str) {
        assert!(self.lines.any(|read| read.unwrap() == line), "the child never said {line:?}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

#[test]
fn the_first_signal_asks() {
    for signal in ["-TERM", "-INT"] {
        let mut started = Started::new("stop");
        started.signal(signal);
        started.wait_for("asked");
        assert!(started.child.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn the_second_signal_ends() {
    let mut started = Started::new("hang");
    started.signal("-TERM");
    started.wait_for("asked");
    started.signal("-INT");
    let status = started.child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}
