//! The page of `explain --format html`: it refers to nothing outside, hostile names do no harm, and in a real browser
//! (headless Chromium) the NodePort story is clicked through to the DNAT. Skipped where Chromium is missing.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test fails by panicking, and says that it was skipped

mod webdriver;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nettrace_engine::limits;
use webdriver::Browser;

const HOME: char = '\u{e011}';
const END: char = '\u{e010}';
const LEFT: char = '\u{e012}';
const DOWN: char = '\u{e015}';

fn page(args: &[&str], stdin: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nettrace"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("explain").args(args).args(["--format", "html"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{args:?}");
    String::from_utf8(out.stdout).unwrap()
}

const STORY: &[&str] = &["samples/nodeport-drop", "--src", "172.16.4.9", "--dport", "31002"];

/// The values of all attributes with this name.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_refers_to_nothing_outside_of_itself() {
    let questions = ["--want", "drop", "--why-not", "filter/INPUT#1"];
    for more in [&[][..], &["--reply"], &["--all"], &questions] {
        let page = page(&[STORY, more].concat(), "");
        for outside in [
            "http:",
            "https:",
            "\"//",
            "'//",
            "@import",
            "url(",
            "fetch(",
            "XMLHttpRequest",
            "<link",
            "<img",
            "<iframe",
        ] {
            assert!(!page.contains(outside), "{outside} in the page for {more:?}");
        }
        assert!(attributes(&page, "src").is_empty());
        assert!(attributes(&page, "href").iter().all(|to| to.starts_with('#')));
        assert!(
            page.contains("default-src &#39;none&#39;; style-src &#39;sha256-"),
            "a policy that names style and script"
        );
        assert!(attributes(&page, "style").is_empty(), "the policy allows no style in attributes");
        let ids = attributes(&page, "id");
        assert!(attributes(&page, "href").iter().all(|to| ids.contains(&&to[1..])), "every link leads somewhere");
    }
}

#[test]
fn the_page_holds_every_part_of_the_answer() {
    let page = page(STORY, "");
    let wanted = [
        "FORWARDED</b> to 10.244.166.136:8200",
        "NodePort of paas/config-center:http",
        "hook-not-on-path",
        "<li class=\"off\">Not on the way: INPUT.",
        "-A KUBE-SEP-VKIPXDQHDOL5KL3V -p tcp -m comment",
        "iptables-save:234",
        "dst 172.16.4.21:31002 =&gt; 10.244.166.136:8200",
        "<tr class=\"changed\" data-field=\"dport\"><th scope=\"row\">dport</th><td><del>31002</del></td><td><ins>8200</ins>",
        "<td>#12</td><td>dport 31023</td><td>31002</td>",
        "<li>destination 172.16.4.21",
    ];
    for text in wanted {
        assert!(page.contains(text), "no {text} in the page");
    }
    assert!(!page.contains("nat-port"), "what cannot change the verdict is not for this page");
}

#[test]
fn hostile_names_stay_text() {
    let name = "</script><script>document.title='x'</script>";
    let dump = format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:</b><script>x - [0:0]\n-A INPUT -m comment --comment \"{name}\u{202e}\x1b[31m\" -j \
         </b><script>x\n-A </b><script>x -m comment --comment \"' onload='x\" -j DROP\nCOMMIT\n"
    );
    let page = page(&["-", "--dst", "192.0.2.1", "-v"], &dump);
    assert_eq!(page.matches("<script").count(), 1, "only the page's own script");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(page.contains("&lt;/b&gt;&lt;script&gt;x") && !page.contains("' onload='"));
    assert!(!page.chars().any(|c| c == '\x1b' || c == '\u{202e}'));
}

/// A page stays of a size that a browser can show; what it leaves out is counted.
#[test]
fn a_page_has_its_limits() {
    let dump = |rules: String| format!("*mangle\n:PREROUTING ACCEPT [0:0]\n{rules}COMMIT\n");
    let rules = |most: usize, rule: fn(usize) -> String| (1..=most).map(rule).collect::<Vec<_>>().concat();
    let steps = rules(limits::PAGE_STEPS + 10, |i| format!("-A PREROUTING -j MARK --set-mark {i}\n"));
    let long = page(&["-", "--dst", "192.0.2.1"], &dump(steps.clone()));
    assert_eq!(long.matches("<li class=\"step ").count(), limits::PAGE_STEPS);
    assert!(long.contains("more steps, which a page cannot show"));
    let chances = rules(limits::PAGE_WAYS + 6, |i| {
        let draw = "-m statistic --mode random --probability 0.1";
        format!(
            "-A PREROUTING -p tcp {draw} -j TOS --set-tos 0x{i:02x}/0xff\n-A PREROUTING -m tos --tos 0x{i:02x} -j ACCEPT\n"
        )
    });
    let many = page(&["-", "--dst", "192.0.2.1"], &dump(chances.clone()));
    assert_eq!(many.matches("<section class=\"way\"").count(), limits::PAGE_WAYS);
    assert!(many.contains("more ways, which a page cannot show"));
    let both = page(&["-", "--dst", "192.0.2.1", "--all"], &dump(chances + &steps));
    assert!(both.len() < limits::PAGE_BYTES + (1 << 20), "{} bytes", both.len());
    let left = |what: &str| both.matches(&format!("more {what}, which a page cannot show")).count();
    assert!(left("ways") == 1 && left("steps") >= 1);
}

/// The values before and behind the step shown; one where it did not change.
fn field(browser: &Browser, name: &str) -> Vec<String> {
    browser.texts(&format!(".step:not([hidden]) tr[data-field='{name}'] td:not(.say)"))
}

#[test]
fn the_story_in_a_browser() {
    let Some(browser) = Browser::start("story") else {
        eprintln!("skipped: chromium or chromedriver is not installed");
        return;
    };
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("story.html");
    std::fs::write(&file, page(STORY, "")).unwrap();
    let url = format!("file://{}", file.display());
    browser.open(&url);
    let title = || browser.texts(".step:not([hidden]) h3").join("|");
    let count = || browser.texts(".bar .count").join("|");
    assert!(title().starts_with("The packet") && count().starts_with("Step 1 of "), "{} {}", title(), count());

    // By clicks on the path: before the DNAT the port is the NodePort's.
    browser.click(".path a", "KUBE-NODEPORTS #13");
    assert!(title().starts_with("KUBE-NODEPORTS #13"), "{}", title());
    assert_eq!(field(&browser, "dport"), ["31002"]);
    assert_eq!(browser.texts(".path a[aria-current]").len(), 1);
    // By the button: mark, then the DNAT, and what it changes.
    browser.click(".bar button", "Next change");
    assert_eq!(field(&browser, "mark")[0], "0x0");
    browser.click(".bar button", "Next change");
    assert!(title().starts_with("KUBE-SEP-VKIPXDQHDOL5KL3V #2"), "{}", title());
    assert_eq!(field(&browser, "dport"), ["31002", "8200"]);
    assert_eq!(field(&browser, "daddr"), ["172.16.4.21", "10.244.166.136"]);
    assert_eq!(browser.texts(".step:not([hidden]) .rule .place"), ["iptables-save:234"]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/page.png"), browser.picture()).unwrap();
    }
    // Since when it is marked leads back to the step that marked it.
    browser.click(".step:not([hidden]) tr[data-field='mark'] a", "KUBE-MARK-MASQ");
    assert!(title().starts_with("KUBE-MARK-MASQ #1"), "{}", title());

    // By keys.
    let press = |keys: &str, wanted: &str| {
        browser.keys(keys);
        assert!(title().starts_with(wanted), "{keys:?}: {}", title());
    };
    press("n", "KUBE-SEP-VKIPXDQHDOL5KL3V #2");
    press("p", "KUBE-MARK-MASQ #1");
    press("jj", "KUBE-SEP-VKIPXDQHDOL5KL3V #2");
    press("k", "KUBE-SVC-MXEESVGUBJLGA3P6 #3");
    press(&HOME.to_string(), "The packet");
    press(&DOWN.to_string(), "PREROUTING");
    press(&END.to_string(), "Verdict FORWARDED");
    press(&LEFT.to_string(), "KUBE-POSTROUTING #3");

    // An address with a step in it opens there, and nothing but the page was ever asked for.
    browser.open(&format!("{url}#p1w1s3"));
    assert!(count().starts_with("Step 3 of "), "{}", count());
    let requests = browser.requests(&url);
    assert!(!requests.is_empty() && requests.iter().all(|r| r.starts_with(&url)), "{requests:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_conversation_and_several_ways_in_a_browser() {
    let Some(browser) = Browser::start("talk") else {
        eprintln!("skipped: chromium or chromedriver is not installed");
        return;
    };
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("talk.html");
    std::fs::write(&file, page(&["samples/nodeport-drop", "--dport", "30080", "--reply"], "")).unwrap();
    browser.open(&format!("file://{}", file.display()));
    let shown = || browser.texts(".packet:not([hidden]) > .way:not([hidden]) > h2").join("|");
    assert!(shown().starts_with("Way 1 of 3"), "{}", shown());
    browser.click(".packet:not([hidden]) > .tabs a", "10.244.121.9");
    assert!(shown().starts_with("Way 3 of 3"), "{}", shown());
    browser.click("body > .tabs a", "Packet 2");
    assert!(browser.texts(".packet:not([hidden]) h2").join("|").starts_with("Packet 2: synack"));
    browser.keys("n");
    assert_eq!(browser.texts(".packet:not([hidden]) .way:not([hidden]) .step:not([hidden])").len(), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
