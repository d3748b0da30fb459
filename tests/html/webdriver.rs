//! A WebDriver client of a few lines: chromedriver is started on a free port and spoken to over HTTP.
//!
//! `Browser::start()` is `None` where chromium or chromedriver is missing. Dropping it ends the browser, the driver and
//! whatever they left running.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What WebDriver calls an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Starts chromedriver and a headless chromium.
    pub fn start(test: &str) -> Option<Browser> {
        let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(program)?;
        let profile =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{test}-{}", std::process::id()));
        let mut driver = Command::new(program("chromedriver")?)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(driver.stdout.take()?).lines().map_while(Result::ok);
        let port = lines.find_map(|l| l.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        // The rest of its output has nowhere to go, but must be read.
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Browser { driver, port: port?, session: String::new(), profile };
        let answer = browser.call("POST", "/session", &browser.wanted(&chromium));
        browser.session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}")).to_string();
        Some(browser)
    }

    fn wanted(&self, chromium: &str) -> Value {
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1400,900",
            &format!("--user-data-dir={}", self.profile.display()),
        ];
        json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
            "goog:chromeOptions": {"binary": chromium, "args": args},
        }}})
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: \
             {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        let mut answer: Value = serde_json::from_slice(&text)?;
        Ok(answer["value"].take())
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.request(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert!(answer["error"].is_null(), "{method} {path}: {answer}");
        answer
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{path}", self.session), body)
    }

    /// Goes to an address.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// The text of all elements that a selector finds.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let script = "return Array.from(document.querySelectorAll(arguments[0])).map(e => e.textContent)";
        let found = self.post("execute/sync", &json!({"script": script, "args": [css]}));
        found.as_array().map_or_else(Vec::new, |l| l.iter().map(|t| t.as_str().unwrap_or("").to_string()).collect())
    }

    /// Clicks on the first element that a selector finds and whose text holds `text`.
    pub fn click(&self, css: &str, text: &str) {
        let script = "return Array.from(document.querySelectorAll(arguments[0])).find(e => e.textContent.includes(arguments[1]))";
        let found = self.post("execute/sync", &json!({"script": script, "args": [css, text]}));
        let id = found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {css} with {text}"));
        self.post(&format!("element/{id}/click"), &json!({}));
    }

    /// Presses keys one after the other, wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let each = keys.chars().flat_map(|k| {
            [json!({"type": "keyDown", "value": k.to_string()}), json!({"type": "keyUp", "value": k.to_string()})]
        });
        let actions: Vec<Value> = each.collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// The page as a PNG, from its top.
    pub fn picture(&self) -> Vec<u8> {
        self.post("execute/sync", &json!({"script": "scrollTo(0, 0)", "args": []}));
        let png = self.call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        decoded(png.as_str().unwrap_or(""))
    }

    /// The addresses of all requests that a page made so far, its own first.
    pub fn requests(&self, page: &str) -> Vec<String> {
        let log = self.post("se/log", &json!({"type": "performance"}));
        let url = |entry: &Value| -> Option<String> {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let of_page = message["params"]["documentURL"].as_str().is_some_and(|u| u.starts_with(page));
            (of_page && message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().unwrap_or("?").to_string())
        };
        log.as_array().map_or_else(Vec::new, |l| l.iter().filter_map(url).collect())
    }

    /// What the pages complained about.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({"type": "browser"}));
        log.as_array().map_or_else(Vec::new, |l| l.iter().map(ToString::to_string).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.request("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // The browser ends with its session; what does not within a moment is ended by its profile's name.
        let start = Instant::now();
        while !running(&self.profile).is_empty() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(100));
        }
        for pid in running(&self.profile) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// The bytes that base64 stands for.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in text.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

/// The path of a program, if it is installed.
fn program(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.is_file())?;
    Some(found.display().to_string())
}

/// The processes that use a profile.
fn running(profile: &std::path::Path) -> Vec<String> {
    let wanted = profile.display().to_string();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let uses = |pid: &String| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| String::from_utf8_lossy(&c).contains(&wanted))
    };
    let pids = all.flatten().filter_map(|e| e.file_name().into_string().ok());
    pids.filter(|p| p.bytes().all(|b| b.is_ascii_digit())).filter(uses).collect()
}
