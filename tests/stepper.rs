//! The real binary in a real terminal emulator (tmux): the NodePort story from the first step to the DNAT and back, why
//! not the DROP in INPUT, what if it stood in mangle, and out again. Skipped where tmux is missing.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A tmux server of its own, ended when the test is over.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// Runs a shell command on a screen of 110 columns and 34 rows; `None` where there is no tmux.
    fn start(test: &str, command: &str) -> Option<Tmux> {
        let tmux = Tmux { socket: format!("nettrace-{test}-{}", std::process::id()) };
        let size = ["-x", "110", "-y", "34"];
        let started = Command::new("tmux")
            .args(["-L", &tmux.socket, "-f", "/dev/null", "new-session", "-d"])
            .args(size)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .arg(format!("{command}; echo \"ended $?\"; cat"))
            .output();
        if started.is_ok_and(|o| o.status.success()) {
            return Some(tmux);
        }
        #[allow(clippy::print_stderr)] // how a test says that it was skipped
        {
            eprintln!("skipped: tmux is not installed or cannot start");
        }
        None
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.socket]).args(args).output().expect("tmux ran before")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Escape, and a pause until it did something: what follows at once would be Alt and that key.
    fn escape(&self) {
        let (before, start) = (self.screen(), Instant::now());
        self.keys(&["Escape"]);
        std::thread::sleep(Duration::from_millis(200));
        while self.screen() == before && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn text(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
    }

    /// Waits until the screen holds all the texts; the screen.
    fn wait(&self, texts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if texts.iter().all(|t| screen.contains(t)) {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no {texts:?} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

fn step(args: &str) -> String {
    format!("{} step {args}", env!("CARGO_BIN_EXE_nettrace"))
}

#[test]
fn the_node_port_story() {
    let Some(t) = Tmux::start("story", &step("--dport 31002 --src 172.16.4.9")) else { return };
    t.wait(&["built-in sample", "▶ PREROUTING", "step 1/"]);
    // To the DNAT: mark, address, port.
    t.keys(&["r", "r"]);
    t.wait(&["daddr", "172.16.4.21 => 10.244.166.136", "KUBE-SEP-"]);
    t.keys(&["r"]);
    t.wait(&["31002 => 8200", "conntrack remembers"]);
    // On to the routing decision, and back.
    t.keys(&["}"]);
    t.wait(&["▶ FORWARD", "8200  (was 31002)"]);
    t.keys(&["Left"]);
    t.wait(&["10.244.166.136 is not this host", "was 172.16.4.21 until"]);
    // Why not the DROP in INPUT? The hook is not on the way; its chains can be looked at all the same.
    t.keys(&["1", "G", "Enter"]);
    t.wait(&["INPUT is not on the path", "filter INPUT"]);
    t.keys(&["Down", "Enter"]);
    t.wait(&["filter INPUT (looked at", "--dport 31002 -j DROP"]);
    t.keys(&["W"]);
    t.wait(&["Why not filter INPUT #1", "hook-not-on-path"]);
    t.escape();
    // What if the DROP stood in mangle PREROUTING?
    t.keys(&["a"]);
    t.text("iptables -t mangle -I PREROUTING -p tcp --dport 31002 -j DROP");
    t.keys(&["Enter"]);
    t.wait(&["WHAT IF (1)", "walked again: DROPPED"]);
    t.keys(&["s"]);
    t.wait(&["Without the what-if", "≠ "]);
    t.escape();
    t.keys(&["u"]);
    t.wait(&["walked again: FORWARDED"]);
    t.keys(&["q"]);
    let end = t.wait(&["ended 0"]);
    assert!(!end.contains("▶ FORWARD"), "the screen is given back:\n{end}");
}

#[test]
fn why_not_the_drop_in_input() {
    let Some(t) = Tmux::start("whynot", &step("--dport 22 --src 172.16.4.9")) else { return };
    t.wait(&["step 1/"]);
    t.keys(&["/"]);
    t.text("filter INPUT");
    t.keys(&["Enter"]);
    t.wait(&["filter INPUT"]);
    t.keys(&["2", "g", "W"]);
    t.wait(&["Why not filter INPUT #1", "dport 31002"]);
    t.escape();
    t.keys(&["q"]);
    t.wait(&["ended 0"]);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let Some(t) = Tmux::start("signal", &format!("sh -c 'echo pid $$ end; sleep 0.3; exec {}'", step("--dport 22")))
    else {
        return;
    };
    let first = t.wait(&["pid ", " end"]);
    let pid = first.split("pid ").nth(1).and_then(|r| r.split(' ').next()).unwrap().to_string();
    t.wait(&["step 1/"]);
    Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let end = t.wait(&["ended 143"]);
    assert!(!end.contains("┌ Path"), "{end}");
    t.text("typed");
    t.wait(&["typed"]);
}

#[test]
fn no_color_means_none() {
    let Some(t) = Tmux::start("mono", &format!("NO_COLOR=1 {}", step("--dport 31002"))) else { return };
    t.wait(&["step 1/"]);
    t.keys(&["]", "r"]);
    t.wait(&["▶"]);
    let screen = t.run(&["capture-pane", "-p", "-e"]).stdout;
    let screen = String::from_utf8_lossy(&screen).into_owned();
    let codes = screen.split("\x1b[").skip(1).filter_map(|s| s.split('m').next());
    let coloured: Vec<_> =
        codes.flat_map(|c| c.split(';')).filter(|c| matches!(c.len(), 2) && c.starts_with('3')).collect();
    assert!(coloured.iter().all(|c| *c == "39"), "{coloured:?}");
    t.keys(&["q"]);
    t.wait(&["ended 0"]);
}

#[test]
fn a_conversation_packet_by_packet() {
    let Some(t) = Tmux::start("talk", &step("--dport 31002 --packets syn,synack,ack")) else { return };
    t.wait(&["packet 1/3 syn ", "step 1/"]);
    t.keys(&[">"]);
    t.wait(&["packet 2/3 synack", "10.244.166.136:8200 → 172.16.4.21:40000", "FORWARDED to 203.0.113.7:40000"]);
    t.keys(&[">", "End"]);
    t.wait(&["packet 3/3 ack", "ct ESTABLISHED"]);
    t.keys(&[">"]);
    t.wait(&["no more packets"]);
    t.keys(&["<", "Y"]);
    t.wait(&["packet 2/3", "copied: nettrace explain --dport 31002 --packets syn,synack,ack"]);
    t.keys(&["q"]);
    t.wait(&["ended 0"]);
}

#[test]
fn a_locale_without_utf8_gets_ascii() {
    let Some(t) = Tmux::start("ascii", &format!("LC_ALL=C {}", step("--dport 31002"))) else { return };
    t.wait(&["step 1/", "> PREROUTING"]);
    t.keys(&["r", "r", "?"]);
    let screen = t.wait(&[" Keys ", "one step back"]);
    assert!(screen.is_ascii(), "{screen}");
    t.escape();
    t.keys(&["p"]);
    t.keys(&["q"]);
    let end = t.wait(&["ended 0"]);
    assert!(end.is_ascii(), "{end}");
}

#[test]
fn the_editor_opens_the_rules_file_at_its_line() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (script, wrote) = (folder.join("editor.sh"), folder.join("editor.args"));
    let _ = std::fs::remove_file(&wrote);
    std::fs::write(&script, format!("echo \"$@\" > {}\n", wrote.display())).unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/nodeport-drop");
    let command = format!("EDITOR='sh {}' {}", script.display(), step(&format!("{sample} --dport 31002")));
    let Some(t) = Tmux::start("editor", &command) else { return };
    t.wait(&["step 1/"]);
    t.keys(&["f"]);
    t.text("filter/INPUT");
    t.keys(&["Enter"]);
    t.wait(&["filter INPUT (looked at"]);
    t.keys(&["v"]);
    t.wait(&["back from sh", "filter INPUT"]);
    let args = std::fs::read_to_string(&wrote).unwrap();
    let line: usize = args.trim_start_matches('+').split(' ').next().and_then(|n| n.parse().ok()).unwrap();
    let dump = std::fs::read_to_string(format!("{sample}/iptables-save")).unwrap();
    assert!(dump.lines().nth(line - 1).unwrap().contains("-A INPUT"), "{args}");
    t.keys(&["q"]);
    t.wait(&["ended 0"]);
}

#[test]
fn a_lesson_asks_before_it_shows() {
    let lesson = format!("{} lesson nodeport-drop", env!("CARGO_BIN_EXE_nettrace"));
    let Some(t) = Tmux::start("lesson", &lesson) else { return };
    t.wait(&["The DROP that does nothing"]);
    t.escape();
    t.keys(&["End"]);
    t.wait(&["Question 1", "KUBE-NODEPORTS"]);
    t.keys(&["1"]);
    t.wait(&["✓ Right: KUBE-NODEPORTS"]);
    t.escape();
    t.keys(&["q"]);
    t.wait(&["ended 0"]);
}

#[test]
fn without_a_terminal_it_points_to_explain() {
    let out = Command::new(env!("CARGO_BIN_EXE_nettrace")).args(["step", "--dport", "31002"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("nettrace explain"));
    let out = Command::new(env!("CARGO_BIN_EXE_nettrace")).args(["lesson", "nodeport-drop"]).output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("Question 3") && text.contains("\nAnswers\n"), "{text}");
}
