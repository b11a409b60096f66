//! The environment of our own commands. They run as root, or as the owner of a directory, in a container whose environment was made by
//! image and compose file for another program: it may lead to directories that a user of the container can write.

/// Variables that are set for our commands, whatever the container's environment says.
///
/// The engine adds these to the container's environment and replaces existing ones. Each has a value that means the same as none;
/// not every engine understands a bare name as "without it". Variables that have an effect with any value, even an empty one
/// (`LD_SHOW_AUXV`, `LD_TRACE_LOADED_OBJECTS`, `POSIXLY_CORRECT`), are left as they are: they choose no program and no file.
const OWN: &[(&str, &str)] = &[
    // Where programs are looked for: the system's directories. Not `/usr/local`, where images let their users install things.
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/"),
    // What the dynamic loader (glibc's, musl's) would load into every program, or write about it.
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
    // The language and encoding of the messages that we read.
    ("LC_ALL", "C"),
    // What the C library writes or reads when a program traces its memory or looks up a name.
    ("MALLOC_TRACE", ""),
    ("RES_OPTIONS", ""),
    ("HOSTALIASES", ""),
    // Shells: files that are read first, and options (`xtrace` runs what is in `PS4`).
    ("ENV", ""),
    ("BASH_ENV", ""),
    ("SHELLOPTS", ""),
    ("BASHOPTS", ""),
    ("PS4", ""),
    ("CDPATH", ""),
    ("GLOBIGNORE", ""),
    // An empty value would not be neutral: our scripts rely on words ending at spaces.
    ("IFS", " \t\n"),
    ("TMPDIR", "/tmp"),
];

/// The environment for an exec of our own, as the Engine API takes it.
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
