//! A node as `run` makes it: on a folder, started and stopped and started again.

use std::net::SocketAddr;

use api::{ErrorCode, frames::FrameReceipt, paths};
use node::{RunError, run};
use service_kit::{
    clock::{Clock, SystemClock},
    shutdown,
};
use tokio::net::TcpListener;

use crate::kit::{
    Club, Reply, generous,
    site::{client, soon},
};

async fn get(client: &reqwest::Client, address: SocketAddr, path: &str) -> Reply {
    let response = client.get(format!("http://{address}{path}")).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let client = client();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = free.local_addr().unwrap();
    drop(free);
    let (mut club, init) = Club::found_at(150, SystemClock.now().get());
    let mut receipts: Vec<(Vec<u8>, FrameReceipt)> = Vec::new();
    for start in 0..3_u8 {
        let mut config = generous();
        config.store.data = folder.path().to_owned();
        config.listen.admin = (start > 0).then_some(admin);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, stopping) = shutdown::channel();
        let running = tokio::spawn(run(config.clone(), listener, stopping));
        soon(async {
            while get(&client, address, paths::READY).await.status != 204 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // Measurements are for operators where these have an address.
        let measured = get(&client, address, paths::METRICS).await;
        if start == 0 {
            assert_eq!(measured.status, 200);
            // The folder belongs to one process.
            let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (_trigger, stopping) = shutdown::channel();
            assert!(matches!(run(config, second, stopping).await, Err(RunError::Open(_))));
        } else {
            assert_eq!((measured.status, measured.code()), (404, ErrorCode::NotFound));
            assert_eq!(get(&client, admin, paths::METRICS).await.status, 200);
            assert_eq!(get(&client, admin, paths::READY).await.status, 204);
        }

        let made = if start == 0 { init.clone() } else { club.message(&[start; 50]) };
        if start > 0 {
            club.apply(&made);
        }
        receipts.push((made.bytes.clone(), post(&client, address, &club, made.bytes).await));
        for (bytes, receipt) in &receipts {
            let again = post(&client, address, &club, bytes.clone()).await;
            assert!(again.duplicate);
            assert_eq!(again.receipt, receipt.receipt);
        }
        trigger.request();
        soon(running).await.unwrap().unwrap();
    }
    assert_eq!(receipts.iter().map(|(_, receipt)| receipt.receipt.seq.get()).collect::<Vec<_>>(), [0, 1, 2]);
}

async fn post(client: &reqwest::Client, address: SocketAddr, club: &Club, bytes: Vec<u8>) -> FrameReceipt {
    let request = client.post(format!("http://{address}{}", paths::frames(&club.group())));
    let response = request.header("content-type", "application/protobuf").body(bytes).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, body: response.bytes().await.unwrap().to_vec() }.decode()
}
