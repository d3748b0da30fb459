//! The tutorials and guides of the book, run: each command in them prints what stands below it.

#[test]
fn tutorials_print_what_they_say() {
    trycmd::TestCases::new()
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .case("docs/tutorials/*.md")
        .case("docs/guide/*.md")
        .case("docs/reference/levels.md")
        .case("README.md");
}
