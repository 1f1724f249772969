//! Makes the development keys from their public seeds.
//!
//! With a directory as argument it writes the proving-key files there; with `--pin` before it, the verifying keys go
//! to this crate's `keys` folder and the constants to paste into `development.rs` are printed.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::{fs, io, path::Path, process::ExitCode, time::Instant};

use proofs::{Circuit, ProvingKeyHash, setup_development};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let pin = arguments.first().is_some_and(|argument| argument == "--pin");
    if pin {
        arguments.remove(0);
    }
    let [directory] = arguments.as_slice() else {
        println!("usage: development_keys [--pin] <directory>");
        return ExitCode::FAILURE;
    };
    match Circuit::ALL.into_iter().try_for_each(|circuit| write(circuit, Path::new(directory), pin)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cannot write keys: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(circuit: Circuit, directory: &Path, pin: bool) -> io::Result<()> {
    let start = Instant::now();
    let key = setup_development(circuit, |stage| {
        println!("{circuit}: {stage:?} after {} ms", start.elapsed().as_millis())
    })
    .map_err(io::Error::other)?;
    let file = key.to_bytes();
    let name = format!("development-{}", circuit.name());
    fs::create_dir_all(directory)?;
    fs::write(directory.join(format!("{name}.pk")), &file)?;
    println!("{circuit}: {} constraints, proving key of {} bytes", key.constraints(), file.len());
    println!("{circuit}: proving key {}", ProvingKeyHash::of(&file));
    println!("{circuit}: verifying key {}", key.verifying_key().hash());
    if pin {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys");
        fs::write(keys.join(format!("{name}.vk")), key.verifying_key().to_bytes())?;
        println!(
            "verifying_key_hash: VerifyingKeyHash::new({:#04x?}),",
            key.verifying_key().hash().as_bytes()
        );
        println!("proving_key_hash: ProvingKeyHash::new({:#04x?}),", ProvingKeyHash::of(&file).as_bytes());
    }
    Ok(())
}
