//! Contents, sealed and opened in pieces, and everything that may be done to them on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use proptest::prelude::*;
use sealed_drop::{
    CHUNK_LEN, ContentCipher, ContentKey, DropSecret, HEAD, HEAD_LEN, OpenError, Opened, Opener,
    SEALED_CHUNK_LEN, SealError, Sealer, sealed_len,
};

fn key(byte: u8) -> ContentKey {
    DropSecret::from_bytes(&[byte; 32]).keys(None).content
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

fn seal(content: &[u8], piece: usize) -> Vec<u8> {
    let mut sealer = Sealer::new(&key(1), content.len() as u64).unwrap();
    let mut out = Vec::new();
    for piece in content.chunks(piece) {
        sealer.push(piece, &mut out).unwrap();
    }
    sealer.finish(&mut out).unwrap();
    out
}

fn open_with(mut opener: Opener, sealed: &[u8], piece: usize) -> Result<(Vec<u8>, Opened), OpenError> {
    let mut out = Vec::new();
    for piece in sealed.chunks(piece) {
        opener.push(piece, &mut out)?;
    }
    let opened = opener.finish(&mut out)?;
    Ok((out, opened))
}

fn open(sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_with(Opener::new(&key(1)), sealed, 10_000).map(|(content, _)| content)
}

fn open_expecting(sealed: &[u8], len: usize) -> Result<Vec<u8>, OpenError> {
    open_with(Opener::expecting(&key(1), len as u64), sealed, 10_000).map(|(content, _)| content)
}

/// Three whole chunks and the beginning of a fourth.
const LONG: usize = 3 * CHUNK_LEN;

/// The sealed bytes of a long content, chunk by chunk without the head.
fn chunks() -> Vec<Vec<u8>> {
    let sealed = seal(&content(LONG), 50_000);
    sealed[HEAD_LEN..].chunks(SEALED_CHUNK_LEN).map(<[u8]>::to_vec).collect()
}

fn joined(chunks: &[&[u8]]) -> Vec<u8> {
    [&HEAD[..], &chunks.concat()].concat()
}

#[test]
fn lengths_around_every_border_come_back() {
    let lens = [
        0,
        1,
        215,
        216,
        217,
        CHUNK_LEN - 41,
        CHUNK_LEN - 40,
        CHUNK_LEN - 39,
        CHUNK_LEN,
        2 * CHUNK_LEN - 40,
        LONG,
    ];
    for len in lens {
        let content = content(len);
        let sealed = seal(&content, 7000);
        assert_eq!(Some(sealed.len() as u64), sealed_len(len as u64), "{len}");
        let (opened, whole) = open_with(Opener::expecting(&key(1), len as u64), &sealed, 6000).unwrap();
        assert!(opened == content, "{len}");
        assert_eq!(whole.len, len as u64);
    }
}

#[test]
fn pieces_do_not_matter() {
    let content = content(CHUNK_LEN + 5000);
    let sealed = seal(&content, content.len());
    for piece in [1, 4096, CHUNK_LEN, SEALED_CHUNK_LEN, sealed.len()] {
        assert!(seal(&content, piece) == sealed, "{piece}");
        assert!(open_with(Opener::new(&key(1)), &sealed, piece).unwrap().0 == content, "{piece}");
    }
}

#[test]
fn memory_is_one_chunk() {
    // A piece in gives at most what stood waiting and the piece out.
    let mut sealer = Sealer::new(&key(1), 1 << 40).unwrap();
    let mut out = Vec::new();
    for _ in 0..64 {
        out.clear();
        sealer.push(&[7; 10_000], &mut out).unwrap();
        assert!(out.len() <= HEAD_LEN + SEALED_CHUNK_LEN);
    }
}

#[test]
fn the_announced_length_is_kept() {
    let mut sealer = Sealer::new(&key(1), 5).unwrap();
    let mut out = Vec::new();
    assert_eq!(sealer.push(b"123456", &mut out), Err(SealError::More { announced: 5 }));
    sealer.push(b"1234", &mut out).unwrap();
    assert_eq!(sealer.finish(&mut out), Err(SealError::Less { missing: 1 }));
    assert!(matches!(Sealer::new(&key(1), u64::MAX), Err(SealError::TooLong(u64::MAX))));
}

#[test]
fn a_cut_is_a_cut_wherever_it_is() {
    let sealed = seal(&content(LONG), 50_000);
    let borders = (0..4).map(|chunk| HEAD_LEN + chunk * SEALED_CHUNK_LEN);
    let within = [0, 1, 7, 9, 1000, sealed.len() - 1];
    for len in borders.chain(within) {
        assert_eq!(open_expecting(&sealed[..len], LONG), Err(OpenError::Truncated), "{len}");
        // Without the length from the info, only a cut within the first chunk looks like another key.
        let expected = if (HEAD_LEN + 1..HEAD_LEN + SEALED_CHUNK_LEN).contains(&len) {
            OpenError::WrongKey
        } else {
            OpenError::Truncated
        };
        assert_eq!(open(&sealed[..len]), Err(expected), "{len}");
    }
}

#[test]
fn what_follows_the_end_is_noticed() {
    for len in [10, CHUNK_LEN - 40, LONG] {
        let mut sealed = seal(&content(len), 50_000);
        sealed.push(0);
        assert_eq!(open_expecting(&sealed, len), Err(OpenError::Trailing), "{len}");
        // A short last chunk becomes longer by it and looks like another one, unless its length is known.
        let known = len != 10;
        assert_eq!(
            open(&sealed),
            Err(if known { OpenError::Trailing } else { OpenError::WrongKey }),
            "{len}"
        );
    }
}

#[test]
fn exchanged_doubled_and_dropped_chunks() {
    let chunks = chunks();
    let [a, b, c, d] = [&chunks[0][..], &chunks[1], &chunks[2], &chunks[3]];
    let cases = [
        (joined(&[b, a, c, d]), OpenError::OutOfOrder { chunk: 0, found: 1 }),
        (joined(&[a, c, b, d]), OpenError::OutOfOrder { chunk: 1, found: 2 }),
        (joined(&[a, a, c, d]), OpenError::OutOfOrder { chunk: 1, found: 0 }),
        (joined(&[a, c, c, d]), OpenError::OutOfOrder { chunk: 1, found: 2 }),
    ];
    for (sealed, error) in cases {
        assert_eq!(open_expecting(&sealed, LONG), Err(error));
        assert_eq!(open(&sealed), Err(error));
    }
    // One chunk less is an exchange as well as a cut; the exchange is seen first.
    assert_eq!(open(&joined(&[a, c, d])), Err(OpenError::OutOfOrder { chunk: 1, found: 2 }));
}

#[test]
fn chunks_of_another_drop() {
    let mut other = Sealer::new(&key(2), LONG as u64).unwrap();
    let mut sealed = Vec::new();
    other.push(&content(LONG), &mut sealed).unwrap();
    other.finish(&mut sealed).unwrap();
    assert_eq!(open_expecting(&sealed, LONG), Err(OpenError::WrongKey));
    let ours = chunks();
    let theirs: Vec<&[u8]> = sealed[HEAD_LEN..].chunks(SEALED_CHUNK_LEN).collect();
    let mixed = joined(&[&ours[0], theirs[1], &ours[2], &ours[3]]);
    assert_eq!(open_expecting(&mixed, LONG), Err(OpenError::Damaged { chunk: 1 }));
}

#[test]
fn heads() {
    let sealed = seal(b"hello", 5);
    for (at, error) in [
        (0, OpenError::NotADrop),
        (4, OpenError::NotADrop),
        (5, OpenError::OtherVersion),
        (6, OpenError::OtherVersion),
        (7, OpenError::OtherVersion),
    ] {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert_eq!(open(&bad), Err(error), "{at}");
        assert_eq!(open_with(Opener::new(&key(1)), &bad, 1).unwrap_err(), error, "{at}");
    }
    assert_eq!(open(b"<html>"), Err(OpenError::NotADrop));
}

#[test]
fn an_error_stays() {
    let mut opener = Opener::new(&key(1));
    let mut out = Vec::new();
    assert_eq!(opener.push(b"x", &mut out), Err(OpenError::NotADrop));
    assert_eq!(opener.push(&seal(b"hello", 5), &mut out), Err(OpenError::NotADrop));
    assert_eq!(opener.finish(&mut out), Err(OpenError::NotADrop));
    assert!(out.is_empty());
}

/// Seals a plaintext as it is, in one chunk: what a sender with a program of its own could do.
fn crafted(plaintext: &[u8]) -> Vec<u8> {
    let mut chunk = plaintext.to_vec();
    assert!(ContentCipher::new(&key(1)).seal_chunk(0, true, &mut chunk));
    joined(&[&chunk])
}

#[test]
fn senders_that_do_it_wrong() {
    use sha2::{Digest, Sha256};
    let plain = |len: u64, digest: &[u8], padded: usize| {
        let mut plain = [&len.to_be_bytes()[..], b"hello", digest].concat();
        plain.resize(padded, 0);
        plain
    };
    let digest = Sha256::digest(b"hello");
    assert_eq!(open(&crafted(&plain(5, &digest, 256))).unwrap(), b"hello");
    assert_eq!(open(&crafted(&plain(5, &[0; 32], 256))), Err(OpenError::Digest));
    assert_eq!(open(&crafted(&plain(5, &digest, 255))), Err(OpenError::Length));
    assert_eq!(open(&crafted(&plain(5, &digest, 257))), Err(OpenError::Length));
    assert_eq!(open(&crafted(&plain(u64::MAX, &digest, 256))), Err(OpenError::Length));
    assert_eq!(open(&crafted(&plain(500, &digest, 256))), Err(OpenError::Length));
    assert_eq!(open_expecting(&crafted(&plain(5, &digest, 256)), 6), Err(OpenError::Length));
    assert_eq!(open(&crafted(b"x")), Err(OpenError::Length));
    let mut dirty = plain(5, &digest, 256);
    dirty[255] = 1;
    assert_eq!(open(&crafted(&dirty)), Err(OpenError::Padding));
    assert_eq!(open_expecting(&crafted(&plain(5, &digest, 256)), usize::MAX), Err(OpenError::Length));
}

#[test]
fn chunks_open_where_they_stand() {
    let content = content(LONG);
    let sealed = seal(&content, 50_000);
    let cipher = ContentCipher::new(&key(1));
    let from = usize::try_from(ContentCipher::offset(2)).unwrap();
    let mut chunk = sealed[from..from + SEALED_CHUNK_LEN].to_vec();
    assert!(cipher.open_chunk(2, false, &mut chunk));
    assert!(chunk == content[2 * CHUNK_LEN - 8..3 * CHUNK_LEN - 8]);
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let content = content(LONG);
    let sealed = seal(&content, 50_000);
    let mut opener = Opener::expecting(&key(1), LONG as u64);
    let mut out = Vec::new();
    let mut connection = 0;
    while opener.offset() < sealed.len() as u64 {
        connection += 1;
        let from = usize::try_from(opener.offset()).unwrap();
        let until = (from + 40_001).min(sealed.len());
        opener.push(&sealed[from..until], &mut out).unwrap();
    }
    assert!(connection > 4);
    opener.finish(&mut out).unwrap();
    assert!(out == content);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn round_trip(len in 0usize..150_000, piece in 1usize..70_000, read in 1usize..70_000) {
        let content = content(len);
        let sealed = seal(&content, piece);
        prop_assert_eq!(Some(sealed.len() as u64), sealed_len(len as u64));
        let (opened, _) = open_with(Opener::new(&key(1)), &sealed, read).unwrap();
        prop_assert!(opened == content);
    }

    #[test]
    fn one_changed_bit_is_noticed(len in 0usize..100_000, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut sealed = seal(&content(len), 50_000);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(open(&sealed).is_err());
    }

    #[test]
    fn arbitrary_bytes_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..600), headed in any::<bool>()) {
        let sealed = if headed { joined(&[&bytes]) } else { bytes };
        prop_assert!(open(&sealed).is_err());
    }
}
