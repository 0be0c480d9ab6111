//! Where lines stand in a document: a line's `sequence` orders it, is unique in its document, and can never be changed
//! (docs/vendors/business-central.md, section 5).

use uuid::Uuid;

use super::profile::SEQUENCE_STEP;

/// The ledger's id of a line, which changes when the document is posted, and its place, which does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineRef {
    pub(super) id: Uuid,
    pub(super) sequence: u32,
}

impl LineRef {
    /// As a line id: `{id}/{sequence}`.
    pub(super) fn write(self) -> String {
        format!("{}/{}", self.id, self.sequence)
    }

    /// From a text of [`Self::write`].
    pub(super) fn read(text: &str) -> Option<Self> {
        let (id, sequence) = text.split_once('/')?;
        Some(Self { id: Uuid::try_parse(id).ok()?, sequence: sequence.parse().ok()? })
    }
}

/// The sequence of a new document's line, by its index.
pub(super) fn of_new(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1).saturating_mul(SEQUENCE_STEP)
}

/// What becomes of a line of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is there, and stays where it is.
    Stays(LineRef),
    /// It is made at this sequence; the line that it replaces, which stands at the wrong place, goes first.
    Made { sequence: u32, instead_of: Option<LineRef> },
}

/// Places the lines of an update in their order: as many as possible stay, the others are made anew between them.
pub(super) fn place(lines: &[Option<LineRef>]) -> Vec<Placed> {
    let mut stays = longest_rising(lines);
    loop {
        match sequences(lines, &stays) {
            Ok(sequences) => {
                let placed = lines.iter().zip(&stays).zip(sequences);
                return placed
                    .map(|((line, stays), sequence)| match line {
                        Some(line) if *stays => Placed::Stays(*line),
                        _ => Placed::Made { sequence, instead_of: *line },
                    })
                    .collect();
            }
            // No room before this line: it is made anew as well, further down.
            Err(tight) => {
                for stays in stays.iter_mut().skip(tight).take(1) {
                    *stays = false;
                }
            }
        }
    }
}

/// The sequences of all lines, or the line that stays and leaves too little room before it.
fn sequences(lines: &[Option<LineRef>], stays: &[bool]) -> Result<Vec<u32>, usize> {
    let fixed = |index: usize| lines.get(index).copied().flatten().filter(|_| stays.get(index) == Some(&true)).map(|line| line.sequence);
    let mut out: Vec<u32> = Vec::with_capacity(lines.len());
    let mut last = 0;
    for index in 0..lines.len() {
        if let Some(sequence) = fixed(index) {
            last = sequence;
            out.push(sequence);
            continue;
        }
        let next = (index..lines.len()).find_map(|ahead| fixed(ahead).map(|sequence| (ahead, sequence)));
        let step = match next {
            None => SEQUENCE_STEP,
            Some((ahead, sequence)) => {
                let slots = u32::try_from(ahead - index).unwrap_or(u32::MAX).saturating_add(1);
                let step = sequence.saturating_sub(last) / slots;
                if step == 0 {
                    return Err(ahead);
                }
                step
            }
        };
        last = last.saturating_add(step);
        out.push(last);
    }
    Ok(out)
}

/// Which of the lines that are there already can stay: a longest choice whose sequences rise.
fn longest_rising(lines: &[Option<LineRef>]) -> Vec<bool> {
    // (index, sequence, length of the longest choice that ends here, the one before in it)
    let mut ends: Vec<(usize, u32, usize, Option<usize>)> = Vec::new();
    for (index, sequence) in lines.iter().enumerate().filter_map(|(index, line)| line.map(|line| (index, line.sequence))) {
        let before = ends.iter().enumerate().filter(|(_, end)| end.1 < sequence).max_by_key(|(_, end)| end.2).map(|(at, end)| (at, end.2));
        ends.push((index, sequence, before.map_or(1, |(_, length)| length + 1), before.map(|(at, _)| at)));
    }
    let mut stays = vec![false; lines.len()];
    let mut at = ends.iter().enumerate().max_by_key(|(_, end)| end.2).map(|(at, _)| at);
    while let Some(end) = at.and_then(|at| ends.get(at)) {
        for stays in stays.iter_mut().skip(end.0).take(1) {
            *stays = true;
        }
        at = end.3;
    }
    stays
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(sequence: u32) -> Option<LineRef> {
        Some(LineRef { id: Uuid::from_u128(u128::from(sequence)), sequence })
    }

    fn shown(lines: &[Option<LineRef>]) -> Vec<String> {
        place(lines)
            .into_iter()
            .map(|placed| match placed {
                Placed::Stays(line) => line.sequence.to_string(),
                Placed::Made { sequence, instead_of: None } => format!("+{sequence}"),
                Placed::Made { sequence, instead_of: Some(old) } => format!("{}->{sequence}", old.sequence),
            })
            .collect()
    }

    #[test]
    fn a_line_id_comes_back() {
        let line = LineRef { id: Uuid::from_u128(7), sequence: 20_000 };
        assert_eq!(LineRef::read(&line.write()), Some(line));
        for text in ["", "x/1", "00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007/-1"] {
            assert_eq!(LineRef::read(text), None, "{text}");
        }
    }

    #[test]
    fn new_lines_stand_where_they_belong_and_the_others_stay() {
        for (lines, expected) in [
            (vec![line(10_000), line(20_000)], vec!["10000", "20000"]),
            (vec![line(10_000), None], vec!["10000", "+20000"]),
            (vec![None, line(10_000)], vec!["+5000", "10000"]),
            (vec![line(10_000), None, None, line(20_000)], vec!["10000", "+13333", "+16666", "20000"]),
            (vec![None, None], vec!["+10000", "+20000"]),
            (vec![line(20_000), line(10_000)], vec!["20000->5000", "10000"]),
            (vec![line(30_000), line(10_000), line(20_000)], vec!["30000->5000", "10000", "20000"]),
            (vec![line(1), None, line(2), line(3)], vec!["1", "+10001", "2->20001", "3->30001"]),
            (vec![], vec![]),
        ] {
            assert_eq!(shown(&lines), expected, "{lines:?}");
        }
        assert_eq!([of_new(0), of_new(1), of_new(499)], [10_000, 20_000, 5_000_000]);
    }

    proptest! {
        /// Sequences rise, are unique, and a line that stays keeps its own.
        #[test]
        fn placed_lines_rise(raw in proptest::collection::vec(proptest::option::of(1_u32..60), 0..30)) {
            let mut seen = std::collections::BTreeSet::new();
            let lines: Vec<Option<LineRef>> = raw.into_iter().map(|sequence| sequence.filter(|s| seen.insert(*s)).and_then(line)).collect();
            let placed = place(&lines);
            prop_assert_eq!(placed.len(), lines.len());
            let sequences: Vec<u32> = placed.iter().map(|placed| match placed {
                Placed::Stays(line) => line.sequence,
                Placed::Made { sequence, .. } => *sequence,
            }).collect();
            prop_assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", sequences);
            for (line, placed) in lines.iter().zip(&placed) {
                match placed {
                    Placed::Stays(stays) => prop_assert_eq!(Some(*stays), *line),
                    Placed::Made { instead_of, .. } => prop_assert_eq!(*instead_of, *line),
                }
            }
        }
    }
}
