//! Runs a regular expression over a path, in time linear in the path's length. Knows nothing of patterns.

use super::{
    class::{Class, is_word},
    expression::{Assertion, Node},
    syntax::Complaint,
};

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub(super) enum Program {
    /// Anchored at both ends and short, as nearly all are: the set of states fits into one word.
    Small(Small),
    Large(Large),
}

/// More states than any hand-written pattern needs; `{1000}` a hundred times over.
const MOST_STATES: usize = 100_000;

impl Program {
    /// Fails when the expression would need too many states.
    pub fn new(node: &Node) -> Result<Self, Complaint> {
        if let Some(anchored) = node.anchored() {
            let code = Code::compile(anchored)?;
            if let Some(small) = Small::new(&code) {
                return Ok(Self::Small(small));
            }
        }
        Ok(Self::Large(Large(Code::compile(std::slice::from_ref(
            node,
        ))?)))
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Small(small) => small.run(small.start, chars(path)) & small.accept != 0,
            Self::Large(large) => large.find(path),
        }
    }

    /// Whether some path that begins with `directory` and a `/` might match.
    pub fn may_match_below(&self, directory: &[u8]) -> bool {
        match self {
            // Every state leads to a match, so any remaining state means that some path matches.
            Self::Small(small) => {
                let states = small.run(small.start, chars(directory));
                small.run(states, std::iter::once('/')) != 0
            }
            Self::Large(_) => true,
        }
    }
}

/// The path's characters as Go sees them: each byte that is not valid UTF-8 is one replacement character.
fn chars(path: &[u8]) -> impl Iterator<Item = char> {
    path.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(invalid)
    })
}

#[derive(Clone, Debug)]
enum State {
    Char(char, usize),
    /// The first field holds the class's ASCII characters as bits.
    Class(u128, Class, usize),
    Either(usize, usize),
    Assert(Assertion, usize),
    Match,
}

impl State {
    /// The state that the character leads to; `None` when it leads nowhere.
    fn after(&self, char: char) -> Option<usize> {
        match self {
            Self::Char(wanted, next) if *wanted == char => Some(*next),
            Self::Class(ascii, _, next) if char.is_ascii() => {
                (ascii >> u32::from(char) & 1 != 0).then_some(*next)
            }
            Self::Class(_, class, next) if class.contains(char) => Some(*next),
            _ => None,
        }
    }
}

/// The states of a Thompson automaton; each names its successors.
#[derive(Clone, Debug)]
struct Code {
    states: Vec<State>,
    start: usize,
}

impl Code {
    fn compile(nodes: &[Node]) -> Result<Self, Complaint> {
        let mut code = Self {
            states: vec![State::Match],
            start: 0,
        };
        code.start = code.all(nodes, 0)?;
        Ok(code)
    }

    fn all(&mut self, nodes: &[Node], next: usize) -> Result<usize, Complaint> {
        nodes
            .iter()
            .rev()
            .try_fold(next, |next, node| self.one(node, next))
    }

    fn one(&mut self, node: &Node, next: usize) -> Result<usize, Complaint> {
        match node {
            Node::Empty => Ok(next),
            Node::Char(char) => self.add(State::Char(*char, next)),
            Node::Class(class) => self.add(State::Class(class.ascii(), class.clone(), next)),
            Node::Assert(assertion) => self.add(State::Assert(*assertion, next)),
            Node::Concat(nodes) => self.all(nodes, next),
            Node::Either(branches) => {
                let mut entries = branches.iter();
                let Some(last) = entries.next_back() else {
                    return Ok(next);
                };
                let last = self.one(last, next)?;
                entries.rev().try_fold(last, |rest, branch| {
                    let entry = self.one(branch, next)?;
                    self.add(State::Either(entry, rest))
                })
            }
            Node::Repeat { node, min, max } => self.repeat(node, *min, *max, next),
        }
    }

    fn repeat(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        next: usize,
    ) -> Result<usize, Complaint> {
        let mut entry = next;
        match max {
            None => {
                entry = self.add(State::Either(next, next))?;
                let body = self.one(node, entry)?;
                if let Some(again) = self.states.get_mut(entry) {
                    *again = State::Either(body, next);
                }
            }
            Some(max) => {
                for _ in min..max {
                    let body = self.one(node, entry)?;
                    entry = self.add(State::Either(body, next))?;
                }
            }
        }
        for _ in 0..min {
            entry = self.one(node, entry)?;
        }
        Ok(entry)
    }

    fn add(&mut self, state: State) -> Result<usize, Complaint> {
        if self.states.len() >= MOST_STATES {
            return Err("it is too large to match with\nwrite several shorter patterns".to_owned());
        }
        self.states.push(state);
        Ok(self.states.len() - 1)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Small {
    states: Vec<State>,
    /// For each state, those that read a character or accept and can be reached from it without reading.
    reach: Vec<u64>,
    start: u64,
    accept: u64,
}

impl Small {
    /// `None` when there are too many states for one word.
    fn new(code: &Code) -> Option<Self> {
        if code.states.len() > 64 {
            return None;
        }
        let reach: Vec<u64> = (0..code.states.len())
            .map(|state| reach(&code.states, state))
            .collect();
        Some(Self {
            start: *reach.get(code.start)?,
            accept: 1,
            reach,
            states: code.states.clone(),
        })
    }

    fn run(&self, start: u64, chars: impl Iterator<Item = char>) -> u64 {
        let mut current = start;
        for char in chars {
            let mut next = 0;
            while current != 0 {
                let state = current.trailing_zeros() as usize;
                current &= current - 1;
                next |= self.states[state]
                    .after(char)
                    .map_or(0, |after| self.reach[after]);
            }
            if next == 0 {
                return 0;
            }
            current = next;
        }
        current
    }
}

fn reach(states: &[State], from: usize) -> u64 {
    let (mut seen, mut reached) = (0_u64, 0_u64);
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        if seen & (1 << state) != 0 {
            continue;
        }
        seen |= 1 << state;
        match states[state] {
            State::Either(one, other) => open.extend([one, other]),
            _ => reached |= 1 << state,
        }
    }
    reached
}

#[derive(Clone, Debug)]
pub(super) struct Large(Code);

impl Large {
    /// Whether the expression matches anywhere in the path.
    fn find(&self, path: &[u8]) -> bool {
        let mut current = States::new(self.0.states.len());
        let mut next = States::new(self.0.states.len());
        let mut before = None;
        let mut rest = chars(path).peekable();
        loop {
            let position = Position {
                before,
                after: rest.peek().copied(),
            };
            if self.reach(self.0.start, position, &mut current) {
                return true;
            }
            let Some(char) = rest.next() else {
                return false;
            };
            next.clear();
            let position = Position {
                before: Some(char),
                after: rest.peek().copied(),
            };
            for &state in &current.list {
                if let Some(after) = self.0.states[state].after(char)
                    && self.reach(after, position, &mut next)
                {
                    return true;
                }
            }
            std::mem::swap(&mut current, &mut next);
            before = Some(char);
        }
    }

    /// Adds the states that can be reached from `from` without reading; true when one of them accepts.
    fn reach(&self, from: usize, position: Position, states: &mut States) -> bool {
        let mut open = vec![from];
        while let Some(state) = open.pop() {
            if !states.insert(state) {
                continue;
            }
            match self.0.states[state] {
                State::Either(one, other) => open.extend([one, other]),
                State::Assert(assertion, next) if position.holds(assertion) => open.push(next),
                State::Match => return true,
                State::Char(..) | State::Class(..) | State::Assert(..) => {}
            }
        }
        false
    }
}

/// A position between two characters, for `^`, `$` and `\b`.
#[derive(Clone, Copy)]
struct Position {
    before: Option<char>,
    after: Option<char>,
}

impl Position {
    fn holds(self, assertion: Assertion) -> bool {
        let border = self.before.is_some_and(is_word) != self.after.is_some_and(is_word);
        match assertion {
            Assertion::Begin => self.before.is_none(),
            Assertion::End => self.after.is_none(),
            Assertion::WordBorder => border,
            Assertion::NoWordBorder => !border,
        }
    }
}

struct States {
    list: Vec<usize>,
    present: Vec<bool>,
}

impl States {
    fn new(count: usize) -> Self {
        Self {
            list: Vec::new(),
            present: vec![false; count],
        }
    }

    fn insert(&mut self, state: usize) -> bool {
        let new = !std::mem::replace(&mut self.present[state], true);
        if new {
            self.list.push(state);
        }
        new
    }

    fn clear(&mut self) {
        for state in self.list.drain(..) {
            self.present[state] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::expression, Program};

    fn finds(expression: &str, path: &str) -> bool {
        Program::new(&expression::parse(expression).unwrap())
            .unwrap()
            .matches(path.as_bytes())
    }

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (expression, matching, other) in [
            ("^[^/]*\\.js$", "a.js", "a/b.js"),
            ("^(.*/)?a$", "x/y/a", "xa"),
            ("^a(.*/)?b$", "ax/b", "axb"),
            ("^a{2}[^/]*$", "aab", "ab"),
            ("^a{2,}b$", "aaaab", "ab"),
            ("^a{1,2}b$", "aab", "aaab"),
            ("^a{,2}b$", "a{,2}b", "aab"),
            ("^a{01}b$", "a{01}b", "ab"),
            ("^a|b[^/]*$", "axx", "xa"),
            ("^^a$", "a", "^a"),
            ("^a^b$|^c$", "c", "a^b"),
            ("^\\bdata$", "data", "bdata"),
            ("^\\d\\x41\\101$", "1AA", "dAA"),
            ("^\\Qa*b\\E[^/]$", "a*bc", "aab"),
            ("^é[^/]$", "éa", "ab"),
            ("^.$", "é", "\n"),
        ] {
            assert!(
                finds(expression, matching),
                "`{expression}` on `{matching}`"
            );
            assert!(!finds(expression, other), "`{expression}` on `{other}`");
        }
        assert!(finds("^a||b$", "an empty branch is found anywhere"));
    }

    #[test]
    fn a_byte_that_is_no_utf8_is_one_character() {
        let program = Program::new(&expression::parse("^a[^/][^/]b$").unwrap()).unwrap();
        assert!(program.matches(b"a\xE2\x82b"));
        assert!(!program.matches(b"a\xE2b"));
    }

    #[test]
    fn stars_without_end_take_linear_time() {
        let stars = format!("^{}b$", "[^/]*a".repeat(30));
        assert!(!finds(&stars, &"a".repeat(4000)));
        let many = format!("^{}b$", "(.*/)?".repeat(500));
        assert!(!finds(&many, &"a/".repeat(500)));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for expression in [
            "^\\y$",
            "^\\é$",
            "^\\1$",
            "^[^/]*{2}$",
            "^(.*/)?{2}$",
            "^a{2}{3}$",
            "^a{1001}$",
            "^a{2,1}$",
            "^\\p$",
            "^|{2}$",
        ] {
            let compiled = expression::parse(expression).and_then(|node| Program::new(&node));
            assert!(compiled.is_err(), "`{expression}`");
        }
    }

    #[test]
    fn an_expression_of_too_many_states_is_refused() {
        let node = expression::parse(&format!("^{}$", "a{1000}".repeat(101))).unwrap();
        assert!(Program::new(&node).is_err());
    }

    #[test]
    fn a_directory_under_which_nothing_can_match_is_known() {
        let below = |expression: &str, directory: &str| {
            Program::new(&expression::parse(expression).unwrap())
                .unwrap()
                .may_match_below(directory.as_bytes())
        };
        assert!(!below("^[^/]*\\.md$", "node_modules"));
        assert!(!below("^src/[^/]*$", "node_modules"));
        assert!(below("^src/[^/]*$", "src"));
        assert!(below("^(.*/)?[^/]*\\.md$", "node_modules"));
    }
}
