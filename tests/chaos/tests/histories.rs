//! A few random histories in every run of the tests: the same on every machine. `cargo run --release -p chaos -- random` plays thousands.
//!
//! I1 to I16.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test by panicking")]

use chaos::random::fault::Tally;
use chaos::random::history::History;
use chaos::random::plant::Plant;
use chaos::random::{drawn, run, seed_of};

/// A thread with room for the unoptimised futures of whole syncs.
fn roomy(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(32 * 1024 * 1024).spawn(work).unwrap().join().unwrap();
}

/// So many histories of the series of this seed.
fn keep_the_invariants(series: u64, histories: u64) {
    roomy(move || {
        let mut whole = Tally::default();
        let mut operations = 0;
        for number in 0..histories {
            let seed = seed_of(series, number);
            let (history, outcome) = drawn(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
            assert!(outcome.violations.is_empty(), "seed {seed}, {:?} faults in a thousand: {:#?}", history.rates, outcome.violations);
            operations += outcome.operations;
            whole.add(&outcome.tally);
        }
        assert!(operations >= histories * 60 && whole.crashes > 0);
        // A harness whose faults do not strike on one side tests nothing there.
        assert!(whole.vendor_faults * 20 >= whole.vendor_exposed && whole.vendor_faults > histories, "{whole:?}");
        assert!(whole.aws_faults * 20 >= whole.aws_exposed && whole.aws_faults > histories, "{whole:?}");
        assert!(whole.secrets > histories && whole.log_lines > 0, "nothing was heard: {whole:?}");
    });
}

#[test]
fn random_histories_keep_the_invariants_1() {
    keep_the_invariants(20_260_302, 8);
}

#[test]
fn random_histories_keep_the_invariants_2() {
    keep_the_invariants(20_260_303, 8);
}

#[test]
fn random_histories_keep_the_invariants_3() {
    keep_the_invariants(20_260_304, 8);
}

#[test]
fn random_histories_keep_the_invariants_4() {
    keep_the_invariants(20_260_305, 8);
}

/// One seed is one history, and one history is one outcome.
#[test]
fn a_history_replays() {
    roomy(|| {
        let seed = seed_of(7, 0);
        let history = History::drawn(seed, None);
        assert_eq!(History::drawn(seed, None).steps, history.steps);
        let (one, other) = (run(&history).unwrap(), run(&history).unwrap());
        assert_eq!((one.violations, one.operations, one.tally), (other.violations, other.operations, other.tally));
    });
}

/// A harness that sees nothing proves nothing: each bug that is planted on the wire is seen. The rarest shows in one history of a few dozen;
/// which one it is moves with each call that the product makes more or less.
#[test]
fn a_planted_bug_is_caught() {
    roomy(|| {
        for plant in Plant::ALL {
            let caught = (0..120).find_map(|number| {
                let (_, outcome) = drawn(seed_of(1, number), Some(plant)).unwrap();
                outcome.violations.first().map(|first| (number, first.chars().take(120).collect::<String>()))
            });
            let (number, violation) = caught.unwrap_or_else(|| panic!("{} is not caught", plant.name()));
            println!("{}: caught by history {number}: {violation}", plant.name());
        }
    });
}
