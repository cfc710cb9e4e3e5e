//! A writer that compresses with gzip (RFC 1952).
//!
//! `flate2` does the compression. Its own gzip writer is not used, because its checksum adds a
//! table of 16 KB and code for each kind of processor.

use std::{
    io::{self, Write},
    sync::LazyLock,
};

use flate2::{Compression, write::DeflateEncoder};

/// The gzip header: method deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A writer that compresses its input into `W`.
pub(crate) struct GzipEncoder<W: Write> {
    deflate: DeflateEncoder<W>,
    crc: Crc,
    /// The number of input bytes modulo 2³², as the format requires.
    length: u32,
}

impl<W: Write> GzipEncoder<W> {
    /// Creates the writer and writes the header.
    pub(crate) fn new(mut out: W, level: Compression) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        Ok(Self { deflate: DeflateEncoder::new(out, level), crc: Crc::NEW, length: 0 })
    }

    pub(crate) fn get_mut(&mut self) -> &mut W {
        self.deflate.get_mut()
    }

    /// Writes the rest of the data and the trailer.
    pub(crate) fn finish(self) -> io::Result<W> {
        let mut out = self.deflate.finish()?;
        out.write_all(&self.crc.sum().to_le_bytes())?;
        out.write_all(&self.length.to_le_bytes())?;
        Ok(out)
    }
}

impl<W: Write> Write for GzipEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.deflate.write(bytes)?;
        self.crc.add(bytes.get(..taken).unwrap_or(bytes));
        self.length = self.length.wrapping_add(taken as u32);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

/// The checksum of the format: CRC-32, computed over eight bytes at a time.
struct Crc(u32);

/// The checksum of each byte, followed by zero to seven zero bytes.
static TABLES: LazyLock<Box<[[u32; 256]; 8]>> = LazyLock::new(|| {
    let mut tables = Box::new([[0_u32; 256]; 8]);
    for byte in 0..256 {
        let mut crc = byte as u32;
        for place in tables.iter_mut().filter_map(|table| table.get_mut(byte)) {
            crc = shifted_by_a_byte(crc);
            *place = crc;
        }
    }
    tables
});

/// Returns the checksum after another zero byte. It is never inlined, because the compiler would
/// unroll the loops that call it into 14 KB of code.
#[inline(never)]
fn shifted_by_a_byte(crc: u32) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    (0..8).fold(crc, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
}

impl Crc {
    const NEW: Self = Self(!0);

    fn add(&mut self, bytes: &[u8]) {
        let tables = &**TABLES;
        let look = |table: usize, byte: u8| {
            tables.get(table).and_then(|table| table.get(usize::from(byte))).copied().unwrap_or_default()
        };
        let (eights, rest) = bytes.as_chunks::<8>();
        for [a, b, c, d, e, f, g, h] in eights {
            let [s, t, u, v] = self.0.to_le_bytes();
            self.0 = look(7, a ^ s)
                ^ look(6, b ^ t)
                ^ look(5, c ^ u)
                ^ look(4, d ^ v)
                ^ look(3, *e)
                ^ look(2, *f)
                ^ look(1, *g)
                ^ look(0, *h);
        }
        for byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ look(0, byte ^ low);
        }
    }

    const fn sum(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_has_the_documented_value() {
        let mut crc = Crc::NEW;
        crc.add(b"123456789");
        assert_eq!(crc.sum(), 0xcbf4_3926);
    }

    proptest! {
        /// The decoder checks length and checksum.
        #[test]
        fn compressed_data_is_decompressed_to_the_same_data(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..9)) {
            let mut encoder = GzipEncoder::new(Vec::new(), Compression::fast()).expect("in memory");
            for piece in &pieces {
                encoder.write_all(piece).expect("in memory");
            }
            let (compressed, mut read) = (encoder.finish().expect("in memory"), Vec::new());
            GzDecoder::new(&*compressed).read_to_end(&mut read).expect("valid");
            prop_assert_eq!(read, pieces.concat());
        }
    }
}
