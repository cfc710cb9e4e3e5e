//! Where a page is written to: memory, compressed on the way or not.

use std::{io::Write as _, mem};

use flate2::{Compression, write::GzEncoder};

/// So much text is compressed at once.
const CHUNK: usize = 64 * 1024;

/// The text of a page, or what of it is not compressed yet.
///
/// Pages can have tens of megabytes, so a compressed one is never there as a whole, and memory for the other grows in steps of an
/// eighth: a vector left to itself doubles.
pub(super) struct Output {
    pub(super) text: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Output {
    pub(super) fn new(gzip: bool) -> Self {
        let gzip = gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { text: Vec::new(), gzip }
    }

    /// To be called now and then, with about how much may be written before the next time.
    pub(super) fn make_room(&mut self, bytes: usize) {
        if let Some(gzip) = &mut self.gzip
            && self.text.len() >= CHUNK
        {
            // Writing to a vector cannot fail, here and below.
            let _ = gzip.write_all(&self.text);
            self.text.clear();
        }
        if self.text.capacity().saturating_sub(self.text.len()) < bytes {
            self.text.reserve_exact(bytes.max(self.text.len() / 8).max(CHUNK));
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let text = mem::take(&mut self.text);
        let Some(mut gzip) = self.gzip else { return text };
        let _ = gzip.write_all(&text);
        gzip.finish().unwrap_or_default()
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_page_of_many_chunks_comes_out_whole() {
        let line = b"a_bucket{le=\"1\"} 1\n";
        let page = |gzip| {
            let mut output = Output::new(gzip);
            for _ in 0..20_000 {
                output.make_room(line.len());
                output.text.extend_from_slice(line);
                assert!(!gzip || output.text.len() <= CHUNK + line.len(), "what is compressed is gone");
            }
            output.finish()
        };
        let (plain, mut unpacked) = (page(false), Vec::new());
        GzDecoder::new(&*page(true)).read_to_end(&mut unpacked).expect("valid");
        assert!(plain == line.repeat(20_000) && unpacked == plain);
    }
}
