//! Keys and proofs: generation, loading, proving, memory.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use chacha20::ChaCha20Rng;
use curve::{Point, TreeSecret};
use proofs::{
    AdminSecret, AdminStatement, AdminTree, Circuit, Claim, Control, Proof, ProveError, ProveStage,
    ProvingKey, ProvingKeyHash, Statement, Tier, prove, prove_admin, setup_development,
};
use protocol::FrameDigest;
use rand_core::{Rng as _, SeedableRng};

use crate::{
    Result, Run,
    clock::{Time, median, processor_ms},
    limits, say,
};

/// A proving key and its file.
pub(crate) struct Key {
    pub(crate) key: ProvingKey,
    file: Vec<u8>,
}

/// Something to prove, with what is needed for it.
pub(crate) enum Case {
    Branch(Statement, TreeSecret),
    Admin(AdminStatement, AdminSecret, AdminTree),
}

impl Case {
    /// A case of the circuit's full depth with random siblings.
    pub(crate) fn random(circuit: Circuit) -> Result<Self> {
        let rng = &mut rng();
        let mut digest = [0; 32];
        rng.fill_bytes(&mut digest);
        let digest = FrameDigest::new(digest);
        match circuit {
            Circuit::Branch(tier) => {
                let secret = TreeSecret::generate(rng);
                let siblings: Vec<Point> =
                    (0..tier.dh_levels()).map(|_| TreeSecret::generate(rng).public()).collect();
                let mut current = secret.clone();
                let mut keys = vec![current.public()];
                for sibling in siblings.iter().chain([&Point::sign_base()]) {
                    current = current.dh(sibling).derive();
                    keys.push(current.public());
                }
                Ok(Self::Branch(Statement::new(digest, keys, siblings)?, secret))
            }
            Circuit::Admin => {
                let secret = AdminSecret::generate(rng);
                let tree = AdminTree::new(&[secret.commitment()])?;
                Ok(Self::Admin(AdminStatement::new(digest, tree.root())?, secret, tree))
            }
            _ => Err("a circuit this program does not know".into()),
        }
    }

    pub(crate) fn claim(&self) -> Claim {
        match self {
            Self::Branch(statement, _) => statement.clone().into(),
            Self::Admin(statement, ..) => (*statement).into(),
        }
    }

    pub(crate) fn prove(
        &self,
        key: &ProvingKey,
        control: &Control<'_>,
    ) -> core::result::Result<Proof, ProveError> {
        let rng = &mut rng();
        match self {
            Self::Branch(statement, secret) => prove(key, statement, secret, control, rng),
            Self::Admin(statement, secret, tree) => {
                let path = tree.path(0).ok_or(ProveError::Unprovable)?;
                prove_admin(key, statement, secret, &path, control, rng)
            }
        }
    }
}

/// Randomness that is another one each time: no figure may depend on which.
pub(crate) fn rng() -> ChaCha20Rng {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    ChaCha20Rng::seed_from_u64(CALLS.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn keys() -> Result<Vec<Key>> {
    let make = |circuit| {
        let key = setup_development(circuit, |_| {})?;
        let file = key.to_bytes();
        Ok(Key { key, file })
    };
    Circuit::ALL.into_iter().map(make).collect()
}

pub(crate) fn report(run: &Run<'_>, keys: &[Key]) -> Result<()> {
    say(format_args!("\n## Proving, {} thread(s), full depth, own check included\n", run.threads));
    say(format_args!(
        "| circuit | key generation, wall ms | load, wall ms | prove, wall ms | prove, processor ms | in pairings |\n\
         |---|---|---|---|---|---|"
    ));
    for Key { key, file } in keys {
        let circuit = key.circuit();
        let generated = run.pool.install(|| {
            let start = Instant::now();
            setup_development(circuit, |_| {}).map(|_| start.elapsed().as_secs_f64() * 1e3)
        })?;
        let loaded = run.pool.install(|| {
            median(5, || {
                // As a client does: the hash of the file first.
                let hash = ProvingKeyHash::of(file);
                (hash, ProvingKey::from_bytes_trusted(file))
            })
        });
        let proving = prove_time(run, key)?;
        say(format_args!(
            "| {circuit} | {generated:.0} | {:.1} | {:.0} | {:.0} | {:.0} |",
            loaded.wall,
            proving.wall,
            proving.processor,
            proving.processor / run.limits.pairing
        ));
    }
    let deep = keys.iter().find(|key| key.key.circuit() == Circuit::Branch(Tier::T16));
    deep.map_or(Ok(()), |key| stages(run, &key.key))
}

fn prove_time(run: &Run<'_>, key: &ProvingKey) -> Result<Time> {
    let cases: Vec<_> = (0..8).map(|_| Case::random(key.circuit())).collect::<Result<_>>()?;
    let mut next = cases.iter().cycle();
    let mut failed = None;
    let time = run.pool.install(|| {
        median(7, || {
            if let Some(case) = next.next() {
                let outcome = case.prove(key, &Control::default()).err();
                failed = failed.or(outcome);
            }
        })
    });
    failed.map_or(Ok(time), |error| Err(error.into()))
}

/// Where a proof's time goes, and how far its largest sum is from its limits.
fn stages(run: &Run<'_>, key: &ProvingKey) -> Result<()> {
    const PROOFS: u32 = 10;
    let case = Case::random(key.circuit())?;
    let marks: Mutex<Vec<(ProveStage, f64, Instant)>> = Mutex::default();
    let mark = |stage| {
        if let Ok(mut marks) = marks.lock() {
            marks.push((stage, processor_ms(), Instant::now()));
        }
    };
    for _ in 0..PROOFS {
        run.pool.install(|| case.prove(key, &Control::new(&mark, &|| false)))?;
    }
    let marks = marks.into_inner().map_err(|_| "a stage was not recorded")?;
    say(format_args!("\nStages of a proof of {}, mean of {PROOFS}:\n", key.circuit()));
    say(format_args!("| stage | wall ms | processor ms |\n|---|---|---|"));
    let mut quotient = Time::default();
    let mut stages: Vec<ProveStage> = marks.iter().map(|mark| mark.0).collect();
    stages.sort_unstable();
    stages.dedup();
    for stage in stages.into_iter().filter(|stage| *stage != ProveStage::Finished) {
        let mut sum = Time::default();
        for pair in marks.windows(2) {
            if let [(entered, processor, wall), (_, processor_after, wall_after)] = pair
                && *entered == stage
            {
                sum.processor += processor_after - processor;
                sum.wall += wall_after.duration_since(*wall).as_secs_f64() * 1e3;
            }
        }
        let mean = sum.each(PROOFS);
        if stage == ProveStage::Quotient {
            quotient = mean;
        }
        say(format_args!("| {stage:?} | {:.1} | {:.1} |", mean.wall, mean.processor));
    }
    let points = key.to_parts().h;
    let peer = run.pool.install(|| limits::peer_msm(&points));
    let floor = run.limits.bucket_floor(points.len());
    say(format_args!(
        "\nThe quotient's sum over {} points: {:.1} ms of processor time; arkworks' over the same points {:.1} ms \
         ({:.2} of it); six field multiplications for each addition of the best window would be {floor:.1} ms \
         ({:.2} times that).",
        points.len(),
        quotient.processor,
        peer.processor,
        quotient.processor / peer.processor,
        quotient.processor / floor
    ));
    Ok(())
}

pub(crate) fn report_sizes(keys: &[Key]) -> Result<()> {
    say(format_args!("\n## Sizes and memory\n"));
    say(format_args!(
        "| circuit | constraints | proving key, bytes | verifying key, bytes | proof, bytes | peak memory, MB | of which before the first proof, MB |\n\
         |---|---|---|---|---|---|---|"
    ));
    for Key { key, file } in keys {
        let path = std::env::temp_dir().join(format!("proof-report-{}.pk", std::process::id()));
        fs::write(&path, file)?;
        let output =
            Command::new(std::env::current_exe()?).args(["memory", key.circuit().name()]).arg(&path).output();
        fs::remove_file(&path)?;
        let printed = String::from_utf8(output?.stdout)?;
        let mut figures = printed.split_whitespace();
        let (Some(loaded), Some(peak)) = (figures.next(), figures.next()) else {
            return Err("measuring memory failed".into());
        };
        say(format_args!(
            "| {} | {} | {} | {} | 128 | {peak} | {loaded} |",
            key.circuit(),
            key.constraints(),
            file.len(),
            key.verifying_key().to_bytes().len()
        ));
    }
    Ok(())
}

/// Prints this process's peak memory with a key loaded from a file, and after two proofs, in megabytes.
pub(crate) fn report_memory(circuit: Circuit, path: &Path) -> Result<()> {
    let file = fs::read(path)?;
    let key = ProvingKey::from_bytes_trusted(&file)?;
    drop(file);
    let loaded = peak()?;
    let case = Case::random(circuit)?;
    for _ in 0..2 {
        case.prove(&key, &Control::default())?;
    }
    say(format_args!("{loaded:.0} {:.0}", peak()?));
    Ok(())
}

/// The most memory this process has had in use, in megabytes (2^20 bytes).
fn peak() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}
