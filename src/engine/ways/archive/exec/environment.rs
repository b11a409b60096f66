//! The environment of commands that are ours. They run as root, or as whoever owns a directory, in a container whose environment the image
//! and the compose file made for their own program: it may lead to folders that a user of the container can write.

/// What the container's environment has to say on these has no say in our commands.
///
/// The engine adds these to the container's own and replaces what is there. Each stands with a value that means the same as
/// none; not every engine understands a bare name as "without it". Variables that have an effect with any value, the empty
/// one too (`LD_SHOW_AUXV`, `LD_TRACE_LOADED_OBJECTS`, `POSIXLY_CORRECT`), are left as they are: they choose no program and
/// no file.
const OWN: &[(&str, &str)] = &[
    // Where programs are: the system's own folders. `/usr/local` is where images let their users install things.
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/"),
    // What the dynamic loader (glibc's, musl's) would load into every program, or write down about it.
    ("LD_PRELOAD", ""),
    ("LD_LIBRARY_PATH", ""),
    ("LD_AUDIT", ""),
    ("LD_DEBUG", ""),
    ("LD_DEBUG_OUTPUT", ""),
    ("LD_PROFILE", ""),
    ("LD_PROFILE_OUTPUT", ""),
    ("GLIBC_TUNABLES", ""),
    // What the C library loads or reads for character sets, languages and messages.
    ("GCONV_PATH", ""),
    ("LOCPATH", ""),
    ("MUSL_LOCPATH", ""),
    ("NLSPATH", ""),
    // Answers in the words and the bytes that we read.
    ("LC_ALL", "C"),
    // What the C library writes or reads where a program traces its memory or asks for a name.
    ("MALLOC_TRACE", ""),
    ("RES_OPTIONS", ""),
    ("HOSTALIASES", ""),
    // Shells: files that are read first, and options (`xtrace` runs what stands in `PS4`).
    ("ENV", ""),
    ("BASH_ENV", ""),
    ("SHELLOPTS", ""),
    ("BASHOPTS", ""),
    ("PS4", ""),
    ("CDPATH", ""),
    ("GLOBIGNORE", ""),
    // An empty one would not be neutral: our scripts count on words ending at spaces.
    ("IFS", " \t\n"),
    ("TMPDIR", "/tmp"),
];

/// For an exec of our own, as the Engine API takes it.
pub fn own_environment() -> Vec<String> {
    OWN.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_path_of_the_systems_and_nothing_that_loads_or_runs_anything() {
        let all = own_environment();
        for line in [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/",
            "LD_PRELOAD=",
            "LD_LIBRARY_PATH=",
            "BASH_ENV=",
            "IFS= \t\n",
            "LC_ALL=C",
        ] {
            assert!(all.iter().any(|own| own == line), "{line}");
        }
    }

    #[test]
    fn each_stands_once_and_none_that_has_an_effect_when_empty() {
        let names: HashSet<_> = OWN.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), OWN.len());
        for name in [
            "LD_SHOW_AUXV",
            "LD_TRACE_LOADED_OBJECTS",
            "LD_DYNAMIC_WEAK",
            "POSIXLY_CORRECT",
        ] {
            assert!(!names.contains(name), "{name}");
        }
    }
}
