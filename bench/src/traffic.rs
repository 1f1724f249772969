//! Senders and readers.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api::{
    challenge::{Claims, Purpose, Statement},
    events::Event,
    token::{Token, TokenRequest},
};
use kith_client_sdk::http::NodeClient;
use protocol::{Epoch, Frame, FrameHash, GroupId, Seq};
use rand_core::UnwrapErr;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant as Clock, sleep_until},
};

use crate::Club;

/// One message that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The hash it is known by.
    pub th: FrameHash,
    /// When it was sent, or should have been if it had to wait for its turn.
    pub sent: Instant,
    /// How long its acknowledgement took from then on.
    pub waited: Duration,
}

/// When a reader had each frame.
pub type Seen = HashMap<FrameHash, Instant>;

/// Posts messages from `senders` tasks, each as soon as its last one is acknowledged; with `every`, all together one
/// each `every`, whether or not the earlier ones have been.
///
/// # Errors
/// The first message that is not acknowledged.
pub async fn post_all(
    client: &NodeClient,
    messages: Vec<(GroupId, Vec<u8>)>,
    senders: usize,
    every: Option<Duration>,
) -> Result<Vec<Answered>> {
    let (queue, rest) = mpsc::channel(senders);
    let rest = std::sync::Arc::new(tokio::sync::Mutex::new(rest));
    let mut tasks = JoinSet::new();
    for _ in 0..senders {
        let (client, rest) = (client.clone(), std::sync::Arc::clone(&rest));
        tasks.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let next = rest.lock().await.recv().await;
                let Some((due, group, message)) = next else { return Ok::<_, anyhow::Error>(answered) };
                let (due, message): (Option<Instant>, Vec<u8>) = (due, message);
                let th = Frame::decode(&message).ok().context("a frame")?.hash();
                let sent = due.unwrap_or_else(Instant::now);
                client.post_frame(&group, message).await?;
                answered.push(Answered { th, sent, waited: sent.elapsed() });
            }
        });
    }
    let started = Instant::now();
    for (n, (group, message)) in (0_u32..).zip(messages) {
        let due = every.map(|every| started + every * n);
        if let Some(due) = due {
            sleep_until(Clock::from_std(due)).await;
        }
        if queue.send((due, group, message)).await.is_err() {
            break;
        }
    }
    drop(queue);
    let mut all = Vec::new();
    while let Some(answered) = tasks.join_next().await {
        all.extend(answered??);
    }
    Ok(all)
}

/// Reading rights of the group's only member.
///
/// # Errors
/// The node does not give them.
pub async fn token(client: &NodeClient, club: &Club) -> Result<Token> {
    let epoch = Epoch::ZERO;
    let challenge = client.challenge(&club.id, epoch, Purpose::Root).await?;
    let statement =
        Statement { origin: client.origin(), group: &club.id, epoch, claims: Claims::Root, challenge };
    let signature = statement.sign_root(&club.sign, &mut UnwrapErr(getrandom::SysRng));
    let request = TokenRequest { challenge, epoch, claims: Claims::Root, signature };
    Ok(client.token(&club.id, &request).await?.token)
}

/// Reads `frames` messages of a group from the event stream, each in its place, and says when each came.
///
/// # Errors
/// A gap, or a stream that cannot be opened.
pub async fn follow(client: NodeClient, group: GroupId, token: Token, frames: usize) -> Result<Seen> {
    let mut seen = Seen::with_capacity(frames);
    let mut last = Seq::ZERO;
    while seen.len() < frames {
        let mut events = client.events(&group, last, &token).await?;
        while let Some(event) = events.next().await? {
            if let Event::Frame { id, frame } = event {
                ensure!(id.seq == last.next().context("the end of numbers")?, "a gap after {last}");
                last = id.seq;
                let now = Instant::now();
                seen.insert(frame.decode().ok().context("a served frame")?.hash(), now);
            }
            if seen.len() == frames {
                break;
            }
        }
    }
    Ok(seen)
}
