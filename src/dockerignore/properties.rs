//! What holds for every ignore file and path.

use std::path::Path;

use proptest::prelude::*;

use super::{DockerIgnore, bytes, fuzz, path_of};

/// Text in which special characters and short names meet often.
fn pattern() -> impl Strategy<Value = String> {
    "[ab./*?!\\[\\]^\\-\\\\{}|,12 #éd$+()]{0,12}"
}

fn path() -> impl Strategy<Value = String> {
    "[ab.é\n]{1,3}(/[abc.]{1,3}){0,4}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic_or_disagree_with_itself(text in prop::collection::vec(any::<u8>(), 0..80), path in prop::collection::vec(any::<u8>(), 0..40)) {
        fuzz(&text, &path_of(&path));
    }

    #[test]
    fn no_pattern_makes_it_panic_or_disagree_with_itself(lines in prop::collection::vec(pattern(), 0..6), path in path()) {
        fuzz(lines.join("\n").as_bytes(), Path::new(&path));
    }

    #[test]
    fn a_plain_name_means_the_same_however_it_is_written(name in "[a-c]{1,2}(/[a-c]{1,2}){0,2}", path in path()) {
        let plain = DockerIgnore::parse(name.as_bytes()).unwrap();
        for same in [format!("./{name}"), format!("/{name}"), format!("{name}/"), format!(" {name}\r\n"), format!("x/../{name}")] {
            let written = DockerIgnore::parse(same.as_bytes()).unwrap();
            prop_assert_eq!(plain.ignores(Path::new(&path)), written.ignores(Path::new(&path)), "{}", same);
        }
    }

    #[test]
    fn without_exceptions_all_below_an_ignored_path_is_ignored(lines in prop::collection::vec("[abc*?/]{1,6}", 1..5), path in path()) {
        let ignore = DockerIgnore::parse(lines.join("\n").as_bytes()).unwrap();
        if ignore.ignores(Path::new(&path)) {
            let below = format!("{path}/x/y");
            prop_assert!(ignore.ignores(Path::new(&below)));
            prop_assert!(ignore.can_skip_directory(Path::new(&path)));
        }
    }

    #[test]
    fn the_short_forms_agree_with_the_automaton(pattern in "(\\*\\*/)?[ab.]{0,2}\\*{0,3}(/\\*\\*/)?[ab.]{0,2}(/\\*\\*)?", path in "[ab.\n]{1,3}(/[ab.]{1,3}){0,3}") {
        use super::{expression, program::Program, shape::Shape, subject::Subject, translate::{self, Kind}};
        if let Kind::Expression(text) = translate::kind(&pattern) {
            let node = expression::parse(&text).unwrap();
            if let Some(found) = Shape::of(&node).and_then(|shape| shape.matches(&Subject::new(path.as_bytes()))) {
                prop_assert_eq!(found, Program::new(&node).unwrap().matches(path.as_bytes()), "{}", text);
            }
        }
    }

    #[test]
    fn a_tidy_path_stays_as_it_is(path in "[a-c]{1,2}(/[a-c]{1,2}){0,3}") {
        prop_assert_eq!(&*bytes(Path::new(&path)), path.as_bytes());
    }
}
