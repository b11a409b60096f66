//! A world for one service to be told of: a disk, an engine and a clock that are values as it is. What the service does is
//! written down, line by line, and answered as the test says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::compose::block::{Does, Run, Work};
use crate::compose::{self, Mount, Project, Service};
use crate::engine::{
    Applied, Body, Container, ContainerId, EngineError, Fingerprint, Fingerprints, Restarted,
    State, There, Via,
};
use crate::paths::{ContainerPath, HostPath};
use crate::plan::Rules;
use crate::report::{Failure, RunEnd, RunFailed};
use crate::service::action::{Action, Build, Done, Scanned};
use crate::service::compare::{About, Comparison};
use crate::service::disk::Disk;
use crate::service::stages::Target;
use crate::service::update::{Loaded, StepFailure, Turn, Update};
use crate::service::{Configuration, LiveService, Looking, Message, Rebuild, Start};
use crate::watch::git::Writes;
use crate::watch::{Change, Entries, Entry, Inode, Kind, Scope, Stage, Touch};

/// What the engine answers to the next copy, command or build, in place of doing it.
#[derive(Debug)]
pub enum Answer {
    Copy(EngineError),
    Exit(i64),
    Build(EngineError),
    /// The image comes out as it was.
    SameImage,
    /// The containers cannot be listed.
    Find(EngineError),
    /// The container does not stay up.
    EndsAtOnce,
    /// The process has to be killed.
    Killed,
    /// This file changes while it is read.
    BrokenOff(&'static str),
    /// Git is at work.
    GitWrites,
}

pub struct World {
    pub service: LiveService,
    pub now: Instant,
    modified: SystemTime,
    disk: BTreeMap<HostPath, (Entry, String)>,
    /// The files whose content decides, as they were looked into last.
    contents: BTreeMap<HostPath, String>,
    pub containers: Vec<Container>,
    held: BTreeMap<ContainerId, Fingerprints>,
    image: u32,
    answers: VecDeque<Answer>,
    log: Vec<String>,
}

pub fn path(name: &str) -> HostPath {
    HostPath::new("/p").unwrap().join(name)
}

pub fn at(path: &str) -> ContainerPath {
    ContainerPath::new(path).unwrap()
}

fn file(text: &str) -> Fingerprint {
    Fingerprint::File {
        mode: 0o644,
        hash: xxhash_rust::xxh3::xxh3_128(text.as_bytes()),
    }
}

fn project(block: &str, builds: bool) -> (Arc<Project>, Service) {
    let root = HostPath::new("/p").unwrap();
    let (block, problems) = compose::read_block(block, &root);
    assert!(problems.is_empty(), "{problems:?}");
    let service = Service {
        name: "web".into(),
        image: "p-web".into(),
        build: builds.then(|| compose::Build {
            dockerfile: Some(root.join("Dockerfile")),
            ignore_file: root.join(".dockerignore"),
            context: root.clone(),
            additional_contexts: Vec::new(),
            service_contexts: BTreeMap::new(),
        }),
        block: Some(block),
        ..Service::default()
    };
    let project = Project {
        name: "p".into(),
        dir: root,
        sources: Vec::new(),
        services: vec![service.clone()],
    };
    (Arc::new(project), service)
}

pub fn configuration(block: &str, builds: bool) -> Configuration {
    let (project, service) = project(block, builds);
    let scope = Scope::of(&project, &service, |_| Ok(None)).unwrap();
    let target = Target {
        service: "web".into(),
        custom: None,
        along: Vec::new(),
    };
    Configuration {
        rules: Rules::of(&project, &service).unwrap(),
        scope: Arc::new(scope),
        targets: builds.then_some(target).into_iter().collect(),
        can_build: builds,
        project,
        service,
    }
}

pub fn container(name: &str, image: &str, state: State) -> Container {
    Container {
        id: ContainerId(format!("{name}-of-{image}")),
        name: name.into(),
        service: "web".into(),
        number: 1,
        image_id: image.into(),
        state,
        mounts: Vec::new(),
        read_only: false,
        tty: false,
        stop_signal: "SIGTERM".into(),
        init: false,
        user: String::new(),
        group_add: Vec::new(),
        started: String::new(),
        workdir: String::new(),
        addresses: Vec::new(),
    }
}

impl World {
    /// A service with this block, whose image was just built of `src/old` and whose containers are in these states.
    pub fn new(block: &str, states: &[State]) -> Self {
        Self::begin(block, states, true)
    }

    /// The same, of an image that nobody here built or can build.
    pub fn with_an_image_alone(block: &str, states: &[State]) -> Self {
        Self::begin(block, states, false)
    }

    fn begin(block: &str, states: &[State], builds: bool) -> Self {
        let now = Instant::now();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let entry = entry(3, modified);
        let disk = BTreeMap::from([(path("src/old"), (entry, "old".to_owned()))]);
        let first = disk
            .iter()
            .map(|(path, (entry, _))| (path.clone(), entry.clone()));
        let start = Start {
            config: configuration(block, builds),
            disk: Disk::of(vec![Arc::new(first.collect::<Entries>())]),
            built: builds.then(|| "image-1".to_owned()),
            build_failed: false,
            preexisting: BTreeSet::new(),
            how_to_apply: "`u`".into(),
        };
        let mut world = Self {
            service: LiveService::new(start, now),
            now,
            modified,
            disk,
            contents: BTreeMap::new(),
            containers: Vec::new(),
            held: BTreeMap::new(),
            image: 1,
            answers: VecDeque::new(),
            log: Vec::new(),
        };
        for (index, state) in states.iter().enumerate() {
            world.make(&format!("web-{}", index + 1), *state);
        }
        world.hear(Message::Containers);
        world.log.clear();
        world
    }

    /// A container of the present image.
    pub fn make(&mut self, name: &str, state: State) {
        let container = container(name, &format!("image-{}", self.image), state);
        let held = BTreeMap::from([(at("/app/old"), file("old"))]);
        self.held.insert(container.id.clone(), held);
        self.containers.push(container);
    }

    pub fn set_state(&mut self, name: &str, state: State) {
        let mut containers = self.containers.iter_mut();
        let container = containers.find(|container| container.name == name).unwrap();
        container.state = state;
    }

    pub fn mount(&mut self, mount: &Mount) {
        for container in &mut self.containers {
            container.mounts.push(mount.clone());
        }
        self.hear(Message::Containers);
        self.log.clear();
    }

    /// The engine answers so in turn.
    pub fn answers(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.extend(answers);
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.modified += Duration::from_millis(milliseconds);
    }

    /// A save, heard at once.
    pub fn write(&mut self, name: &str, text: &str) {
        let entry = entry(text.len() as u64, self.modified);
        self.disk.insert(path(name), (entry, text.to_owned()));
        self.touch(name, Stage::Complete);
    }

    /// A save that nobody hears of.
    pub fn write_unheard(&mut self, name: &str, text: &str) {
        let entry = entry(text.len() as u64, self.modified);
        self.disk.insert(path(name), (entry, text.to_owned()));
    }

    pub fn remove(&mut self, name: &str) {
        self.disk.remove(&path(name));
        self.touch(name, Stage::Gone);
    }

    pub fn touch(&mut self, name: &str, stage: Stage) {
        self.hear(Message::Touched(Touch {
            path: path(name),
            at: self.now,
            stage,
        }));
    }

    pub fn hear(&mut self, message: Message) {
        let actions = self.service.on(message, self.now);
        self.act(actions);
    }

    pub fn act(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            let line = action.to_string();
            if !matches!(action, Action::Continue(_) | Action::TellDeletions) && line != "say: " {
                self.log.push(line);
            }
            if let Some(done) = self.execute(action) {
                let next = self.service.record(done, self.now);
                next.into_iter()
                    .rev()
                    .for_each(|action| queue.push_front(action));
            }
        }
        self.service.rest();
    }

    /// Lets time pass until nothing is due any more; what was done meanwhile is this, line by line.
    #[track_caller]
    pub fn does(&mut self, expected: &[&str]) {
        while let Some(due) = self.service.due() {
            assert!(
                due < self.now + Duration::from_secs(100),
                "it never comes to rest: {:#?}",
                self.log
            );
            let passed = due.saturating_duration_since(self.now);
            self.now += passed;
            self.modified += passed;
            while let Some(actions) = self.service.on_time(self.now) {
                self.act(actions);
            }
        }
        self.did(expected);
    }

    /// Only what is due just now.
    #[track_caller]
    pub fn does_now(&mut self, expected: &[&str]) {
        self.wait(2);
        while let Some(actions) = self.service.on_time(self.now) {
            self.act(actions);
        }
        self.did(expected);
    }

    #[track_caller]
    pub fn did(&mut self, expected: &[&str]) {
        let log = std::mem::take(&mut self.log);
        assert_eq!(log, expected, "{log:#?}");
    }

    /// What the container has at a path, if it is this text.
    #[track_caller]
    pub fn has(&self, name: &str, to: &str, text: Option<&str>) {
        let mut containers = self.containers.iter();
        let container = containers.find(|container| container.name == name).unwrap();
        assert_eq!(
            self.held[&container.id].get(&at(to)),
            text.map(file).as_ref()
        );
    }

    fn answer(&mut self, is_meant: impl Fn(&Answer) -> bool) -> Option<Answer> {
        let next = self.answers.front()?;
        if is_meant(next) {
            self.answers.pop_front()
        } else {
            None
        }
    }

    fn execute(&mut self, action: Action) -> Option<Done> {
        Some(match action {
            Action::Find(find) => match self.answer(|it| matches!(it, Answer::Find(_))) {
                Some(Answer::Find(error)) => Done::Found(find, Err(error)),
                _ => Done::Found(find, Ok(self.containers.clone())),
            },
            Action::Admit(all) => {
                let answered = all.into_iter().map(|admission| {
                    let asked = admission.about.iter();
                    let answers = asked.map(|about| Ok(self.compare(&admission.container, about)));
                    let answers = answers.collect();
                    (admission, answers)
                });
                Done::Admitted(answered.collect())
            }
            Action::Compare(asked, what_for) => {
                let answered = asked.into_iter().map(|(container, about)| {
                    let answer = self.compare(&container, &about);
                    (container, about, Ok(answer))
                });
                Done::Compared(answered.collect(), what_for)
            }
            Action::Look(looking) => self.look(looking),
            Action::Scan(looks, begun) => {
                let seen = self.disk.iter();
                let seen: Entries = seen
                    .map(|(path, (entry, _))| (path.clone(), entry.clone()))
                    .collect();
                Done::Scanned(Scanned {
                    begun,
                    since: looks.since(),
                    seen: vec![Arc::new(seen)],
                })
            }
            Action::AskGit(costly) => {
                let writes = self.answer(|it| matches!(it, Answer::GitWrites));
                let writes = writes.map_or(Writes::No, |_| Writes::Yes);
                Done::GitSaid(costly, writes)
            }
            Action::Read(update) => {
                let mut loaded = Loaded::default();
                for copy in update.copies() {
                    let text = &self.disk[&copy.from].1;
                    let bytes = Body::Bytes(Bytes::from(text.clone()));
                    loaded.insert(copy.from.clone(), bytes, file(text));
                }
                Done::Read(update, loaded, Vec::new())
            }
            Action::Copy(update) => Done::Copied(self.copy(update)),
            Action::Locate(update, asked) => {
                let found = asked.iter().map(|_| BTreeMap::new()).collect();
                Done::Located(update, found)
            }
            Action::Start(update) => Done::Started(self.start(update)),
            Action::Finish(update) => Done::Finished(self.finish(update)),
            Action::ReadIgnoreFiles(rebuild) => Done::IgnoreFilesRead(rebuild, None),
            Action::Build(rebuild) => self.build(rebuild),
            Action::Identify(rebuild) => {
                let image = format!("image-{}", self.image);
                let running = if rebuild.asks_containers {
                    self.containers.clone()
                } else {
                    Vec::new()
                };
                Done::Identified(rebuild, Some(image), running)
            }
            Action::Recreate(rebuild) => self.recreate(rebuild),
            Action::Continue(step) => Done::Reached(step),
            Action::Say(_)
            | Action::Conclude(..)
            | Action::TellDeletions
            | Action::TellOtherNames(_)
            | Action::TellEnd(_)
            | Action::Forget(_)
            | Action::WarmUp(_)
            | Action::Release(_)
            | Action::ListenForCrashes(_) => return None,
        })
    }

    fn look(&mut self, mut looking: Looking) -> Done {
        let mut changes = std::mem::take(&mut looking.seen);
        for path in &looking.asked {
            changes.push(match self.disk.get(path) {
                Some((entry, _)) => Change::Written(path.clone(), entry.clone()),
                None => Change::Removed(path.clone()),
            });
        }
        let by_content = changes
            .iter()
            .filter(|it| self.service.decides_by_content(it));
        let same = by_content.map(Change::path).filter(|path| {
            let now = self.disk[*path].1.clone();
            self.contents.insert((*path).clone(), now.clone()) == Some(now)
        });
        let same = same.cloned().collect();
        Done::Looked(looking, changes, same)
    }

    fn build(&mut self, rebuild: Rebuild) -> Done {
        let began = self.modified;
        self.wait(1000);
        let result = match self.answer(|it| matches!(it, Answer::Build(_) | Answer::SameImage)) {
            Some(Answer::Build(error)) => Err(error),
            Some(_) => Ok(()),
            None => {
                self.image += 1;
                Ok(())
            }
        };
        let took = Duration::from_secs(1);
        Done::Built(
            rebuild,
            Build {
                began,
                took,
                result,
            },
        )
    }

    fn recreate(&mut self, rebuild: Option<Rebuild>) -> Done {
        let names: Vec<String> = self.containers.drain(..).map(|it| it.name).collect();
        let names = if names.is_empty() {
            vec!["web-1".to_owned()]
        } else {
            names
        };
        for name in names {
            self.make(&name, State::Running);
            let id = self.containers.last().unwrap().id.clone();
            let held = self.held.get_mut(&id).unwrap();
            for (path, (_, text)) in &self.disk {
                let targets = self.service.config().rules.targets(path);
                held.extend(targets.map(|target| (target.to, file(text))));
            }
        }
        Done::Recreated(rebuild, Ok(()), Duration::from_millis(200))
    }

    fn compare(&self, container: &Container, about: &About) -> Comparison {
        let wanted = self.service.wanted(about, container);
        let held = &self.held[&container.id];
        let mut comparison = Comparison::default();
        for expected in wanted.expected {
            let host = expected.source.path().clone();
            let wanted = file(&self.disk[&host].1);
            match held.get(&expected.to) {
                None => comparison.missing.push((host, expected.to)),
                Some(there) if *there == wanted => comparison.same.push((expected.to, wanted)),
                Some(there) => comparison.changed.push((host, expected.to, there.clone())),
            }
        }
        for (host, to) in wanted.gone {
            if let Some(there) = held.get(&to) {
                comparison.stale.push((host, to, there.clone()));
            }
        }
        comparison
    }

    fn copy(&mut self, mut update: Update) -> Update {
        for part in &mut update.parts {
            if part.delta.is_empty() {
                continue;
            }
            if let Some(Answer::Copy(error)) = self.answer(|it| matches!(it, Answer::Copy(_))) {
                part.landed.files = Err(error);
                continue;
            }
            let broken_off = match self.answer(|it| matches!(it, Answer::BrokenOff(_))) {
                Some(Answer::BrokenOff(to)) => vec![at(to)],
                _ => Vec::new(),
            };
            let applied = self.apply(&part.container.id, &part.delta, broken_off);
            part.landed.files = Ok(Some(applied));
            part.landed.copy = Some(Duration::from_millis(1));
        }
        update
    }

    fn apply(
        &mut self,
        id: &ContainerId,
        delta: &crate::engine::Delta,
        broken_off: Vec<ContainerPath>,
    ) -> Applied {
        let held = self.held.get_mut(id).unwrap();
        let mut same = Vec::new();
        for put in delta.put.iter().filter(|put| !broken_off.contains(&put.to)) {
            let Body::Bytes(bytes) = &put.body else {
                continue;
            };
            let new = file(str::from_utf8(bytes).unwrap());
            let may_be = matches!(&put.there, There::Perhaps(_) | There::Probably(_));
            if held.insert(put.to.clone(), new.clone()) == Some(new) && may_be {
                same.push(put.to.clone());
            }
        }
        for gone in delta.remove.iter().chain(&delta.remove_dirs) {
            held.remove(gone);
        }
        Applied {
            via: Via::Helper,
            unread: broken_off,
            closed: Vec::new(),
            same,
        }
    }

    fn start(&mut self, mut update: Update) -> Update {
        let starting = update.parts.iter_mut().filter(|part| part.landed.starts);
        for part in starting {
            let ends = self.answer(|it| matches!(it, Answer::EndsAtOnce)).is_some();
            let state = if ends {
                State::Exited { code: 1 }
            } else {
                State::Running
            };
            self.set_state(&part.container.name, state);
            let rest = if part.rest.is_empty() {
                Ok(None)
            } else if ends {
                Err(EngineError::NotRunning(part.container.id.clone()))
            } else {
                Ok(Some(self.apply(&part.container.id, &part.rest, Vec::new())))
            };
            part.landed.started = Some(Ok(rest));
        }
        update
    }

    fn finish(&mut self, mut update: Update) -> Update {
        for part in &mut update.parts {
            for due in &part.steps {
                let (took, came) = if let Does::Run(run) = &due.work.does {
                    let failure = self.failure(&part.container.name, &due.work, run);
                    (2, failure.map_or(Ok(None), Err))
                } else {
                    let restarted = Restarted {
                        killed: self.answer(|it| matches!(it, Answer::Killed)).is_some(),
                        whole_container: true,
                    };
                    (5, Ok(Some(restarted)))
                };
                let fails = came.is_err();
                part.landed.turns.push(Turn {
                    due: due.clone(),
                    took: Duration::from_millis(took),
                    came,
                });
                if fails {
                    break;
                }
            }
        }
        update
    }

    fn failure(&mut self, container: &str, work: &Work, run: &Run) -> Option<StepFailure> {
        let Some(Answer::Exit(code)) = self.answer(|it| matches!(it, Answer::Exit(_))) else {
            return None;
        };
        (code != 0).then(|| StepFailure {
            what: Failure::Run(RunFailed {
                step: work.step.clone(),
                command: run.command.clone(),
                container: container.to_owned(),
                end: RunEnd::Exit(code),
            }),
            on_failure: run.on_failure,
        })
    }
}

fn entry(len: u64, modified: SystemTime) -> Entry {
    Entry {
        kind: Kind::File { len },
        mode: 0o644,
        modified,
        inode: Inode::default(),
    }
}
