//! The tutorials of the book, run: each command in `docs/tutorials` prints what stands below it.

#[test]
fn tutorials_print_what_they_say() {
    trycmd::TestCases::new()
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .case("docs/tutorials/*.md")
        .case("README.md");
}
