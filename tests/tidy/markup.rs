//! The tags of a page, enough of them to judge by.

/// An opening tag.
pub(crate) struct Tag {
    /// In lower case.
    pub(crate) name: String,
    /// The attributes' names, in lower case.
    pub(crate) attributes: Vec<String>,
    /// The line it starts on, from 1.
    pub(crate) line: usize,
}

/// The opening tags of an askama template, whatever its expressions and blocks would print left out.
pub(crate) fn tags(template: &str) -> Vec<Tag> {
    let text = without_expressions(template);
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + found;
        at = start + 1;
        let inside = text.get(at..).unwrap_or_default();
        if inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (words, length) = tag(inside);
            let mut words = words.split([' ', '\n', '\t', '\r', '/']).map(name_of).filter(|word| !word.is_empty());
            tags.push(Tag {
                name: words.next().unwrap_or_default(),
                attributes: words.collect(),
                line: 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count(),
            });
            at += length;
        }
    }
    tags
}

fn name_of(word: &str) -> String {
    word.split('=').next().unwrap_or_default().to_ascii_lowercase()
}

/// What stands before the tag's `>` without its quoted values, and how many bytes the whole is.
fn tag(text: &str) -> (String, usize) {
    let mut words = String::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return (words, at),
            (None, '"' | '\'') => quote = Some(c),
            (None, _) => words.push(c),
            (Some(open), _) if open == c => {
                quote = None;
                words.push(' ');
            }
            (Some(_), _) => {}
        }
    }
    (words, text.len())
}

/// The template with `{{ }}`, `{% %}` and `{# #}` turned into spaces, lines kept.
fn without_expressions(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut close = None;
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        match close {
            None => match (c, rest.peek()) {
                ('{', Some('{')) => close = Some('}'),
                ('{', Some(mark @ ('%' | '#'))) => close = Some(*mark),
                _ => text.push(c),
            },
            Some(mark) if c == mark && rest.next_if_eq(&'}').is_some() => {
                close = None;
                text.push(' ');
            }
            Some(_) if c == '\n' => text.push(c),
            Some(_) => {}
        }
    }
    text
}

#[test]
fn expressions_and_values_are_not_attributes() {
    let page = "<p>\n<a {% if x > 1 %}class=\"one onclick=\"{% endif %} HREF='{{ url }}'\n checked>1 < 2</a><br/>";
    let tags: Vec<_> = tags(page).into_iter().map(|tag| (tag.name, tag.attributes.join(" "), tag.line)).collect();
    let expected = [("p", "", 1), ("a", "class href checked", 2), ("br", "", 3)];
    assert_eq!(tags, expected.map(|(name, attributes, line)| (name.to_owned(), attributes.to_owned(), line)));
}
