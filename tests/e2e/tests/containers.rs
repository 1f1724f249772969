//! The container form of the system, as far as it can be checked without a container engine.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

fn infrastructure() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infrastructure"))
}

/// A program that `scripts/servers` installed.
fn installed(name: &str, file: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("the test is not in a target folder")?;
    let path = target.join("servers").join(name).join(file);
    ensure!(path.exists(), "{name} is not installed (no {}): run scripts/servers {name}", path.display());
    Ok(path)
}

fn passes(command: &mut Command) -> Result<()> {
    let out = command.output()?;
    let said = [out.stdout, out.stderr].concat();
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&said));
    Ok(())
}

/// Values of a key, wherever in the file.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ")).collect()
}

#[test]
fn the_compose_file_is_one() -> Result<()> {
    let linter = installed("compose-linter", "node_modules/dclint/bin/dclint.cjs")?;
    passes(Command::new("node").arg(linter).arg("--quiet").arg(infrastructure().join("compose.yaml")))
}

#[test]
fn the_images_are_built_as_they_should_be() -> Result<()> {
    let linter = installed("hadolint", "bin/hadolint")?;
    passes(Command::new(linter).arg(infrastructure().join("Dockerfile")))
}

#[test]
fn every_image_is_pinned_and_nothing_listens_to_others() -> Result<()> {
    let compose = fs::read_to_string(infrastructure().join("compose.yaml"))?;
    let dockerfile = fs::read_to_string(infrastructure().join("Dockerfile"))?;
    let stages: Vec<_> =
        dockerfile.lines().filter_map(|line| line.split_once(" AS ")).map(|(_, name)| name).collect();
    let bases = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let images = values(&compose, "image").into_iter().chain(bases.filter(|base| !stages.contains(base)));
    let mut seen = 0;
    for image in images.filter(|image| !image.ends_with(":local")) {
        let version = image.split_once(':').map(|(_, tag)| tag.split('-').next().unwrap_or_default());
        ensure!(version.is_some_and(|version| version.matches('.').count() >= 1), "{image} has no version");
        seen += 1;
    }
    ensure!(seen == 7, "{seen} images were found");

    let mut ports = 0;
    for line in compose
        .lines()
        .skip_while(|line| line.trim() != "ports:")
        .skip(1)
        .take_while(|line| line.trim().starts_with('-'))
    {
        ensure!(line.trim().starts_with("- \"127.0.0.1:"), "{line}");
        ports += 1;
    }
    ensure!(ports == 1 && compose.matches("ports:").count() == 1, "{ports} ports");
    for never in ["privileged", "network_mode: host", "/var/run/docker.sock", "PASSWORD", "SYS_ADMIN"] {
        ensure!(!compose.replace("PASSWORD_FILE", "").contains(never), "{never}");
    }
    ensure!(values(&compose, "read_only").iter().all(|value| *value == "true"));
    Ok(())
}

#[test]
fn templates_hold_no_secret() -> Result<()> {
    for template in fs::read_dir(infrastructure().join("templates"))? {
        let text = fs::read_to_string(template?.path())?;
        for line in text.lines().filter(|line| line.to_lowercase().contains("password")) {
            let filled = line.contains(['@', ':'])
                || line.contains("secret(")
                || line.trim_start().starts_with(['#', '/']);
            ensure!(filled, "{line}");
        }
    }
    Ok(())
}
