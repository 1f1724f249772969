//! Opening a home: where it is, and the key of its store.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use argon2::Argon2;
use kith_client_sdk::{Client, ManifestHash, Options, PinnedKeys, StoreKey};
use zeroize::Zeroizing;

use crate::{args::Cli, progress};

const KEY_FILE: &str = "store.key";
const SALT_FILE: &str = "store.salt";

/// The folder of the home.
pub(crate) fn folder(cli: &Cli) -> Result<PathBuf> {
    if let Some(home) = &cli.home {
        return Ok(home.clone());
    }
    let base = std::env::home_dir().context("there is no home folder; say where with --home")?;
    Ok(base.join(".kith"))
}

/// The folder for proving keys.
fn cache(cli: &Cli) -> PathBuf {
    if let Some(cache) = &cli.cache {
        return cache.clone();
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("kith")
}

/// The proof keys chosen, if any were.
fn proof_keys(cli: &Cli) -> Result<Option<PinnedKeys>> {
    let pin = cli.keys_pin.as_deref().map(str::parse::<ManifestHash>).transpose()?;
    Ok(cli.keys.as_deref().map(|folder| PinnedKeys::open(folder, pin)).transpose()?)
}

/// Opens the home of a command.
pub(crate) async fn open(cli: &Cli) -> Result<Client> {
    let home = folder(cli)?;
    let key = store_key(&home)?;
    let mut options = Options::new(home, key, cache(cli));
    options.keys = proof_keys(cli)?;
    options.allow_plain_http = cli.allow_plain_http;
    options.progress = Some(Arc::new(progress::Bar::default().into_callback()));
    Ok(Client::open(options).await?)
}

/// A home for the demonstration, with the keys for development.
pub(crate) async fn open_at(home: &Path, cli: &Cli) -> Result<Client> {
    fs::create_dir_all(home)?;
    let mut options = Options::new(home, store_key(home)?, cache(cli));
    options.allow_plain_http = cli.allow_plain_http;
    options.progress = Some(Arc::new(progress::Bar::default().into_callback()));
    Ok(Client::open(options).await?)
}

/// The key of a home's store: derived from `KITH_PASSPHRASE` where the home has one, otherwise a random one in a file
/// that only its owner may read.
fn store_key(home: &Path) -> Result<StoreKey> {
    make_private_folder(home)?;
    let passphrase = std::env::var("KITH_PASSPHRASE").ok().map(Zeroizing::new).filter(|p| !p.is_empty());
    let (key_file, salt_file) = (home.join(KEY_FILE), home.join(SALT_FILE));
    match passphrase {
        Some(_) if key_file.exists() => {
            bail!("this home has no passphrase; unset KITH_PASSPHRASE [passphrase_not_used]")
        }
        Some(passphrase) => {
            let salt: [u8; 16] = read_or_make(&salt_file)?;
            let mut key = Zeroizing::new([0; 32]);
            Argon2::default()
                .hash_password_into(passphrase.as_bytes(), &salt, key.as_mut_slice())
                .map_err(|_| anyhow::anyhow!("the passphrase is not usable [bad_passphrase]"))?;
            Ok(StoreKey::from_bytes(&key))
        }
        None if salt_file.exists() => {
            bail!("this home is locked by a passphrase; set KITH_PASSPHRASE [passphrase_needed]")
        }
        None => {
            let key = Zeroizing::new(read_or_make::<32>(&key_file)?);
            Ok(StoreKey::from_bytes(&key))
        }
    }
}

pub(crate) fn make_private_folder(home: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(home)
        .with_context(|| format!("the folder {} cannot be made", home.display()))
}

/// Reads random bytes from a file, making it if it is not there. Of two processes that make it at once one wins.
fn read_or_make<const N: usize>(path: &Path) -> Result<[u8; N]> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if !path.exists() {
        let mut bytes = Zeroizing::new([0; N]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes.as_slice())?;
        file.sync_all()?;
        // A link fails where the name is taken, so whoever was first stays.
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        if let Err(error) = linked
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error).with_context(|| format!("{} cannot be written", path.display()));
        }
    }
    let bytes = Zeroizing::new(fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?);
    bytes.as_slice().try_into().ok().with_context(|| format!("{} is damaged", path.display()))
}
