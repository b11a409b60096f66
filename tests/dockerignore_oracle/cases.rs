//! The ignore files that are put to the builder.

use crate::tree::FILES;

/// Files of which each shows one rule, or one oddity.
pub const TRICKY: &[&str] = &[
    // Cleaning.
    "",
    "\n \n\t\n",
    "a",
    "./a",
    "/a",
    "a/",
    "a//b",
    "a/./b",
    "a/../b",
    "//a",
    "/../a",
    "../a",
    "a/../../b",
    "/",
    ".",
    "a/..",
    " a",
    "a ",
    "\ta\t",
    "\u{a0}a\u{2003}",
    "a\r\nf\r\n",
    "\u{feff}a",
    "\u{feff}#a",
    "f\n\u{feff}b",
    "f\n\u{feff}b*",
    "a b",
    "/ a",
    "/ f",
    // Comments.
    "#a",
    " #a",
    "\\#a",
    "/#a",
    "f#a",
    "# a\nf",
    // Exceptions and their order.
    "*\n!f",
    "*\n! f",
    "*\n!/f",
    "*\n!./f",
    "*\n!a/b/f",
    "a\n!a/b",
    "!a/b\na",
    "a/b\n!a",
    "a/*\n!a",
    "a/**\n!a",
    "a\n!a/b\na/b/c",
    "a\n!a/b/f\na",
    "*\n!*.o",
    "**\n!**/*.o",
    "*\n!a\na/b",
    "*\n!a\n!b\nb/a",
    "*\n!src/**",
    "*\n!src/*",
    "*\n!src/*.c",
    "*\n!**/*.md",
    "node_modules\n!**/README.md",
    "node_modules\n!node_modules/m/README.md",
    "**/f\n!a/b/f",
    "**\n!a",
    "**\n!a/**",
    "**\n!a/*",
    "*\n!a/empty",
    "a\n!a/empty",
    "*\n!ablink",
    "*\n!link\nlin?",
    "!a",
    "!!a",
    "*\n!!a",
    "*\n!\\!a",
    "*\n/!a",
    "./!a\n",
    "*\n!../../a",
    "!../../a",
    "*\n!..",
    "*\n!.",
    "*\n!a|b/*",
    "*\n!q|lib/*",
    "*\n!y|z*",
    "*\n!^a*",
    "*\n!a**",
    "*\n!**",
    "*\n!**a",
    "*\n!a/../f",
    "*\n!.dockerignore",
    "*\n!d*\ndeep/1/2\n!deep/1/2/3/4",
    "*\n!deep/1/2/3/4/f",
    "deep/*/2\n!deep/1/2/3",
    "deep\n!deep/1\ndeep/1/2\n!deep/1/2/3",
    "*/*\n!a/b",
    "a/b/c\n!a/b\na",
    "*\n!a/\n",
    "a*\n!ab/f\n!abb",
    // Stars.
    "*",
    "**",
    "***",
    "****",
    "**/**",
    "**/*",
    "*/**",
    "*/*",
    "*/f",
    "**/f",
    "**f",
    "f**",
    "a**",
    "a**b",
    "a/**/f",
    "a/**",
    "a/**/",
    "**/a",
    "**/a/**",
    "**/a/*",
    "**/b/c",
    "**/*.o",
    "*.o",
    "a/*.o",
    "**/*a*",
    "*a*",
    "a*b",
    "**/**/f",
    "**/a/**/f",
    "a***f",
    "**.o",
    "deep/**/f",
    "deep/**/3/**",
    "d**/f",
    "**/n*",
    "**/l/f",
    "**/*l/f",
    "n*/f",
    "**/.*",
    ".*",
    "*.*",
    "*/.",
    // One character.
    "?",
    "a?",
    "a?b",
    "?/f",
    "???",
    "é",
    "?a",
    "é*",
    "[é]",
    "**/é",
    "x.?",
    // Classes.
    "[ab]",
    "[!a]*",
    "[^a]*",
    "a[b]b",
    "a[/]b",
    "a[^x]b",
    "a[^x]b*",
    "[a-c]b*",
    "[[]a]",
    "\\[a]",
    "[\\]]",
    "a]",
    "aa]",
    "[a*]",
    "[a?]",
    "[*]",
    "a[*]",
    "[[:alpha:]]",
    "[[:alpha:]]*",
    "[\\d]ata",
    "[\\w]*",
    "[^\\w]*",
    "x.[a-b]",
    "[a-z][a-z]b",
    "[!-#]a",
    "[a\\-c]-b",
    "[#]a",
    "[^/]*",
    "[|]*",
    "y[|]z",
    "[.]*",
    "*[.]o",
    "[{]a,b[}]",
    "[a**]*",
    // Escapes.
    "\\a*",
    "\\!a",
    "a\\*",
    "a\\b",
    "a\\\\b",
    "\\data",
    "\\dat?",
    "\\bdata",
    "da\\Bta",
    "\\x61*",
    "\\141ab",
    "\\Qa*",
    "\\Qa\\E*",
    "\\Qab",
    "a\\.o",
    "\\\\",
    "n\\nl",
    "\\A\\D*",
    "f\\z",
    "\\S*",
    "\\W*",
    "\\x{61}b*",
    "a\\/b",
    // What expressions know and globs do not.
    "{a,b}",
    "x.{a,b}",
    "*.{a,b}",
    "*{a,b}",
    "a{2}b",
    "a{2}*",
    "a{1,2}?*",
    "a{1,}*",
    "a{,2}*",
    "a{02}*",
    "y|z",
    "y|z*",
    "x|*",
    "||*",
    "a^b",
    "a^*",
    "^a*",
    "*^",
    "$*",
    "(a)*",
    "a+*",
    "a.o*",
    "*.o$",
    ".?",
    "a-?",
    "f{0}*",
    "^{2}f*",
    "a|b/f?",
    "**{a,b}",
    "**|f",
];

/// Files whose second line the builder refuses.
pub const REFUSED: &[&[u8]] = &[
    b"f\n!",
    b"f\n! ",
    b"f\n!/",
    b"f\na\\",
    b"f\n[",
    b"f\n[a",
    b"f\na[b*",
    b"f\n[]",
    b"f\n[]a]",
    b"f\n[a-]",
    b"f\n[-a]",
    b"f\n[^]",
    b"f\n[z-a]",
    b"f\n[[]a[]]",
    b"f\n[[:letters:]]",
    b"f\nsrc\\main",
    b"f\n\\1",
    b"f\n*{2}",
    b"f\na{1001}*",
    b"f\na{2,1}*",
    b"f\n[\\b]",
    b"f\n\\E",
    b"f\n\\\xC3\xA9",
];

/// Ignore files of one to six patterns made of the tree's names, the same for the same seed.
pub fn generated(seed: u64) -> impl Iterator<Item = String> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    std::iter::repeat_with(move || {
        let mut file = String::new();
        if dice.one_in(4) {
            file.push_str(dice.of(&["*\n", "**\n", "*/*\n", "a\n", "**/*\n"]));
        }
        for _ in 0..=dice.below(5) {
            file.push_str(&dice.pattern());
            file.push('\n');
        }
        file
    })
    // What no builder takes has a table of its own.
    .filter(|file| docker_liveupdate::dockerignore::DockerIgnore::parse(file.as_bytes()).is_ok())
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    fn pattern(&mut self) -> String {
        let mark = if self.one_in(3) { "!" } else { "" };
        let start = self.of(&[
            "", "", "", "", "", "**/", "**/", "**", "*/", "/", "./", "x/../", " ",
        ]);
        let end = self.of(&[
            "", "", "", "", "", "/**", "/*", "**", "/", "*", " ", "/**/*", "/.",
        ]);
        let path: Vec<&str> = self.of(FILES).split('/').collect();
        let from = self.below(path.len());
        let to = from + 1 + self.below(path.len() - from);
        let first = if self.one_in(2) { 0 } else { from };
        let names: Vec<String> = path[first..to].iter().map(|name| self.bend(name)).collect();
        let between = if self.one_in(8) { "/**/" } else { "/" };
        format!("{mark}{start}{}{end}", names.join(between))
    }

    /// The name, or something of wildcards and odd characters that is for it or nearly so.
    fn bend(&mut self, name: &str) -> String {
        if self.one_in(2) {
            return name.replace('\n', "?");
        }
        let mut bent = String::new();
        for char in name.chars() {
            match self.below(14) {
                0 => bent.push('?'),
                1 => bent.push('*'),
                2 => bent.push_str("**"),
                3 if !"]\\-^\n".contains(char) => bent.extend(['[', char, ']']),
                4 if !"]\\-^\n".contains(char) => bent.extend(['[', '^', char, ']']),
                5 if char.is_ascii_punctuation() => bent.extend(['\\', char]),
                6 => bent.push_str(self.of(&[
                    "{a,b}", "{1,2}", "[a-f]", "[!x]", "|", "^", "[a*]", "[?]", "\\w", "\\b",
                    "\\.", "[^/]", "\\d", "$", "+", "(",
                ])),
                7 => {}
                _ if char == '\n' => bent.push('?'),
                _ => bent.push(char),
            }
        }
        bent
    }
}
