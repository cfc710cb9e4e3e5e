//! The buffer of a page, which returns its content in pieces and can compress them.

#[cfg(feature = "gzip")]
use std::io::Write as _;
use std::mem;

use bytes::Bytes;
#[cfg(feature = "gzip")]
use flate2::Compression;

#[cfg(feature = "gzip")]
use crate::write::gzip::GzipEncoder;

/// The bytes of text after which a piece is full. The sample that reaches this limit is still a
/// part of the piece, and usually fits into 64 KiB.
const PIECE: usize = 60 * 1024;

/// The minimal size of a compressed piece in bytes. A full compressor returns several times as much
/// at once.
#[cfg(feature = "gzip")]
const COMPRESSED: usize = 8 * 1024;

/// The part of a page that is written and not yet returned.
pub(super) struct PageBuffer {
    pub(super) text: Vec<u8>,
    #[cfg(feature = "gzip")]
    gzip: Option<GzipEncoder<Vec<u8>>>,
}

impl PageBuffer {
    pub(super) fn new(#[cfg_attr(not(feature = "gzip"), allow(unused_variables))] gzip: bool) -> Self {
        Self {
            text: Vec::new(),
            #[cfg(feature = "gzip")]
            gzip: gzip.then(|| GzipEncoder::new(Vec::new(), Compression::fast()).ok()).flatten(),
        }
    }

    /// Returns true if a piece is full.
    pub(super) const fn is_full(&self) -> bool {
        self.text.len() >= PIECE
    }

    /// Returns the available bytes, which can be empty with compression.
    pub(super) fn take(&mut self) -> Bytes {
        #[cfg(feature = "gzip")]
        if let Some(gzip) = &mut self.gzip {
            // Writing to a vector cannot fail, here and below.
            let _ = gzip.write_all(&self.text);
            self.text.clear();
            let compressed = gzip.get_mut();
            return if compressed.len() < COMPRESSED { Bytes::new() } else { mem::take(compressed).into() };
        }
        let room = Vec::with_capacity(self.text.capacity());
        mem::replace(&mut self.text, room).into()
    }

    /// Returns the last piece.
    pub(super) fn finish(&mut self) -> Bytes {
        let text = mem::take(&mut self.text);
        #[cfg(feature = "gzip")]
        if let Some(mut gzip) = self.gzip.take() {
            let _ = gzip.write_all(&text);
            return gzip.finish().unwrap_or_default().into();
        }
        text.into()
    }
}

#[cfg(all(test, feature = "gzip"))]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn many_pieces_make_the_whole_page() {
        let line = b"a_bucket{le=\"1\"} 1\n";
        let page = |gzip| {
            let (mut output, mut page) = (PageBuffer::new(gzip), Vec::new());
            let mut pieces = 0;
            for _ in 0..20_000 {
                output.text.extend_from_slice(line);
                if output.is_full() {
                    let piece = output.take();
                    assert!(
                        piece.len() <= 64 * 1024 && output.text.is_empty(),
                        "what is handed over is gone"
                    );
                    pieces += usize::from(!piece.is_empty());
                    page.extend_from_slice(&piece);
                }
            }
            page.extend_from_slice(&output.finish());
            (page, pieces)
        };
        let ((uncompressed, pieces), mut unpacked) = (page(false), Vec::new());
        GzDecoder::new(&*page(true).0).read_to_end(&mut unpacked).expect("valid");
        assert!(uncompressed == line.repeat(20_000) && unpacked == uncompressed);
        assert_eq!(pieces, uncompressed.len() / PIECE);
    }
}
