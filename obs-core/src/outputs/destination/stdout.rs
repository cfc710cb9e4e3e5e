//! Standard output, to which several threads write whole lines.

use std::io::{self, Write};

/// A writer to standard output. It never stops in the middle of a line, because another output
/// could then write into that line.
pub(super) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        write_to_line_end(&mut io::stdout().lock(), lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// Writes at least up to the end of the line in which the first write stopped. Returns the number
/// of written bytes, also if a later write fails.
fn write_to_line_end(out: &mut impl Write, lines: &[u8]) -> io::Result<usize> {
    let mut written = out.write(lines)?;
    loop {
        let (before, rest) = lines.split_at(written.min(lines.len()));
        if rest.is_empty() || before.ends_with(b"\n") {
            return Ok(written);
        }
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at.saturating_add(1));
        match out.write(rest.get(..end).unwrap_or_default()) {
            Ok(more) if more > 0 => written = written.saturating_add(more),
            _ => return Ok(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts a few bytes of each write, up to a limit.
    struct Slow(Vec<u8>, usize);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3).min(self.1 - self.0.len());
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_write_stops_at_the_end_of_a_line() {
        let mut out = Slow(Vec::new(), 100);
        assert_eq!(write_to_line_end(&mut out, b"one line\nanother\n").expect("it writes"), 9);
        assert_eq!(out.0, b"one line\n");
        assert_eq!(write_to_line_end(&mut out, b"ab\n").expect("it writes"), 3);
    }

    #[test]
    fn a_write_that_fails_in_a_line_reports_its_bytes() {
        let mut out = Slow(Vec::new(), 5);
        assert_eq!(write_to_line_end(&mut out, b"one line\n").expect("it writes"), 5);
        assert_eq!(write_to_line_end(&mut out, b"ine\n").expect("it writes"), 0);
    }
}
