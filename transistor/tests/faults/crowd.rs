//! A thousand readers of one drop.

use std::sync::Arc;

use tokio::{net::TcpStream, sync::Barrier, task::JoinSet};

use crate::drop::{Drop, Reader};

/// How many ask at once.
pub(crate) const READERS: usize = 1000;

/// All of them ask at the same moment, spread over services that share a store, half of them by a claim, half of them in one go: how many got everything. Those
/// with a claim read in two parts, and do not say that it arrived, so that it is not the confirmation that keeps others out.
pub(crate) async fn crowd(ports: &[u16], drop: &Drop) -> usize {
    let ready = Arc::new(Barrier::new(READERS));
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let (reader, ready, body) = (drop.reader(), Arc::clone(&ready), drop.body.clone());
        let port = ports[number / 2 % ports.len()];
        readers.spawn(async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            ready.wait().await;
            let got = if number % 2 == 0 {
                take(&reader, stream).await
            } else {
                claim(&reader, stream, port, body.len()).await
            };
            let Some(got) = got else { return false };
            assert_eq!(got, body, "something else than was put in");
            true
        });
    }
    readers.join_all().await.into_iter().filter(|complete| *complete).count()
}

async fn take(reader: &Reader, stream: TcpStream) -> Option<Vec<u8>> {
    let answer = reader.taking().send_on(stream).await.unwrap();
    answer.is_there().then_some(answer.body)
}

async fn claim(reader: &Reader, stream: TcpStream, port: u16, length: usize) -> Option<Vec<u8>> {
    if !reader.claiming().send_on(stream).await.unwrap().is_there() {
        return None;
    }
    let half = length / 2;
    let mut got = reader.read(port, Some(0..half)).await.unwrap()?;
    got.extend(reader.read(port, Some(half..length)).await.unwrap()?);
    Some(got)
}
