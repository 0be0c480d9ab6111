use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,40}") {
        let _ = (instant(&text), day(&text), instant(&format!("/Date({text})/")));
    }
}

#[test]
fn a_date_does_not_move_by_a_day() {
    let day_of = |text| day(text).map(|day| day.to_string());
    assert_eq!(day_of("2026-01-15T00:00:00").as_deref(), Some("2026-01-15"));
    assert_eq!(day_of("2026-01-15").as_deref(), Some("2026-01-15"));
    assert_eq!(day_of("/Date(1658880000000+0000)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(1658880000000+1300)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(1658880000000-0800)/").as_deref(), Some("2022-07-27"));
    assert_eq!(day_of("/Date(-86400000)/").as_deref(), Some("1969-12-31"));
    for nonsense in ["", "/Date()/", "/Date(x)/", "15/01/2026", "2026-13-01", "/Date(99999999999999999999)/", "ééééé"] {
        assert_eq!(day_of(nonsense), None, "{nonsense}");
    }
}
