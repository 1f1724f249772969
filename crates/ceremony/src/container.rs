//! The container all binary files of iden3's tools share.
//!
//! Four bytes of magic, a version, a number of sections, all 32-bit little-endian; then for each section its number
//! (32 bits), its length in bytes (64 bits) and its content.

use std::{collections::BTreeMap, io};

use crate::error::{CeremonyError, FileKind};

/// More sections than any known file has.
const MAX_SECTIONS: u32 = 32;
/// Length of the file's header, and of each section's.
const HEADER: usize = 12;

/// Bytes that can be read anywhere, as a file or as a slice.
///
/// Files of a ceremony are up to gigabytes long; what is not needed is never read.
pub trait Source {
    /// All bytes there are.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::UnexpectedEof`] where bytes are missing.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl FileKind {
    const fn magic(self) -> &'static [u8; 4] {
        match self {
            Self::R1cs => b"r1cs",
            Self::Wtns => b"wtns",
            Self::Zkey => b"zkey",
            Self::Ptau => b"ptau",
        }
    }

    const fn version(self) -> u32 {
        match self {
            Self::R1cs | Self::Zkey | Self::Ptau => 1,
            Self::Wtns => 2,
        }
    }
}

/// Where a section's content is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    offset: u64,
    pub(crate) len: u64,
}

/// An opened container: the whereabouts of its sections.
pub(crate) struct Container<'s> {
    source: &'s dyn Source,
    pub(crate) file: FileKind,
    sections: BTreeMap<u32, Section>,
}

impl<'s> Container<'s> {
    /// Reads where the sections are. Every section lies within the file, no number occurs twice, nothing follows.
    pub(crate) fn open(source: &'s dyn Source, file: FileKind) -> Result<Self, CeremonyError> {
        let size = source.size().map_err(|error| CeremonyError::Read { file, error })?;
        let mut this = Self { source, file, sections: BTreeMap::new() };
        let mut header = [0; HEADER];
        this.read_raw(size, 0, &mut header)?;
        let [m0, m1, m2, m3, version @ .., _, _, _, _] = header;
        if [m0, m1, m2, m3] != *file.magic() {
            return Err(this.malformed("it does not begin as such a file does"));
        }
        if u32::from_le_bytes(version) != file.version() {
            return Err(this.malformed("unknown version"));
        }
        let [.., c0, c1, c2, c3] = header;
        let count = u32::from_le_bytes([c0, c1, c2, c3]);
        if count > MAX_SECTIONS {
            return Err(this.malformed("too many sections"));
        }
        let mut offset = HEADER as u64;
        for _ in 0..count {
            let mut header = [0; HEADER];
            this.read_raw(size, offset, &mut header)?;
            let [n0, n1, n2, n3, len @ ..] = header;
            let (number, len) = (u32::from_le_bytes([n0, n1, n2, n3]), u64::from_le_bytes(len));
            offset += HEADER as u64;
            let end = offset.checked_add(len).filter(|end| *end <= size);
            let end = end.ok_or(CeremonyError::Truncated(file))?;
            if this.sections.insert(number, Section { offset, len }).is_some() {
                return Err(this.malformed("a section occurs twice"));
            }
            offset = end;
        }
        if offset != size {
            return Err(this.malformed("bytes after the last section"));
        }
        Ok(this)
    }

    pub(crate) const fn malformed(&self, what: &'static str) -> CeremonyError {
        CeremonyError::Malformed { file: self.file, what }
    }

    fn read_raw(&self, size: u64, offset: u64, buffer: &mut [u8]) -> Result<(), CeremonyError> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > size) {
            return Err(CeremonyError::Truncated(self.file));
        }
        self.source
            .read_exact_at(offset, buffer)
            .map_err(|error| CeremonyError::Read { file: self.file, error })
    }

    /// A section that has to be there.
    pub(crate) fn section(&self, number: u32) -> Result<Section, CeremonyError> {
        self.find(number).ok_or_else(|| self.malformed("a section is missing"))
    }

    pub(crate) fn find(&self, number: u32) -> Option<Section> {
        self.sections.get(&number).copied()
    }

    /// A section that has to be there with exactly so many bytes.
    pub(crate) fn sized(&self, number: u32, len: u64) -> Result<Section, CeremonyError> {
        let section = self.section(number)?;
        if section.len == len { Ok(section) } else { Err(self.malformed("a section has the wrong length")) }
    }

    /// Fills a buffer from a place within a section.
    pub(crate) fn read(&self, section: Section, offset: u64, buffer: &mut [u8]) -> Result<(), CeremonyError> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > section.len) {
            return Err(self.malformed("a section is too short"));
        }
        self.read_raw(u64::MAX, section.offset + offset, buffer)
    }

    /// The bytes of a section that is at most so long.
    pub(crate) fn bytes(&self, section: Section, most: usize) -> Result<Vec<u8>, CeremonyError> {
        let len = usize::try_from(section.len).ok().filter(|len| *len <= most);
        let mut bytes = vec![0; len.ok_or_else(|| self.malformed("a section is too long"))?];
        self.read(section, 0, &mut bytes)?;
        Ok(bytes)
    }
}

/// Writes a container.
#[derive(Debug)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(file: FileKind, sections: u32) -> Self {
        let mut bytes = file.magic().to_vec();
        bytes.extend(file.version().to_le_bytes());
        bytes.extend(sections.to_le_bytes());
        Self(bytes)
    }

    pub(crate) fn section(&mut self, number: u32, content: &[u8]) {
        self.0.extend(number.to_le_bytes());
        self.0.extend((content.len() as u64).to_le_bytes());
        self.0.extend(content);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fixed-size pieces off the front of bytes.
pub(crate) struct Pieces<'b> {
    rest: &'b [u8],
    file: FileKind,
}

impl<'b> Pieces<'b> {
    pub(crate) const fn new(rest: &'b [u8], file: FileKind) -> Self {
        Self { rest, file }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn malformed(&self, what: &'static str) -> CeremonyError {
        CeremonyError::Malformed { file: self.file, what }
    }

    pub(crate) fn slice(&mut self, len: usize) -> Result<&'b [u8], CeremonyError> {
        let (piece, rest) =
            self.rest.split_at_checked(len).ok_or_else(|| self.malformed("a section is too short"))?;
        self.rest = rest;
        Ok(piece)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'b [u8; N], CeremonyError> {
        let (piece, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.malformed("a section is too short"))?;
        self.rest = rest;
        Ok(piece)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CeremonyError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CeremonyError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), CeremonyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("a section is too long")) }
    }
}
