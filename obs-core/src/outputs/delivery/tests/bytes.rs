//! Tests of sinks of bytes, which may stop at any byte.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use proptest::prelude::*;

use super::{AT_ONCE, Delivery, LONG, PATIENT, ROOM};
use crate::outputs::delivery::lines::LineStore;
use crate::outputs::delivery::{
    byte_writer::ByteWriter,
    sink::{BatchSink, EventSink},
};

/// A sink that follows a script: it accepts some bytes, fails, or is interrupted.
struct Stops {
    steps: Vec<Option<usize>>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl EventSink for Stops {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        assert!(lines.ends_with(b"\n"), "it ends with the end of a line");
        let taken = match self.steps.pop() {
            None => lines.len(),
            Some(Some(step)) => step.min(lines.len()),
            Some(None) if self.steps.len().is_multiple_of(2) => return Err(io::ErrorKind::Interrupted.into()),
            Some(None) => return Err(io::ErrorKind::StorageFull.into()),
        };
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(&lines[..taken]);
        Ok(taken)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lines_are_neither_split_nor_repeated(
        steps in proptest::collection::vec(proptest::option::weighted(0.8, 0_usize..12), 0..60),
        numbers in proptest::collection::vec(any::<u64>(), 1..30),
    ) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Stops { steps, taken: Arc::clone(&taken) };
        let delivery = Delivery::<LineStore>::start_with(ROOM, AT_ONCE, PATIENT, move |_| {
            Box::new(ByteWriter::new(sink)) as Box<dyn BatchSink>
        });
        delivery.push(numbers.iter().map(|number| number >> 40));
        prop_assert!(delivery.queue.flush(LONG));
        let expected: String = numbers.iter().map(|number| format!("{}\n", number >> 40)).collect();
        prop_assert_eq!(taken.lock().unwrap_or_else(PoisonError::into_inner).clone(), expected.into_bytes());
        prop_assert_eq!(delivery.counted(), [numbers.len() as u64, 0, 0, 0, 0]);
    }
}
