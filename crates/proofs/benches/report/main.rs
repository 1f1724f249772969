//! What proofs cost on this machine: a report in Markdown.
//!
//! `cargo bench -p proofs --features parallel,prover --bench report -- [threads ...]` measures key generation, loading, proving and
//! verification of every circuit on pools of the given sizes (1 and 2 without any), and beside them, in the same run,
//! what the arithmetic itself costs: a multiplication in the field, a pairing, a Miller loop among many, and arkworks'
//! multi-scalar multiplication over the same points. A figure means little without those: as a multiple of a pairing it
//! carries over to other machines.
//!
//! Every figure is the median of several runs of processor time (all threads of the pool) and of wall time; the two
//! differ by idle threads, and by whatever else the machine is doing.

mod clock;
mod limits;
mod proving;
mod verifying;

use std::error::Error;

use proofs::Circuit;
use rayon::ThreadPool;

/// Whatever goes wrong ends the program with a line.
type Result<T> = core::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a part of the report is written with.
struct Run<'a> {
    pool: &'a ThreadPool,
    threads: usize,
    limits: &'a limits::Limits,
}

fn main() -> Result<()> {
    // Cargo adds `--bench` to what it starts.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [command, circuit, path] = arguments.as_slice()
        && command == "memory"
    {
        // In a process of its own, whose peak is that of one key and one proof.
        let circuit = Circuit::from_name(circuit).ok_or("no such circuit")?;
        return proving::report_memory(circuit, path.as_ref());
    }
    let threads: Vec<usize> = match arguments.as_slice() {
        [] => vec![1, 2],
        given => given.iter().map(|count| count.parse()).collect::<core::result::Result<_, _>>()?,
    };
    if !threads.iter().all(|count| (1..=64).contains(count)) {
        return Err("from 1 to 64 threads".into());
    }

    say(format_args!("# Proofs on this machine\n"));
    let limits = limits::Limits::measure();
    limits.report();
    let keys = proving::keys()?;
    for threads in threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let run = Run { pool: &pool, threads, limits: &limits };
        proving::report(&run, &keys)?;
        verifying::report(&run, &keys)?;
    }
    proving::report_sizes(&keys)?;
    published();
    Ok(())
}

/// Figures of the nearest other system, taken on a machine of the same kind on another day; not measured by this run.
fn published() {
    say(format_args!(
        "\n## Beside another system\n\n\
         A branch proof of the nearest other system (Bulletproofs, one thread), measured elsewhere on a machine of the \
         same kind:\n\n\
         | depth | prove, s | verify, ms | bytes |\n|---|---|---|---|\n\
         | 10 | 1.9 | 212 | 12,400 |\n| 16 | 3.0 | 310 | 19,700 |\n| 20 | 3.7 | 373 | 24,600 |"
    ));
}

#[expect(clippy::print_stdout, reason = "a program for the terminal")]
fn say(line: core::fmt::Arguments<'_>) {
    println!("{line}");
}
