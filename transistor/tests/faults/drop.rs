//! A drop as its creator knows it, and readers of it.

use std::{io, ops::Range};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::http::Request;

/// 32 random bytes as they are sent.
pub(crate) fn token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(URL_SAFE_NO_PAD.decode(token).unwrap()))
}

/// A drop, made or about to be.
#[derive(Debug, Clone)]
pub(crate) struct Drop {
    pub(crate) id: String,
    pub(crate) access: String,
    deletion: String,
    /// What it holds: random, so that any 16 bytes in a row are found nowhere else.
    pub(crate) body: Vec<u8>,
}

impl Drop {
    pub(crate) fn random(bytes: usize) -> Self {
        let mut id = [0; 16];
        getrandom::fill(&mut id).unwrap();
        let id = drop_state::DropId::from_random(id).to_string();
        let mut body = vec![0; bytes];
        getrandom::fill(&mut body).unwrap();
        Self { id, access: token(), deletion: token(), body }
    }

    fn path(&self, rest: &str) -> String {
        format!("/transfers/{}{rest}", self.id)
    }

    /// The request that makes it in one go.
    pub(crate) fn making(&self) -> Request {
        Request::new("PUT", self.path("/content"))
            .head("content-type", "application/octet-stream")
            .head("authorization", format!("Bearer {}", self.deletion))
            .head("transistor-access-hash", hash(&self.access))
            .body(&self.body)
    }

    /// Makes it.
    pub(crate) async fn make(&self, port: u16) {
        let answer = self.making().send(port).await.unwrap();
        assert!(answer.is_success(), "{answer:?}");
    }

    /// Begins a resumable upload: the path of it, behind [`crate::http::PUBLIC`].
    pub(crate) async fn begin_upload(&self, port: u16) -> String {
        let mut metadata = Vec::new();
        let deletion = hash(&self.deletion);
        let access = hash(&self.access);
        for (name, value) in [("id", &self.id), ("access_hash", &access), ("deletion_token_hash", &deletion)]
        {
            metadata.push(format!("{name} {}", base64::engine::general_purpose::STANDARD.encode(value)));
        }
        let answer = Request::new("POST", "/uploads")
            .head("tus-resumable", "1.0.0")
            .head("upload-length", self.body.len().to_string())
            .head("upload-metadata", metadata.join(","))
            .send(port)
            .await
            .unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        let location = answer.head_of("location").unwrap();
        let (_, upload) = location.split_once(crate::http::PUBLIC).unwrap();
        upload.to_owned()
    }

    /// The request that sends a part of it.
    pub(crate) fn patching(&self, upload: &str, bytes: Range<usize>) -> Request {
        Request::new("PATCH", upload)
            .head("tus-resumable", "1.0.0")
            .head("content-type", "application/offset+octet-stream")
            .head("upload-offset", bytes.start.to_string())
            .body(&self.body[bytes])
    }

    /// How much of an upload is there.
    pub(crate) async fn offset(port: u16, upload: &str) -> usize {
        let answer = Request::new("HEAD", upload).head("tus-resumable", "1.0.0").send(port).await.unwrap();
        assert!(answer.is_success(), "{answer:?}");
        answer.head_of("upload-offset").unwrap().parse().unwrap()
    }

    /// The request that deletes it.
    pub(crate) fn deleting(&self) -> Request {
        Request::new("DELETE", self.path("")).head("authorization", format!("Bearer {}", self.deletion))
    }

    /// Somebody who has the link.
    pub(crate) fn reader(&self) -> Reader {
        Reader { path: self.path(""), access: self.access.clone(), claim: token() }
    }
}

/// Somebody who has a drop's link, with a claim token of its own.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    path: String,
    access: String,
    claim: String,
}

impl Reader {
    fn request(&self, method: &'static str, rest: &str) -> Request {
        Request::new(method, format!("{}{rest}", self.path)).head("transistor-access", &self.access)
    }

    pub(crate) fn claiming(&self) -> Request {
        self.request("PUT", "/claim").head("transistor-claim", &self.claim)
    }

    pub(crate) fn reading(&self, range: Option<Range<usize>>) -> Request {
        let request = self.request("GET", "/content").head("transistor-claim", &self.claim);
        match range {
            Some(range) => request.head("range", format!("bytes={}-{}", range.start, range.end - 1)),
            None => request,
        }
    }

    pub(crate) fn confirming(&self) -> Request {
        self.request("POST", "/claim/confirm").head("transistor-claim", &self.claim)
    }

    /// Claim, reading and confirmation in one.
    pub(crate) fn taking(&self) -> Request {
        self.request("GET", "/content").head("accept", "application/octet-stream")
    }

    /// Claims, and says whether it has the drop.
    pub(crate) async fn claims(&self, port: u16) -> bool {
        self.claiming().send(port).await.unwrap().is_there()
    }

    /// Reads a part of it under its claim, all of it without a range; `None` if there is nothing for this reader.
    pub(crate) async fn read(&self, port: u16, range: Option<Range<usize>>) -> io::Result<Option<Vec<u8>>> {
        let answer = self.reading(range).send(port).await?;
        Ok(answer.is_there().then_some(answer.body))
    }
}
