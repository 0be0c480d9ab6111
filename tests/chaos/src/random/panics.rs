//! A panic of the product is a finding like any other: with the seed of its history, made as small as it goes, and heard (I12).

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// What panicked on this thread; `None` while nobody listens.
    static SAID: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs the work and answers with it what panicked meanwhile, whether somebody caught it or not; `None` where nobody did. Panics of other threads,
/// and of this one at other times, are left to whoever else listens to them.
pub(super) fn listened<T>(work: impl FnOnce() -> T) -> (Option<T>, Vec<String>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let words = panic.payload_as_str().unwrap_or("without words");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let heard = SAID.with_borrow_mut(|said| said.as_mut().map(|said| said.push(format!("{words}, at {place}"))).is_some());
            if !heard {
                others(panic);
            }
        }));
    });
    SAID.replace(Some(Vec::new()));
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    (done, SAID.replace(None).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::listened;

    #[test]
    fn a_panic_is_told_with_its_words_and_place() {
        let (done, said) = listened(|| {
            // One that somebody catches is told as well.
            assert!(std::panic::catch_unwind(|| panic!("the first")).is_err());
            panic!("the {}", "second");
        });
        assert!(done.is_none());
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("the first, at ") && said[1].starts_with("the second, at "), "{said:?}");
        assert!(said.iter().all(|text| text.contains("panics.rs:")), "{said:?}");
    }

    #[test]
    fn quiet_work_says_nothing() {
        assert_eq!(listened(|| 7), (Some(7), Vec::new()));
    }
}
