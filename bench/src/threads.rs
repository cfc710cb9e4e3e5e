//! The cost of recording when a second thread records in the same series.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use obs_core::{
    Events, Metrics, Observer, Outcome,
    adapter::RequestHead,
    prometheus::{Histogram, HistogramOpts, HistogramVec},
};

/// The approximate time of a thread's operations in a round. It is long compared with the start of
/// a thread. It is short enough that even on a busy machine some rounds have both cores.
const ROUND: Duration = Duration::from_millis(4);
/// The number of rounds, with one thread and with two threads in turn. The fastest round counts,
/// because other work on the machine can only slow a round down.
const ROUNDS: usize = 300;
/// The largest factor by which sharing an observer may slow an operation of two threads, compared
/// with two threads that share nothing.
const TARGET: f64 = 1.2;

/// The nanoseconds of an operation, with one thread and with two.
#[derive(Clone, Copy)]
struct Times {
    one: f64,
    two: f64,
}

/// Prints the table, and fails if the target is missed.
pub(crate) fn print() -> Result<(), String> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("two threads need two cores".to_owned());
    }
    let observer = || {
        let metrics = Metrics::new().exclude_routes(["/excluded"]);
        let builder = Observer::builder("bench").no_environment().events(Events::off()).metrics(metrics);
        builder.build().expect("the settings are right")
    };
    // The two cores may be two threads of one core, or busy. This measurement shows that effect,
    // which is not ours.
    let own = [observer(), observer()];
    let apart = times(&|thread| request(&own[thread], "/items/{id}"));
    let observer = observer();
    let counted = times(&|_| request(&observer, "/items/{id}"));
    let excluded = times(&|_| request(&observer, "/excluded"));
    let options = HistogramOpts::new("seconds", "Some help.");
    let labels = ["method", "endpoint", "status"];
    let vector = HistogramVec::new(options.clone(), &labels).expect("the names are valid");
    let looked_up =
        times(&|_| vector.with_label_values(&["GET", "/items/{id}", "200"]).observe(black_box(0.003)));
    let histogram = Histogram::with_opts(options).expect("the name is valid");
    let cached = times(&|_| histogram.observe(black_box(0.003)));

    println!("| operation | one thread, ns | two threads, ns each | ratio |");
    println!("|---|--:|--:|--:|");
    apart.row("an observation from start to finish, an observer for each thread");
    counted.row("the same with one observer, in one series");
    excluded.row("the same on a route that metrics exclude");
    looked_up.row("`prometheus`: a `HistogramVec` looks up a series and observes");
    cached.row("`prometheus`: a cached `Histogram` observes");
    if apart.ratio() > TARGET {
        eprintln!("the machine has no two free cores now, so this result is not reliable");
    }
    let ratio = counted.ratio() / apart.ratio();
    if ratio <= TARGET {
        return Ok(());
    }
    Err(format!(
        "sharing an observer makes an observation of two threads {ratio:.2} times slower, the target is at most {TARGET}"
    ))
}

impl Times {
    fn ratio(self) -> f64 {
        self.two / self.one
    }

    fn row(self, name: &str) {
        println!("| {name} | {:.0} | {:.0} | {:.2} |", self.one, self.two, self.ratio());
    }
}

fn request(observer: &Observer, route: &str) {
    let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
    observation.set_route(route);
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
}

fn times(operation: &(impl Fn(usize) + Sync)) -> Times {
    const FEW: u32 = 2_000;
    let fastest = (0..5).map(|_| round(1, FEW, operation)).fold(f64::INFINITY, f64::min);
    let number = (ROUND.as_secs_f64() * 1e9 / fastest) as u32;
    let mut times = Times { one: f64::INFINITY, two: f64::INFINITY };
    for _ in 0..ROUNDS {
        times.one = times.one.min(round(1, number, operation));
        times.two = times.two.min(round(2, number, operation));
    }
    times
}

/// The nanoseconds for each operation of a thread, from the start of the first thread to the end of
/// the last.
fn round(threads: usize, number: u32, operation: &(impl Fn(usize) + Sync)) -> f64 {
    let barrier = &Barrier::new(threads);
    let work = |thread| {
        barrier.wait();
        let began = Instant::now();
        (0..number).for_each(|_| operation(thread));
        (began, Instant::now())
    };
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let began = times.iter().map(|(began, _)| began).min();
    let ended = times.iter().map(|(_, ended)| ended).max();
    let lasted = began.zip(ended).map_or(Duration::ZERO, |(began, ended)| *ended - *began);
    lasted.as_secs_f64() * 1e9 / f64::from(number)
}
