//! The private halves of the own key packages, as the store keeps them.

use e2ee::key_package::KeyPackagePrivate;
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use crate::store::StoreError;

#[derive(Clone, PartialEq, Message)]
struct WirePackages {
    #[prost(bytes = "vec", repeated, tag = "1")]
    packages: Vec<Vec<u8>>,
}

/// Reads what [`write`] wrote; nothing for nothing.
pub(crate) fn read(bytes: Option<&Vec<u8>>) -> Result<Vec<KeyPackagePrivate>, StoreError> {
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let mut wire = WirePackages::decode(bytes.as_slice()).map_err(|_| StoreError::Damaged)?;
    let packages = wire
        .packages
        .iter()
        .map(|p| KeyPackagePrivate::from_bytes(p).map_err(|_| StoreError::Damaged))
        .collect();
    wire.packages.iter_mut().for_each(Zeroize::zeroize);
    packages
}

/// The bytes of a list.
pub(crate) fn write(packages: &[KeyPackagePrivate]) -> Zeroizing<Vec<u8>> {
    let mut wire = WirePackages { packages: packages.iter().map(|p| p.to_bytes().to_vec()).collect() };
    let bytes = Zeroizing::new(wire.encode_to_vec());
    wire.packages.iter_mut().for_each(Zeroize::zeroize);
    bytes
}
