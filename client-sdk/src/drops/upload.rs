//! Bringing a drop to the server.

use api::transistor::{
    self as paths, ACCESS_HASH, DropToken, EXPIRES, EXPIRES_IN, INFO, OFFSET_OCTET_STREAM, REPR_DIGEST,
    TUS_RESUMABLE, TUS_VERSION_VALUE, UNLOCK_HASH, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
    UploadMetadata, parse_rfc3339,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use protocol::UnixSeconds;
use reqwest::{Response, header::LOCATION};
use sealed_drop::{DropKeys, DropLink, DropSecret, Info, SealError, SealedInfo, Sealer, Token, sealed_len};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    DropError, MadeDrop, OnBytes, PutOptions, Source, derive, plain_hash, plain_id, plain_info,
    service::{Service, Verb},
};
use crate::http::HttpError;

/// Sealed bytes that are sent and kept in memory at once: what is no longer goes in one request.
const PIECE: usize = 4 * 1024 * 1024;
/// Bytes read at once.
const READ: usize = 64 * 1024;

/// What is known of a drop before its body is sealed.
struct Plan {
    secret: DropSecret,
    keys: DropKeys,
    info: SealedInfo,
    deletion: Token,
    expires_in: Option<u64>,
    sealed_len: u64,
    progress: Option<OnBytes>,
}

impl Plan {
    fn tell(&self, sent: u64) {
        if let Some(progress) = &self.progress {
            progress(sent, self.sealed_len);
        }
    }
}

/// Seals a source and brings it to the server.
pub(super) async fn put(
    service: &Service,
    mut source: Source,
    options: PutOptions,
) -> Result<MadeDrop, DropError> {
    let sealed_len = sealed_len(source.len).ok_or(SealError::TooLong(source.len))?;
    let secret = options.secret.clone().map_or_else(draw_secret, Ok)?;
    let keys = derive(&secret, options.password.as_ref()).await?;
    let info = Info::new(&options.name, &options.media_type, source.len)?;
    let plan = Plan {
        info: info.seal(&keys.info),
        deletion: draw_token()?,
        expires_in: options.expires_in,
        progress: options.progress,
        secret,
        keys,
        sealed_len,
    };
    let mut sealing =
        Sealing { sealer: Some(Sealer::new(&plan.keys.content, source.len)?), sealed: Vec::new() };
    let first = sealing.piece(&mut source).await?;
    plan.tell(0);
    let expires_at = if first.len() as u64 == sealed_len {
        whole(service, &plan, first).await?
    } else {
        let upload = begin(service, &plan).await?;
        let mut sent = 0;
        let mut piece = first;
        let mut expires = None;
        while !piece.is_empty() {
            expires = send(service, &plan, &upload, sent, &piece).await?.or(expires);
            sent += piece.len() as u64;
            piece = sealing.piece(&mut source).await?;
        }
        expires
    };
    let link = DropLink::new(service.url().as_str(), plan.secret, options.password.is_some())?;
    Ok(MadeDrop { link, deletion: plan.deletion, expires_at, info, content: plan.keys.content.clone() })
}

/// A secret of fresh randomness.
fn draw_secret() -> Result<DropSecret, DropError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| DropError::System)?;
    Ok(DropSecret::from_bytes(&bytes))
}

/// A token of fresh randomness.
pub(super) fn draw_token() -> Result<Token, DropError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| DropError::System)?;
    Ok(Token::from_bytes(&bytes))
}

/// A sealer and what it made ahead of the piece to come.
struct Sealing {
    /// Taken when the source is at its end.
    sealer: Option<Sealer>,
    sealed: Vec<u8>,
}

impl Sealing {
    /// The next [`PIECE`] of sealed bytes, less at the end, and then nothing.
    async fn piece(&mut self, source: &mut Source) -> Result<Bytes, DropError> {
        let mut buffer = Zeroizing::new(vec![0; READ]);
        while self.sealed.len() < PIECE {
            let Some(sealer) = &mut self.sealer else { break };
            let len = source.read(&mut buffer).await?;
            if len > 0 {
                sealer.push(buffer.get(..len).unwrap_or_default(), &mut self.sealed)?;
            } else if let Some(sealer) = self.sealer.take() {
                sealer.finish(&mut self.sealed)?;
            }
        }
        let later = self.sealed.split_off(self.sealed.len().min(PIECE));
        Ok(core::mem::replace(&mut self.sealed, later).into())
    }
}

/// Makes a small drop in one request. The server takes the same one twice.
async fn whole(service: &Service, plan: &Plan, body: Bytes) -> Result<Option<UnixSeconds>, DropError> {
    let path = paths::content(&plain_id(&plan.secret.id())?);
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&body)));
    let answer = service
        .patiently(|_| {
            let mut request = service
                .request(Verb::Put, &path)
                .bearer(&plan.deletion)
                .header(ACCESS_HASH, &plan.secret.access().hash().to_text())
                .header(INFO, &plan.info.to_text())
                .header(REPR_DIGEST, &digest);
            if let Some(unlock) = &plan.keys.unlock {
                request = request.header(UNLOCK_HASH, &unlock.hash().to_text());
            }
            if let Some(seconds) = plan.expires_in {
                request = request.header(EXPIRES_IN, &seconds.to_string());
            }
            request.content(body.clone()).send()
        })
        .await?;
    plan.tell(plan.sealed_len);
    Ok(expiry(&answer))
}

fn expiry(answer: &Response) -> Option<UnixSeconds> {
    parse_rfc3339(answer.headers().get(EXPIRES)?.to_str().ok()?).ok()
}

/// Begins a resumable upload and gives the path it goes on at.
async fn begin(service: &Service, plan: &Plan) -> Result<String, DropError> {
    let metadata = UploadMetadata {
        id: Some(plain_id(&plan.secret.id())?),
        access_hash: Some(plain_hash(plan.secret.access().hash())),
        unlock_hash: plan.keys.unlock.as_ref().map(|token| plain_hash(token.hash())),
        info: Some(plain_info(&plan.info)?),
        expires_in: plan.expires_in,
        deletion_token_hash: None,
    };
    let (path, metadata) = (paths::uploads(), metadata.to_header());
    let answer = service
        .patiently(|_| {
            service
                .request(Verb::Post, &path)
                .bearer(&plan.deletion)
                .header(TUS_RESUMABLE, TUS_VERSION_VALUE)
                .header(UPLOAD_LENGTH, &plan.sealed_len.to_string())
                .header(UPLOAD_METADATA, &metadata)
                .empty()
                .send()
        })
        .await?;
    // Only the token at its end is taken: who stands before the server may know it by another address.
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let token = location.and_then(|text| text.rsplit('/').next()?.parse::<DropToken>().ok());
    Ok(paths::upload(&token.ok_or(HttpError::BadAnswer("an upload without a place"))?))
}

/// Sends one piece of an upload, the rest of it again where the connection broke.
async fn send(
    service: &Service,
    plan: &Plan,
    upload: &str,
    start: u64,
    piece: &Bytes,
) -> Result<Option<UnixSeconds>, DropError> {
    let mut at = 0;
    let mut failed = 0;
    loop {
        let patch = service
            .request(Verb::Patch, upload)
            .header(TUS_RESUMABLE, TUS_VERSION_VALUE)
            .header(UPLOAD_OFFSET, &(start + at as u64).to_string())
            .bytes(piece.slice(at..), OFFSET_OCTET_STREAM)
            .send();
        let (there, answer, error) = match patch.await {
            Ok(answer) => (offset(&answer), Some(answer), None),
            // Another offset than we believed is an answer that was lost.
            Err(error) if error.is_retryable() || is_conflict(&error) => (None, None, Some(error)),
            Err(error) => return Err(error),
        };
        let there = match there {
            Some(there) => there,
            None => {
                let error =
                    error.unwrap_or_else(|| HttpError::BadAnswer("an upload without an offset").into());
                service.pause(failed + 1, error).await?;
                let asked = service.patiently(|_| {
                    service.request(Verb::Head, upload).header(TUS_RESUMABLE, TUS_VERSION_VALUE).send()
                });
                offset(&asked.await?).ok_or(HttpError::BadAnswer("an upload without an offset"))?
            }
        };
        let within = there.checked_sub(start).and_then(|at| usize::try_from(at).ok());
        let now = within.filter(|now| (at..=piece.len()).contains(now));
        let now = now.ok_or(HttpError::BadAnswer("an upload with another offset"))?;
        plan.tell(there);
        if now == piece.len() {
            return Ok(answer.as_ref().and_then(expiry));
        }
        // Attempts count anew whenever something got through.
        failed = if now > at { 0 } else { failed + 1 };
        at = now;
    }
}

fn offset(answer: &Response) -> Option<u64> {
    answer.headers().get(UPLOAD_OFFSET)?.to_str().ok()?.parse().ok()
}

const fn is_conflict(error: &DropError) -> bool {
    matches!(error, DropError::Refused { code } if code.status() == 409)
}
