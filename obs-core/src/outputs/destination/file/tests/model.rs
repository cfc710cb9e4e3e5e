//! A model test: after any sequence of steps, the files contain exactly the accepted bytes.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Adds lines of these lengths, without their line feeds.
    Lines(Vec<usize>),
    /// Calls `write` this often. Each call accepts at most `step` bytes.
    Write {
        calls: usize,
        step: usize,
    },
    /// Sets the bytes that still fit on the disk.
    Room(usize),
    Pass(u64),
    Back(u64),
    RenameFails(bool),
    Tick,
    Flush,
    Move,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(prop_oneof![0..20_usize, 0..300_usize], 1..8).prop_map(Step::Lines),
        8 => (1..6_usize, prop_oneof![1..10_usize, 1..400_usize, Just(usize::MAX)])
            .prop_map(|(calls, step)| Step::Write { calls, step }),
        2 => prop_oneof![0..100_usize, Just(usize::MAX), Just(usize::MAX)].prop_map(Step::Room),
        2 => (0..3_000_u64).prop_map(Step::Pass),
        1 => (0..3_000_u64).prop_map(Step::Back),
        1 => any::<bool>().prop_map(Step::RenameFails),
        2 => Just(Step::Tick),
        1 => Just(Step::Flush),
        1 => Just(Step::Move),
        2 => Just(Step::Restart),
    ]
}

/// The state of the caller: bytes to write, and bytes that the sink accepted.
#[derive(Default)]
struct Model {
    waiting: Vec<u8>,
    taken: Vec<u8>,
    lines: usize,
}

impl Model {
    fn lines(&mut self, lengths: &[usize]) {
        for length in lengths {
            let text = format!("{}:", self.lines);
            self.lines += 1;
            self.waiting.extend(text.bytes().cycle().take(*length));
            self.waiting.push(b'\n');
        }
    }

    fn write(&mut self, sink: &mut Rotating<Fake>) {
        if let Ok(bytes) = sink.write(&self.waiting) {
            assert!(bytes > 0 || self.waiting.is_empty());
            self.taken.extend(self.waiting.drain(..bytes));
        }
    }

    /// Restarts in the middle of a line: the new process does not know the rest of the line.
    fn restart(&mut self) {
        let whole = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = self.taken.len() - whole(&self.taken);
        self.taken.truncate(self.taken.len() - torn);
        if torn > 0 {
            let rest = self.waiting.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.waiting.drain(..rest);
        }
    }
}

/// Moves the file to a name that sorts in the order of its lines.
fn move_away(folder: &Folder) {
    let files = folder.files();
    let newest = files.iter().rfind(|name| name.contains('Z'));
    let time = newest.and_then(|name| name.get(..27)).unwrap_or("events.00000000T000000.000Z");
    let counter = newest.and_then(|name| name.get(28..34)).and_then(|counter| counter.parse::<u32>().ok());
    let to = folder.0.join(format!("{time}_{:06}.jsonl", counter.unwrap_or(0) + 1));
    // It fails only if the file does not exist, because the folder does.
    let _ = fs::rename(folder.path(), to);
}

#[cfg_attr(not(feature = "gzip"), allow(unused_variables))]
fn check(size: u64, gzip: bool, steps: &[Step]) {
    let (folder, system) = (Folder::new(), Fake::new());
    let file = || {
        let file = folder.file().rotate_size(size).rotate_age(Duration::from_secs(1));
        #[cfg(feature = "gzip")]
        let file = file.gzip(gzip);
        file
    };
    let mut sink = open(file(), &system);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Lines(lengths) => model.lines(lengths),
            Step::Write { calls, step } => {
                system.faults().step = *step;
                (0..*calls).for_each(|_| model.write(&mut sink));
            }
            Step::Room(bytes) => system.faults().room = *bytes,
            Step::Pass(millis) => system.pass(Duration::from_millis(*millis)),
            Step::Back(millis) => system.faults().now -= Duration::from_millis(*millis),
            Step::RenameFails(fails) => system.faults().rename_fails = *fails,
            Step::Tick => sink.tick(),
            Step::Flush => sink.flush().expect("flushed"),
            // The model treats a moved file as a segment, so it must end with a complete line.
            Step::Move if cfg!(unix) && model.taken.last().is_none_or(|last| *last == b'\n') => {
                move_away(&folder);
            }
            Step::Move => {}
            Step::Restart => {
                drop(sink);
                model.restart();
                sink = open(file(), &system);
            }
        }
    }
    let mut faults = system.faults();
    (faults.room, faults.step) = (usize::MAX, usize::MAX);
    drop(faults);
    while !model.waiting.is_empty() {
        model.write(&mut sink);
    }
    drop(sink);
    let segments = folder.segments();
    assert!(segments.iter().all(|segment| segment.is_empty() || segment.ends_with(b"\n")));
    assert_eq!(String::from_utf8_lossy(&segments.concat()), String::from_utf8_lossy(&model.taken));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_segments_in_order_contain_exactly_the_accepted_bytes(
        size in prop_oneof![1..50_u64, 1..2_000_u64],
        gzip in any::<bool>(),
        steps in vec(step(), 1..60),
    ) {
        check(size, gzip, &steps);
    }
}
