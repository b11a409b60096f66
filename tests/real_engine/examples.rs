//! Each folder of `compose-examples/` as it stands: it does what its README says.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::session::{Project, Session};

fn example(name: &str) -> Project {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose-examples");
    let project = Project::copy_of(&folder.join(name));
    // Any free port: several copies may run at once.
    let env = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(project.path(".env"));
    env.unwrap().write_all(b"PORT=\n").unwrap();
    project
}

/// What a browser would show; empty while nobody answers.
fn page(up: &Session<'_>, service: &str, port: u16, path: &str) -> String {
    let published = up.compose(&["port", service, &port.to_string()]);
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(&published) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn hello_does_what_its_readme_says() {
    let project = example("hello");
    let mut up = project.up();
    let before = project.id("web");
    // "Change `site/index.html`: the file is copied into the container; reload the page."
    project.write("site/index.html", "<h1>changed</h1>");
    up.live_updated("web");
    up.eventually("the page", || {
        page(&up, "web", 8080, "/").contains("changed")
    });
    // "Add a name to `site/names.txt`: the file is copied and `greet.sh` runs in the container"
    project.write("site/names.txt", "Ada\nGrace\n");
    up.live_updated("web");
    assert!(page(&up, "web", 8080, "/greetings.txt").contains("Hello, Grace!"));
    assert_eq!(project.id("web"), before);
    // "Change `Dockerfile`: nothing can be done in place, so the service is rebuilt."
    project.replace("Dockerfile", "CMD", "RUN true\nCMD");
    up.rebuilt("web");
    up.eventually("the page", || {
        page(&up, "web", 8080, "/").contains("changed")
    });
}

#[test]
fn python_does_what_its_readme_says() {
    let project = example("python");
    let mut up = project.up();
    up.eventually("it answers", || {
        !page(&up, "api", 8000, "/?name=Ada").is_empty()
    });
    // "Change the text in `app/greeting.py`: the file is copied and the container restarted; reload."
    let text = project
        .read("app/greeting.py")
        .replace("Hello", "Good evening");
    project.write("app/greeting.py", text);
    up.live_updated("api");
    up.eventually("the page", || {
        page(&up, "api", 8000, "/?name=Ada").contains("Good evening")
    });
    // "Change `requirements.txt`: the service is rebuilt, because the block names it under `fall_back_on`."
    let text = project.read("requirements.txt") + "# changed\n";
    project.write("requirements.txt", text);
    let outcome = up.rebuilt("api");
    assert!(outcome.to_string().contains("fall_back_on"));
    up.eventually("the page", || {
        page(&up, "api", 8000, "/?name=Ada").contains("Good evening")
    });
}

#[test]
fn node_does_what_its_readme_says() {
    let project = example("node");
    let mut up = project.up();
    up.eventually("it answers", || !page(&up, "web", 3000, "/").is_empty());
    // "Change `src/page.txt`: the file is copied, `build.js` runs in the container, and the container is restarted."
    project.write("src/page.txt", "changed text\n");
    up.live_updated("web");
    up.eventually("the page", || {
        page(&up, "web", 3000, "/").contains("changed text")
    });
    // "Change `version` in `src/server.js`: the file is copied and the container restarted; see /version."
    let source = project.read("src/server.js");
    let line = source
        .lines()
        .find(|line| line.contains("version ="))
        .unwrap()
        .to_owned();
    project.replace("src/server.js", &line, "const version = \"42\";");
    up.live_updated("web");
    up.eventually("the version", || {
        page(&up, "web", 3000, "/version").contains("42")
    });
    // "Change `package.json`: the service is rebuilt."
    project.replace("package.json", "1.0.0", "1.0.1");
    up.rebuilt("web");
}
