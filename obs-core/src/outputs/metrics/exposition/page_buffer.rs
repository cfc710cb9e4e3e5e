//! Where a page is written to: memory that is handed over in pieces, compressed on the way or not.

#[cfg(feature = "gzip")]
use std::io::Write as _;
use std::mem;

use bytes::Bytes;
#[cfg(feature = "gzip")]
use flate2::Compression;

#[cfg(feature = "gzip")]
use crate::write::gzip::GzipEncoder;

/// A piece is full with so much text. The sample that fills it is still in it, and mostly has room within 64 KiB.
const PIECE: usize = 60 * 1024;

/// A compressed piece is handed over when it has so much; a compressor that is full gives out several times as much at once.
#[cfg(feature = "gzip")]
const COMPRESSED: usize = 8 * 1024;

/// What has been written of a page and not been handed over.
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

    /// Whether it is time to take a piece.
    pub(super) const fn is_full(&self) -> bool {
        self.text.len() >= PIECE
    }

    /// What can be handed over: nothing sometimes if it is compressed.
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

    /// The last piece.
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
    fn a_page_of_many_pieces_comes_out_whole() {
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
