//! Putting a file in its place.

use std::{io, path::Path};

use tempfile::NamedTempFile;

use crate::drops::DropError;

/// Makes a file durable and gives it its name. Where that fails, it is left where it is: nobody else has its content.
pub(super) async fn keep(
    file: tokio::fs::File,
    temporary: NamedTempFile,
    path: &Path,
    overwrite: bool,
) -> Result<(), DropError> {
    if let Err(error) = file.sync_all().await {
        return Err(aside(temporary, error));
    }
    let named = if overwrite { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    if let Err(error) = named {
        let (temporary, error) = (error.file, error.error);
        // The name that it keeps instead.
        let _ = sync_folder(path).await;
        return Err(aside(temporary, error));
    }
    // The name is durable when the folder is.
    sync_folder(path).await.map_err(|source| DropError::KeptAside { path: path.to_owned(), source })
}

/// Leaves a file under the name it was made with.
fn aside(temporary: NamedTempFile, source: io::Error) -> DropError {
    match temporary.keep() {
        // Not where its folder was removed meanwhile.
        Ok((_, path)) if path.symlink_metadata().is_ok() => DropError::KeptAside { path, source },
        Ok(_) | Err(_) => DropError::Target(source),
    }
}

async fn sync_folder(path: &Path) -> io::Result<()> {
    tokio::fs::File::open(folder_of(path)).await?.sync_all().await
}

/// The folder a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
