//! The project under attack: its files, its image, its mounts, and what must come to where.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::settings::Settings;
use crate::tools::Result;
use crate::tools::docker::Docker;
use crate::tools::project::ComposeProject;

/// What root alone may touch is made before the target is filled, so that a rebuild finds it in the cache and it stays the same.
const DOCKERFILE: &str = "\
FROM busybox:1.37
COPY adversary /adversary/adversary
RUN cp /bin/busybox /adversary/busybox \\
 && mkdir -m 700 /rootdir && mkdir -p APP/roots IN_PLACE /shared /srv /scratch /data2 && mkdir -m 755 /data \\
 && for file in /secret /rootdir/f0 /data/f0 APP/roots/keep; do echo secret >$file && chmod 600 $file; done \\
 && mkdir /data/sub /data/keep && echo mine >/data/keep/f0 && chmod 4755 /data/keep/f0 \\
 && ln -s /shared/conf APP/conf && ln -s /srv /srvlink \\
 && chown 1000:1000 APP IN_PLACE /shared /scratch /data2
ENV PATH=APP/bin:/bin LD_PRELOAD=APP/bin/preloaded.so
COPY --chown=1000:1000 conf /shared/conf
COPY --chown=1000:1000 single IN_PLACE
COPY --chown=1000:1000 src APP
CMD [\"/bin/sleep\", \"86400\"]
";

/// The project.
pub struct House<'a> {
    pub project: ComposeProject<'a>,
    /// The target of the sync.
    pub app: &'static str,
    /// That of the one that writes in place.
    pub in_place: &'static str,
    /// The folders of the project that are synced, and to where.
    pub syncs: Vec<(&'static str, String)>,
}

impl<'a> House<'a> {
    pub fn build(docker: &'a Docker, settings: &Settings, adversary: &Path) -> Result<Self> {
        let (app, in_place) = if settings.hardened {
            ("/data2/app", "/data2/inplace")
        } else {
            ("/app", "/inplace")
        };
        let mut syncs = vec![
            ("conf", format!("{app}/conf")),
            ("src", app.to_owned()),
            ("single", in_place.to_owned()),
        ];
        if !settings.hardened {
            syncs.push(("srv", "/srvlink".to_owned()));
        }
        let name = format!(
            "lutest-{}-{}-{}",
            std::process::id(),
            settings.label(),
            settings.seed
        );
        let house = Self {
            project: ComposeProject::create(docker, name, "")?,
            app,
            in_place,
            syncs,
        };
        house.furnish(settings, adversary)?;
        Ok(house)
    }

    /// What of the host is mounted at `/host`, and what within the target.
    pub fn of_the_host(&self) -> [PathBuf; 2] {
        [self.project.beside("outside"), self.project.beside("inner")]
    }

    fn furnish(&self, settings: &Settings, adversary: &Path) -> Result<()> {
        let home = self.project.home();
        fs::copy(adversary, home.join("adversary"))?;
        let text = DOCKERFILE
            .replace("APP", self.app)
            .replace("IN_PLACE", self.in_place);
        self.project.write("Dockerfile", text)?;
        self.project.write("compose.yaml", self.compose(settings))?;
        for directory in ["src/d0/e", "src/d1/e", "src/d2", "src/d3", "src/calm"] {
            fs::create_dir_all(home.join(directory))?;
            for number in 0..4 {
                let file = home.join(directory).join(format!("f{number}"));
                fs::write(file, "first\n")?;
            }
        }
        for directory in ["conf", "single", "srv"] {
            fs::create_dir_all(home.join(directory))?;
            for number in 0..4 {
                fs::write(home.join(directory).join(format!("f{number}")), "first\n")?;
            }
        }
        let [outside, inner] = self.of_the_host();
        for (folder, mark) in [(&outside, "is-outside"), (&inner, "is-the-hosts")] {
            fs::create_dir_all(folder.join("sub"))?;
            fs::create_dir_all(folder.join("e"))?;
            for (name, mode) in [
                ("secret", 0o600),
                ("f0", 0o644),
                ("f1", 0o600),
                ("sub/f0", 0o644),
                ("e/f0", 0o600),
                ("tool", 0o4755),
                (mark, 0o644),
            ] {
                fs::write(folder.join(name), format!("the host's {name}\n"))?;
                fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode))?;
            }
            for directory in ["", "sub", "e"] {
                fs::set_permissions(folder.join(directory), fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }

    fn compose(&self, settings: &Settings) -> String {
        let (app, in_place) = (self.app, self.in_place);
        let [outside, inner] = self.of_the_host();
        let (outside, inner) = (outside.display(), inner.display());
        let steps: Vec<String> = self
            .syncs
            .iter()
            .map(|(from, to)| {
                let how = if to == in_place {
                    ", in_place: true"
                } else {
                    ""
                };
                format!("      - sync: {{local_path: ./{from}, remote_path: {to}{how}}}\n")
            })
            .collect();
        let (hardened, volumes) = if settings.hardened {
            (
                "    read_only: true\n",
                "      - data2:/data2\n      - shared:/shared\n",
            )
        } else {
            ("", "")
        };
        format!(
            "services:\n  web:\n    build: .\n    init: true\n    user: '1000'\n    stop_grace_period: 1s\n{hardened}\
             \x20   volumes:\n      - {outside}:/host\n      - data:/data\n      - scratch:/scratch\n{volumes}\
             \x20     - vol:{app}/x/vol\n      - {inner}:{app}/y/vol\n    x-live-update:\n{}\
             volumes: {{data: , scratch: , vol: , data2: , shared: }}\n",
            steps.concat()
        )
    }
}
