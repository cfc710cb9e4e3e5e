//! An output's thread: writes the buffer to the sink, and tries again when that fails.

use std::{
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    buffer::{Buffer, Task},
    sink::EventSink,
};
use crate::base::{counter::Counter, diagnostics, panic::catch, thread::spawn};

/// How long dropping the last observer waits for lines that are still buffered.
const DROP_FLUSH: Duration = Duration::from_secs(1);

/// Pauses between tries grow from one to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How much memory a buffer keeps, however few lines there are.
const KEPT: usize = 256 * 1024;

/// How fast it is forgotten that a batch was large: by one part in so many with every batch since.
const FORGETS: usize = 64;

/// How much room the buffers keep: what every batch needs is not given back each time, what a burst has taken is not kept for ever.
#[derive(Default)]
struct Room {
    /// The largest batch of late, in bytes.
    largest: usize,
}

impl Room {
    /// A batch is written.
    fn after(&mut self, batch: &mut Vec<u8>) {
        self.largest = batch.len().max(self.largest.saturating_sub(self.largest / FORGETS));
        batch.clear();
        let enough = self.largest.saturating_mul(2).max(KEPT);
        if batch.capacity() > enough {
            batch.shrink_to(enough);
        }
    }

    /// There are no lines any more.
    fn idle(&mut self, empty: &mut Vec<u8>) {
        self.largest = 0;
        empty.shrink_to(KEPT);
    }
}

/// How often the sink hears of the time.
const SINK_TICK: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    buffer: Arc<Buffer>,
    thread: Option<JoinHandle<()>>,
}

/// Lets writers end when the last observer is dropped, all within one time.
pub(crate) fn end<'a>(writers: impl Iterator<Item = &'a mut Writer>) {
    let began = Instant::now();
    let asked: Vec<_> = writers.map(|writer| (writer.buffer.ask_to_flush(), writer)).collect();
    for (flush, writer) in asked {
        let flushed = writer.buffer.wait_for(&flush, DROP_FLUSH.saturating_sub(began.elapsed()));
        writer.buffer.close();
        // A thread that hangs in a stuck output is left behind: it must not hold up the caller.
        if let Some(thread) = writer.thread.take()
            && flushed
        {
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(crate) fn start(
        name: &str,
        buffer: Arc<Buffer>,
        sink: Box<dyn EventSink>,
        written: Arc<Counter>,
        lost: Arc<Counter>,
    ) -> io::Result<Self> {
        let shared = Arc::clone(&buffer);
        let output = Output { name: name.to_owned(), buffer: shared, sink, written, lost, warned: false };
        let thread = spawn(&format!("obs-events-{name}"), Box::new(|| output.run()))?;
        Ok(Self { buffer, thread: Some(thread) })
    }
}

/// Where an observer was not built to its end.
impl Drop for Writer {
    fn drop(&mut self) {
        self.buffer.close();
    }
}

/// What the thread owns.
struct Output {
    name: String,
    buffer: Arc<Buffer>,
    sink: Box<dyn EventSink>,
    written: Arc<Counter>,
    lost: Arc<Counter>,
    warned: bool,
}

impl Output {
    fn run(mut self) {
        let mut bytes = Vec::new();
        let mut room = Room::default();
        let mut ticked = Instant::now();
        loop {
            match self.buffer.take(&mut bytes) {
                Task::Lines(lines) => {
                    self.write(&bytes, lines);
                    room.after(&mut bytes);
                }
                Task::Flush(number) => {
                    let flushed = self.call(|sink| sink.flush()).is_ok();
                    self.buffer.flushed(number, flushed);
                }
                Task::Tick => room.idle(&mut bytes),
                Task::Closed => return,
            }
            if ticked.elapsed() >= SINK_TICK {
                ticked = Instant::now();
                let _ = self.call(|sink| {
                    sink.tick();
                    Ok(())
                });
            }
        }
    }

    /// Writes a batch to its end, however long the sink fails; gives up only when nobody waits for it any more.
    fn write(&mut self, bytes: &[u8], lines: u64) {
        let (mut rest, mut left) = (bytes, lines);
        let mut pause = FIRST_PAUSE;
        while !rest.is_empty() {
            let result = self.call(|sink| match sink.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                result => result,
            });
            match result {
                Ok(taken) => {
                    let (done, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
                    // Most sinks take all of it: then nobody has to look where its lines end.
                    let ended = if after.is_empty() { left } else { lines_in(done) };
                    self.written.add(ended);
                    self.buffer.written(done.len(), ended);
                    left = left.saturating_sub(ended);
                    rest = after;
                    pause = FIRST_PAUSE;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.warn(&error);
                    if !self.buffer.failed(pause) {
                        self.lost.add(left);
                        self.buffer.lost(left);
                        return;
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A sink of the user's own may panic; that counts as an error.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn EventSink) -> io::Result<T>) -> io::Result<T> {
        let sink = self.sink.as_mut();
        catch(|| call(sink)).unwrap_or_else(|_| Err(io::Error::other("the sink panicked")))
    }

    fn warn(&mut self, error: &io::Error) {
        if !self.warned {
            self.warned = true;
            diagnostics::warn(format_args!(
                "the output {} cannot be written ({error}); it is tried again, and what finds no room meanwhile is counted in \
                 `obs_events_dropped_total`",
                self.name
            ));
        }
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bursts_room_is_given_back_and_a_batchs_is_kept() {
        const BATCH: usize = 3 * KEPT;
        let (mut room, mut bytes) = (Room::default(), vec![0; 8 * BATCH]);
        room.after(&mut bytes);
        assert_eq!((bytes.len(), bytes.capacity()), (0, 8 * BATCH), "the next may be as large");
        for _ in 0..FORGETS * 8 {
            bytes.resize(BATCH, 0);
            room.after(&mut bytes);
            assert!(bytes.capacity() >= BATCH);
        }
        assert!(bytes.capacity() <= 2 * BATCH, "{}", bytes.capacity());
        room.idle(&mut bytes);
        assert_eq!(bytes.capacity(), KEPT);
    }
}
