//! THE table of looks: what each role looks like in colour, without colour, and for readers who don't tell red from
//! green. Colour is never the only sign: accept has a ✓, drop a ✗, a rewrite `=>`.

use ratatui::style::{Color, Modifier, Style};

/// What something on the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Normal,
    /// Of less interest.
    Dim,
    /// Borders.
    Border,
    /// The border of the pane that has the focus.
    Focus,
    /// Headings.
    Title,
    /// The row under the cursor.
    Cursor,
    /// Where the packet is.
    Current,
    /// Accepted, a condition that holds.
    Accept,
    /// Dropped, a condition that fails.
    Drop,
    /// A changed field.
    Rewrite,
    /// A routing decision.
    Route,
    /// Assumed, unknown, a warning.
    Warn,
    /// A key in the footer.
    Key,
}

/// A choice of looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Sixteen colours.
    #[default]
    Colour,
    /// Blue and orange instead of green and red.
    ColourBlind,
    /// Weight and reversal only (NO_COLOR).
    Mono,
}

type Look = (Role, Option<Color>, Option<Color>, Modifier);

const NONE: Modifier = Modifier::empty();
const ORANGE: Color = Color::Indexed(208);
const BLUE: Color = Color::Indexed(39);

/// Role, colour, colour for the colour-blind, weight.
const LOOKS: &[Look] = &[
    (Role::Normal, None, None, NONE),
    (Role::Dim, Some(Color::DarkGray), Some(Color::Gray), Modifier::DIM),
    (Role::Border, Some(Color::DarkGray), Some(Color::Gray), Modifier::DIM),
    (Role::Focus, Some(Color::Cyan), Some(Color::White), Modifier::BOLD),
    (Role::Title, None, None, Modifier::BOLD),
    (Role::Cursor, None, None, Modifier::REVERSED),
    (Role::Current, Some(Color::Yellow), Some(Color::Yellow), Modifier::BOLD),
    (Role::Accept, Some(Color::Green), Some(BLUE), NONE),
    (Role::Drop, Some(Color::Red), Some(ORANGE), Modifier::BOLD),
    (Role::Rewrite, Some(Color::Magenta), Some(Color::Yellow), Modifier::BOLD),
    (Role::Route, Some(Color::Cyan), Some(Color::Cyan), NONE),
    (Role::Warn, Some(Color::Yellow), Some(Color::Yellow), NONE),
    (Role::Key, Some(Color::Cyan), Some(BLUE), Modifier::BOLD),
];

impl Theme {
    /// All themes in the order in which the key goes through them.
    pub const ALL: [Theme; 3] = [Theme::Colour, Theme::ColourBlind, Theme::Mono];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Colour => "colour",
            Theme::ColourBlind => "colour-blind",
            Theme::Mono => "mono",
        }
    }

    /// The theme of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The one behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Theme::Colour => Theme::ColourBlind,
            Theme::ColourBlind => Theme::Mono,
            Theme::Mono => Theme::Colour,
        }
    }

    /// What a role looks like.
    pub fn style(self, role: Role) -> Style {
        let Some((_, colour, blind, weight)) = LOOKS.iter().find(|l| l.0 == role) else { return Style::new() };
        let style = Style::new().add_modifier(*weight);
        match self {
            Theme::Colour => colour.map_or(style, |c| style.fg(c)),
            Theme::ColourBlind => blind.map_or(style, |c| style.fg(c)),
            Theme::Mono => style,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour_and_every_role_has_one_look() {
        for (role, ..) in LOOKS {
            assert_eq!(Theme::Mono.style(*role).fg, None, "{role:?}");
            assert_eq!(LOOKS.iter().filter(|l| l.0 == *role).count(), 1, "{role:?}");
        }
        assert_ne!(Theme::Colour.style(Role::Accept).fg, Theme::ColourBlind.style(Role::Accept).fg);
        let named = Theme::ALL.map(|t| Theme::from_name(t.name()));
        assert_eq!(named, Theme::ALL.map(Some));
        assert_eq!(Theme::Colour.next().next().next(), Theme::Colour);
    }
}
