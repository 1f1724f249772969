//! Things that run beside a node: their routes are on its listener, their measurements with its own, and they live and
//! end with it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use api::{ErrorCode, NodeInfo, TransistorUrl, paths};
use axum::{Router, routing::get as on_get};
use node::{Beside, OpenStore, RunError, config::Config, run_beside};
use service_kit::{
    http::{HttpSettings, Stack},
    shutdown::{self, Trigger},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::kit::{
    Reply, generous,
    site::{client, soon},
};

/// A node in a folder with things beside it.
struct Running {
    address: SocketAddr,
    trigger: Trigger,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn start(folder: &Path, set: impl FnOnce(&mut Config), beside: Vec<Beside>) -> Self {
        let mut config = generous();
        config.store.data = folder.to_owned();
        set(&mut config);
        let opened = OpenStore::open(&config.store).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, stopping) = shutdown::channel();
        let task = tokio::spawn(async move {
            let ended = run_beside(config, &opened, listener, stopping, beside).await;
            opened.close().await;
            ended
        });
        Self { address, trigger, task }
    }

    async fn get(&self, path: &str) -> Reply {
        let asked = async {
            loop {
                // The listener is there before the node: connections wait for it.
                if let Ok(response) = client().get(format!("http://{}{path}", self.address)).send().await {
                    return response;
                }
                tokio::task::yield_now().await;
            }
        };
        let response = soon(asked).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    async fn stop(self) {
        self.trigger.request();
        soon(self.task).await.unwrap().unwrap();
    }
}

fn greeter(stopped: &Arc<AtomicBool>) -> Beside {
    let stopped = Arc::clone(stopped);
    Beside::service("greeter", |metrics, stopping| {
        let stack = Stack::new(&HttpSettings::default(), &mut metrics.scope("greeter"), &["/hello/{name}"]);
        let routes = stack.wrap(Router::new().route("/hello/{name}", on_get(async || "hello")));
        let task = async move {
            stopping.requested().await;
            stopped.store(true, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        };
        (routes, task)
    })
}

fn waiting() -> Beside {
    Beside::task("waiting", |_, stopping| async move {
        stopping.requested().await;
        Ok::<_, Infallible>(())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_and_measurements_are_the_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = Arc::new(AtomicBool::new(false));
    let beside = vec![waiting(), greeter(&stopped)];
    let running = Running::start(folder.path(), |_| {}, beside).await;
    let hello = running.get("/hello/ann").await;
    assert_eq!((hello.status, hello.body.as_slice()), (200, b"hello".as_slice()));
    assert!(hello.headers.contains_key("x-request-id"));
    // What nobody has is the node's to refuse, and what only the node has is still there.
    assert_eq!(running.get("/hello").await.code(), ErrorCode::NotFound);
    let info: NodeInfo = running.get(paths::NODE).await.decode();
    assert_eq!(info.transistor, None);
    let metrics = String::from_utf8(running.get(paths::METRICS).await.body).unwrap();
    for line in [
        "greeter_http_requests_total{route=\"/hello/{name}\",status=\"success\"} 1",
        "node_http_requests_total{route=\"other\",status=\"client_error\"} 1",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in\n{metrics}");
    }
    assert!(!stopped.load(Ordering::SeqCst));
    running.stop().await;
    assert!(stopped.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drops_are_announced_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}, vec![waiting().with_drops(), waiting()]).await;
    let info: NodeInfo = running.get(paths::NODE).await.decode();
    assert_eq!(info.transistor, Some(TransistorUrl::beside(&info.origin)));
    running.stop().await;

    // What the settings say counts more.
    let elsewhere: TransistorUrl = "https://drops.example/transistor".parse().unwrap();
    for beside in [vec![waiting().with_drops()], Vec::new()] {
        let folder = tempfile::tempdir().unwrap();
        let set = |config: &mut Config| config.listen.transistor = Some(elsewhere.clone());
        let running = Running::start(folder.path(), set, beside).await;
        let info: NodeInfo = running.get(paths::NODE).await.decode();
        assert_eq!(info.transistor.as_ref(), Some(&elsewhere));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_beside_a_node_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let failing = Beside::task("failing", |_, _| async { Err(io::Error::other("no")) });
    let running = Running::start(folder.path(), |_| {}, vec![waiting(), failing]).await;
    let Err(RunError::Task(error)) = soon(running.task).await.unwrap() else { panic!("it goes on") };
    assert_eq!(error.name, "failing");
    assert!(error.failure().is_some());
}
