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

#[test]
fn compiled_does_what_its_readme_says() {
    let project = example("compiled");
    let mut up = project.up();
    let says = |up: &Session<'_>, text: &str| page(up, "server", 8000, "/").contains(text);
    up.eventually("it answers", || says(&up, "Hello"));
    let before = (project.id("server"), project.started_at("server"));
    // "Change the text in `server/src/page.c`: the file is copied, `build` compiles in the container, and the process
    // restarts; the container stays."
    project.replace("server/src/page.c", "Hello", "Good evening");
    up.live_updated("server");
    up.eventually("the page", || says(&up, "Good evening"));
    // "Write something that does not compile: the compiler's message is shown and the old program goes on. With the fix,
    // `build` runs again."
    project.replace("server/src/page.c", "compiler\\n\";", "compiler\\n\"");
    up.update_failed("server");
    assert!(says(&up, "Good evening"));
    project.replace("server/src/page.c", "compiler\\n\"", "fixed compiler\\n\";");
    up.live_updated("server");
    up.eventually("the page", || says(&up, "fixed compiler"));
    // "Change `toolchain/http/http.c`: it belongs to the base image's context, and is copied and compiled in the same way."
    project.replace("toolchain/http/http.c", "http 1", "http 2");
    up.live_updated("server");
    up.eventually("the page", || says(&up, "http 2"));
    assert_eq!((project.id("server"), project.started_at("server")), before);
    // "Change `toolchain/build`: no sync covers it, so the base is rebuilt, and then the server."
    project.replace("toolchain/build", "-Wall", "-Wall -DNEW");
    up.rebuilt("server");
    assert!(
        project
            .sh("server", "cat /usr/local/bin/build")
            .contains("-DNEW")
    );
    up.eventually("the page", || says(&up, "fixed compiler"));
}

#[test]
fn multi_service_does_what_its_readme_says() {
    let project = example("multi-service");
    let mut up = project.up();
    let says =
        |up: &Session<'_>, service: &str, text: &str| page(up, service, 8000, "/").contains(text);
    up.eventually("both answer", || {
        says(&up, "shop", "EUR") && says(&up, "office", "EUR")
    });
    // "Change the currency in `common/money.py`: both services get the file and restart their processes"
    project.replace("common/money.py", "EUR", "CHF");
    up.eventually("both pages", || {
        says(&up, "shop", "CHF") && says(&up, "office", "CHF")
    });
    // "Change a price in `shop/main.py`: only the shop restarts; the office is not watching that file."
    project.replace("shop/main.py", "\"tea\": 350", "\"tea\": 395");
    up.live_updated("shop");
    up.eventually("the shop's page", || says(&up, "shop", "3.95"));
    let touched = project.path("shop/main.py").display().to_string();
    let office_heard = |event: &serde_json::Value| {
        event["service"] == "office" && event["paths"].to_string().contains(&touched)
    };
    assert_eq!(up.count(office_heard), 0);
    // "Change `requirements.txt`: both are rebuilt."
    let text = project.read("requirements.txt") + "# changed\n";
    project.write("requirements.txt", text);
    up.eventually("both are rebuilt", || {
        up.rebuilds("shop") == 1 && up.rebuilds("office") == 1
    });
}

#[test]
fn custom_build_does_what_its_readme_says() {
    let project = example("custom-build");
    let mut up = project.up();
    up.eventually("it answers", || {
        page(&up, "web", 8080, "/").contains("Hello")
    });
    let before = project.id("web");
    // "Change `site/index.html`: the file is copied into the container; reload the page."
    project.replace("site/index.html", "Hello", "Good evening");
    up.live_updated("web");
    assert!(page(&up, "web", 8080, "/").contains("Good evening"));
    assert_eq!(project.id("web"), before);
    // "Change `build.sh`: it is run again, with `EXPECTED_REF` set to the name of the image to make, and the container is
    // replaced. See built.txt."
    project.replace("build.sh", "date >", "echo built by hand >");
    up.rebuilt("web");
    assert_ne!(project.id("web"), before);
    up.eventually("built.txt", || {
        page(&up, "web", 8080, "/built.txt").contains("built by hand")
    });
}

#[test]
fn restart_your_process_does_what_its_readme_says() {
    let project = example("restart-your-process");
    let up = project.up();
    let greeted = |text: &str| {
        ["process", "container", "wrapper", "entr"]
            .iter()
            .all(|service| {
                let container = format!("{service}-1");
                up.count(|event| {
                    event["event"] == "log"
                        && event["container"] == container.as_str()
                        && event["text"] == text
                }) == 1
            })
    };
    up.eventually("all say hello", || greeted("Hello, world!"));
    let stay = ["process", "wrapper", "entr"];
    let before = stay.map(|service| project.started_at(service));
    let restarted = project.started_at("container");
    // "change `GREETING` in `app/main.sh`, and see the new greeting in the log of each service"
    project.replace("app/main.sh", "Hello", "Good evening");
    up.eventually("all say the new greeting", || {
        greeted("Good evening, world!")
    });
    assert_eq!(stay.map(|service| project.started_at(service)), before);
    assert_ne!(project.started_at("container"), restarted);
}
