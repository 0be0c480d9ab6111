//! Rust source as text, for promises that no lint can see.

use std::path::Path;

/// The words of a text: runs of letters, digits and underscores.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The lines of a source that are code: comments left out.
pub fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// The part of a source that ships: what stands before its test module.
#[must_use]
pub fn product_part(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod ").map_or(source, |at| source.get(..at).unwrap_or(source))
}

/// The part of a source that tests: all of a file that holds nothing else, or what follows the first `#[cfg(test)]`.
#[must_use]
pub fn test_part<'s>(path: &Path, source: &'s str) -> &'s str {
    let shown = crate::relative(path);
    let all_tests = ["tests/chaos/", "tests/e2e/", "tests/contract/", "tests/bench/"].iter().any(|folder| shown.starts_with(folder))
        || shown.split('/').skip(2).any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"));
    if all_tests {
        return source;
    }
    source.find("#[cfg(test)]").map_or("", |at| source.get(at..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipping_part_ends_at_the_test_module() {
        let source = "fn ships() {}\n#[cfg(test)]\nmod tests { fn r64() {} }\n";
        assert_eq!(product_part(source), "fn ships() {}\n");
        assert!(test_part(Path::new("shared/core/src/x.rs"), source).contains("r64"));
        assert!(!test_part(Path::new("shared/core/src/x.rs"), source).contains("ships"));
        assert_eq!(test_part(Path::new("shared/core/src/plan.rs"), "fn ships() {}"), "");
        assert_eq!(test_part(Path::new("shared/core/src/plan/tests.rs"), "fn r64() {}"), "fn r64() {}");
    }

    #[test]
    fn comments_are_not_code() {
        let lines: Vec<_> = code("let a = 1; // f64\n// f64\n").collect();
        assert_eq!(lines, [(1, "let a = 1; "), (2, "")]);
    }
}
