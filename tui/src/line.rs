//! A line being typed, with a cursor: search texts, commands, values of packet fields.

/// The text and the cursor in it, counted in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    cursor: usize,
}

impl Line {
    /// A line that begins with a text; the cursor stands behind it.
    pub fn new(text: &str) -> Self {
        Line { cursor: text.chars().count(), text: text.to_string() }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor and the text from it on.
    pub fn split(&self) -> (&str, &str) {
        self.text.split_at(self.byte(self.cursor))
    }

    fn byte(&self, position: usize) -> usize {
        self.text.char_indices().nth(position).map_or(self.text.len(), |(i, _)| i)
    }

    /// Types a character; control characters are left out.
    pub fn insert(&mut self, c: char) {
        if !c.is_control() {
            self.text.insert(self.byte(self.cursor), c);
            self.cursor += 1;
        }
    }

    /// Moves the cursor left.
    pub fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    /// Moves the cursor right.
    pub fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.text.chars().count());
    }

    /// Moves the cursor to the start.
    pub fn start(&mut self) {
        self.cursor = 0;
    }

    /// Moves the cursor to the end.
    pub fn end(&mut self) {
        self.cursor = self.text.chars().count();
    }

    /// Deletes the character before the cursor.
    pub fn delete_back(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.delete();
        }
    }

    /// Deletes the character under the cursor.
    pub fn delete(&mut self) {
        let at = self.byte(self.cursor);
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    /// Deletes everything before the cursor.
    pub fn clear(&mut self) {
        self.text.drain(..self.byte(self.cursor));
        self.cursor = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_counts_characters_not_bytes() {
        let mut line = Line::new("äb");
        line.left();
        line.left();
        line.left();
        line.insert('日');
        assert_eq!(line.split(), ("日", "äb"));
        line.delete();
        assert_eq!(line.text(), "日b");
        line.end();
        line.delete_back();
        line.insert('\x1b');
        assert_eq!(line.text(), "日");
        line.right();
        line.clear();
        assert_eq!(line.split(), ("", ""));
        line.delete_back();
        line.delete();
        assert_eq!(line, Line::default());
    }
}
