//! Key files: reading, telling apart, writing whole.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use ceremony::Source;
use pinned_keys::{Entry, MANIFEST, Manifest, ManifestHash, ProvingEntry, write_whole};
use proofs::{Circuit, ProvingKey, ProvingKeyHash, VerifyingKey};

/// Longest key file that is read; the largest proving key has a fraction of it.
const MOST: u64 = 1 << 28;

/// A file of a ceremony: read where it is needed, never as a whole.
pub(super) struct FileSource(File);

impl FileSource {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?))
    }
}

impl Source for FileSource {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// A key of either kind.
pub(super) enum Kind {
    Verifying(Box<VerifyingKey>),
    Proving(Box<ProvingKey>),
}

/// Reads a key and finds out which it is. Of a proving key the points are not checked.
pub(super) fn read_key(path: &Path) -> Result<(Vec<u8>, Kind)> {
    let named = || format!("{} cannot be read", path.display());
    if fs::metadata(path).with_context(named)?.len() > MOST {
        bail!("{} is no key [bad_keys]", path.display());
    }
    let bytes = fs::read(path).with_context(named)?;
    if let Ok(key) = ProvingKey::from_bytes_trusted(&bytes) {
        return Ok((bytes, Kind::Proving(Box::new(key))));
    }
    // Circuits have different numbers of inputs, so at most one takes it.
    let verifying =
        Circuit::ALL.into_iter().find_map(|circuit| VerifyingKey::from_bytes(circuit, &bytes).ok());
    match verifying {
        Some(key) => Ok((bytes, Kind::Verifying(Box::new(key)))),
        None => bail!("{} is no key of a circuit of this version [bad_keys]", path.display()),
    }
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// Puts keys into a folder and lists them in its manifest, beside what it lists already. The manifest comes last, so a
/// folder it was interrupted in lists what it listed before.
pub(super) fn keep(folder: &Path, prefix: &str, keys: &[(ProvingKey, Vec<u8>)]) -> Result<ManifestHash> {
    fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let path = folder.join(MANIFEST);
    let mut manifest = match fs::read(&path) {
        Ok(bytes) => Manifest::from_bytes(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    for (key, file) in keys {
        let verifying = key.verifying_key();
        // The hash in the name keeps apart what different ceremonies give, so nothing that is listed is overwritten.
        let short: String = verifying.hash().to_string().chars().take(16).collect();
        let name = format!("{prefix}{}-{short}", key.circuit().name());
        write(&folder.join(format!("{name}.pk")), file)?;
        write(&folder.join(format!("{name}.vk")), &verifying.to_bytes())?;
        manifest.insert(Entry {
            circuit: key.circuit(),
            verifying_key: format!("{name}.vk"),
            verifying_key_hash: verifying.hash(),
            proving_key: Some(ProvingEntry {
                file: format!("{name}.pk"),
                hash: ProvingKeyHash::of(file),
                bytes: file.len() as u64,
            }),
        });
    }
    let bytes = manifest.to_bytes();
    write(&path, &bytes)?;
    Ok(ManifestHash::of(&bytes))
}

/// What to write into a server's settings and give people.
pub(super) fn how_to_use(folder: &Path, pin: ManifestHash) -> String {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let folder = folder.display();
    format!(
        "\nA server's settings:\n\n[proofs]\nkeys = \"{folder}\"\npin = \"{pin}\"\n\nPeople, with a copy of the \
         folder:\n\nkith --keys \"{folder}\" --keys-pin {pin} …"
    )
}
