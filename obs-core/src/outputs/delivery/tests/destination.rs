//! A test destination with scripted results.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Item;
use crate::outputs::delivery::items::ItemBatch;
use crate::outputs::delivery::{
    batch::Batch,
    failure::{Delivered, Failure},
    sink::BatchSink,
    worker::Outlet,
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Take,
    /// Accepts the first entries.
    TakeFirst(usize),
    /// Accepts all entries, and rejects some.
    Reject(usize),
    Now,
    After(Duration),
    Never,
    Panic,
    /// Blocks until it is released.
    Hang,
}

#[derive(Default)]
pub(super) struct Tried {
    answers: VecDeque<Reply>,
    /// The result if no other is scripted.
    always: Option<Reply>,
    released: bool,
    /// Every accepted number, including rejected ones.
    pub(super) taken: Vec<u64>,
    /// Every attempt, with its time and the offered numbers.
    pub(super) tries: Vec<(Instant, Vec<u64>)>,
    pub(super) flushes: u32,
}

#[derive(Clone, Default)]
pub(super) struct Destination(Arc<(Mutex<Tried>, Condvar)>);

impl Destination {
    pub(super) fn seen(&self) -> MutexGuard<'_, Tried> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Scripts the results of the next attempts. Later attempts accept everything.
    pub(super) fn then(&self, answers: impl IntoIterator<Item = Reply>) {
        let mut seen = self.seen();
        seen.always = None;
        seen.answers = answers.into_iter().collect();
    }

    /// Returns this result for all attempts.
    pub(super) fn always(&self, answer: Reply) {
        self.seen().always = Some(answer);
    }

    pub(super) fn release(&self) {
        self.seen().released = true;
        self.0.1.notify_all();
    }

    pub(super) fn taken(&self) -> Vec<u64> {
        self.seen().taken.clone()
    }

    pub(super) fn tried(&self) -> usize {
        self.seen().tries.len()
    }

    fn send(&self, offered: &[u64]) -> Result<Delivered, Failure> {
        let mut seen = self.seen();
        seen.tries.push((Instant::now(), offered.to_vec()));
        let answer = seen.answers.pop_front().or(seen.always).unwrap_or(Reply::Take);
        let taken = match answer {
            Reply::Take => Delivered::all(),
            Reply::TakeFirst(entries) => Delivered::first(entries),
            Reply::Reject(entries) => Delivered::all().rejected(entries, "unwanted"),
            Reply::Now => return Err(Failure::now("no reason")),
            Reply::After(time) => return Err(Failure::after(time, "busy")),
            Reply::Never => return Err(Failure::never("invalid")),
            Reply::Panic => panic!("as it was told"),
            Reply::Hang => {
                let hang = |seen: &mut Tried| !seen.released;
                seen = self.0.1.wait_while(seen, hang).unwrap_or_else(PoisonError::into_inner);
                Delivered::all()
            }
        };
        seen.taken.extend(offered.iter().take(taken.entries));
        Ok(taken)
    }
}

/// Accepts lines that are numbers.
pub(super) struct Bytes(pub(super) Destination);

impl BatchSink for Bytes {
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
        let number = |bytes: &[u8]| -> u64 {
            let line = std::str::from_utf8(bytes).expect("a text").strip_suffix('\n');
            line.and_then(|line| line.parse().ok()).expect("a complete line")
        };
        let numbers: Vec<_> = batch.iter().map(|entry| number(entry.bytes())).collect();
        for (entry, number) in batch.iter().zip(&numbers) {
            let since_1970 = entry.time().duration_since(std::time::UNIX_EPOCH).expect("later");
            assert_eq!(
                (since_1970.as_secs(), entry.route()),
                (*number, Some("/items/{id}")),
                "its own facts"
            );
        }
        assert_eq!(batch.iter().map(|entry| entry.bytes().len()).sum::<usize>(), batch.bytes().len());
        self.0.send(&numbers)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.0.seen().flushes += 1;
        Ok(())
    }
}

/// Accepts items, and unpacks a batch once, like an outlet that encodes them.
pub(super) struct Numbers {
    pub(super) destination: Destination,
    pub(super) encoded: Vec<u64>,
}

impl Outlet<ItemBatch<Item>> for Numbers {
    fn send(&mut self, batch: &mut ItemBatch<Item>) -> Result<Delivered, Failure> {
        if let Some(items) = batch.unpack() {
            self.encoded = items.map(|item| item.number).collect();
        }
        let delivered = self.destination.send(&self.encoded)?;
        self.encoded.drain(..delivered.entries.min(self.encoded.len()));
        Ok(delivered)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.destination.seen().flushes += 1;
        Ok(())
    }
}
