//! One request of an upload at a time.
//!
//! A sender whose connection broke comes again at once, while the server may not have noticed yet. Then the earlier
//! request gives way: it stores nothing more, and the later one goes on from what was acknowledged.

use core::time::Duration;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use drop_state::TokenHash;
use tokio::sync::watch;

use super::Failure;

/// How long a later request waits for an earlier one, which may be storing a piece.
const PATIENCE: Duration = Duration::from_secs(10);

type Map = Mutex<HashMap<[u8; 32], Arc<watch::Sender<bool>>>>;

/// Who is at it. As large as there are requests.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Map>);

/// The right to work on an upload, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    map: Arc<Map>,
    key: [u8; 32],
    asked: watch::Receiver<bool>,
}

impl Turns {
    pub(super) async fn enter(&self, upload: TokenHash) -> Result<Turn, Failure> {
        let entered = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.try_enter(*upload.as_bytes()) {
                    Ok(turn) => return turn,
                    Err(earlier) => {
                        earlier.send_replace(true);
                        earlier.closed().await;
                    }
                }
            }
        });
        entered.await.map_err(|_| Failure::UploadBusy)
    }

    fn try_enter(&self, key: [u8; 32]) -> Result<Turn, Arc<watch::Sender<bool>>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key) {
            Entry::Occupied(entry) => Err(Arc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let (sender, asked) = watch::channel(false);
                entry.insert(Arc::new(sender));
                Ok(Turn { map: Arc::clone(&self.0), key, asked })
            }
        }
    }
}

impl Turn {
    /// Waits until a later request asks this one to give way.
    pub(super) async fn asked_to_end(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            core::future::pending::<()>().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the receiver is dropped, which is what the later request waits for.
        self.map.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earlier_gives_way_and_others_are_not_disturbed() {
        let turns = Turns::default();
        let upload = TokenHash::of(&[1; 32]);
        let mut first = turns.enter(upload).await.unwrap();
        let _other = turns.enter(TokenHash::of(&[2; 32])).await.unwrap();
        let (second, ()) = tokio::join!(turns.enter(upload), async {
            first.asked_to_end().await;
            drop(first);
        });
        drop(second.unwrap());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_end_is_waited_for_in_vain() {
        let turns = Turns::default();
        let upload = TokenHash::of(&[1; 32]);
        let _first = turns.enter(upload).await.unwrap();
        assert_eq!(turns.enter(upload).await.unwrap_err(), Failure::UploadBusy);
    }
}
