//! snarkjs as a person would run it, and a small circuit.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers; each test binary uses its part"
)]

pub mod powers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup as _, Field as _};
use ceremony::{Relation, to_r1cs};
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// Path of the installed program; the script installs it if it is not there.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let script = above.map(|folder| folder.join("scripts/snarkjs")).find(|path| path.exists());
        let script = script.expect("there is no scripts/snarkjs");
        let out = Command::new(&script).output().expect("scripts/snarkjs cannot be run");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "snarkjs cannot be installed: {told}");
        PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
    })
}

/// A folder in which snarkjs works.
pub struct Desk {
    folder: PathBuf,
    _gone_at_the_end: Option<tempfile::TempDir>,
}

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder: folder.path().to_owned(), _gone_at_the_end: Some(folder) }
    }

    /// The one of this name, for what all tests of a binary share: it would not be dropped. Emptied when it is set up.
    pub fn shared(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, _gone_at_the_end: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs snarkjs; its output, and whether it was content.
    pub fn try_run(&self, arguments: &[&str]) -> (bool, String) {
        let out = Command::new("node")
            .arg(program())
            .args(arguments)
            .current_dir(&self.folder)
            .env("NODE_OPTIONS", "--max-old-space-size=2048")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.success() && !text.contains("[ERROR]"), text)
    }

    /// Runs snarkjs, which has to be content.
    pub fn run(&self, arguments: &[&str]) -> String {
        let (content, text) = self.try_run(arguments);
        assert!(content, "snarkjs {arguments:?}: {text}");
        text
    }

    /// The first phase of a ceremony, one contribution.
    pub fn powers(&self, power: u32, name: &str) {
        self.run(&["powersoftau", "new", "bn128", &power.to_string(), "powers-0"]);
        self.run(&["powersoftau", "contribute", "powers-0", "powers-1", "--name=first", "-e=some text"]);
        self.run(&["powersoftau", "prepare", "phase2", "powers-1", name]);
    }

    /// The second phase: two contributions and a beacon, from an `.r1cs` to `final.zkey`.
    pub fn contributions(&self, powers: &str, relation: &Relation) {
        self.write("circuit.r1cs", to_r1cs(relation));
        self.run(&["zkey", "new", "circuit.r1cs", powers, "key-0.zkey"]);
        self.run(&["zkey", "contribute", "key-0.zkey", "key-1.zkey", "--name=Ada", "-e=one"]);
        self.run(&["zkey", "contribute", "key-1.zkey", "key-2.zkey", "--name=Grace", "-e=two"]);
        let beacon = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        self.run(&["zkey", "beacon", "key-2.zkey", "final.zkey", beacon, "10", "-n=Beacon"]);
    }
}

/// A circuit of so many rows, each x' = x·(x + 3·y) with y the public input, and its last x public as well.
///
/// Some variables are on the A side alone, one on no side, one row has an empty A; all coefficients are small, large or
/// minus one somewhere.
pub fn chain(rows: usize) -> Relation {
    let minus = -Fr::ONE;
    let large = Fr::from(7).inverse().unwrap();
    // 0: one, 1: y, 2: the last x, 3..: x from the first on, then one nobody uses.
    let x = |number: usize| if number == rows { 2 } else { 3 + u32::try_from(number).unwrap() };
    let mut all: Vec<_> = (0..rows)
        .map(|row| {
            let a = vec![(x(row), Fr::ONE)];
            let b = vec![(1, Fr::from(3) * large), (x(row), large)];
            let c = vec![(x(row + 1), large)];
            [a, b, c]
        })
        .map(|mut row| {
            row.iter_mut().for_each(|part| part.sort_by_key(|(variable, _)| *variable));
            row
        })
        .collect();
    all.push([vec![], vec![(1, minus)], vec![]]);
    Relation::new(2, 4 + rows, all).unwrap()
}

/// An assignment of [`chain`].
pub fn chain_assignment(rows: usize, y: u64, first: u64) -> Vec<Fr> {
    let y = Fr::from(y);
    let mut xs = vec![Fr::from(first)];
    for row in 0..rows {
        xs.push(xs[row] * (xs[row] + Fr::from(3) * y));
    }
    let mut all = vec![Fr::ONE, y, xs[rows]];
    all.extend(&xs[..rows]);
    all.push(Fr::ZERO);
    all
}
