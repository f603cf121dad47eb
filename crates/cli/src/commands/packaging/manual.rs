//! A manual page: the sections of `clap_mangen`, and those of the text after the options (man-pages(7)).

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The heading of the text that belongs to no other section.
const NOTES: &str = "NOTES";
/// What the paragraphs of a help begin with, and the sections of a page that have them, in their order.
const SECTIONS: [(&str, &str); 3] = [
    ("Exit codes:", "EXIT STATUS"),
    ("Examples:", "EXAMPLES"),
    ("Documentation: ", "SEE ALSO"),
];

/// The page of a command of the program with this version, in roff.
pub(super) fn page(command: Command, version: &str) -> io::Result<String> {
    let help = command.get_after_long_help().or(command.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let has_arguments = command
        .get_arguments()
        .any(|argument| !argument.is_hide_set());
    let has_commands = command.get_subcommands().any(|below| !below.is_hide_set());
    // By default it names the last word of a command, such as `issue`.
    let man = Man::new(command).source(format!("posthorn {version}"));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if has_arguments {
        man.render_options_section(&mut page)?;
    }
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    sections(&help).to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The sections of the text after the options, whose paragraphs have blank lines between them.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::default();
    let headings = [NOTES]
        .into_iter()
        .chain(SECTIONS.map(|(_, heading)| heading));
    for wanted in headings {
        let found = help.split("\n\n").filter_map(section);
        let mut paragraphs = found.filter(|(heading, _)| *heading == wanted).peekable();
        if paragraphs.peek().is_none() {
            continue;
        }
        roff.control("SH", [wanted]);
        for (_, text) in paragraphs {
            // The lines stay as they are.
            roff.control("PP", []).control("nf", []);
            for line in text.trim_end().lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
        }
    }
    roff
}

/// The heading of a paragraph, and its text below that; `None` for an empty one.
fn section(paragraph: &str) -> Option<(&'static str, &str)> {
    let paragraph = paragraph.trim_start_matches('\n');
    let mut known = SECTIONS.iter();
    let found = known.find_map(|(start, heading)| {
        let text = paragraph.strip_prefix(start)?;
        Some((*heading, text.trim_start_matches('\n')))
    });
    let (heading, text) = found.unwrap_or((NOTES, paragraph));
    (!text.trim().is_empty()).then_some((heading, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar;

    fn page_of(path: &[&str]) -> String {
        let mut command = grammar::command("1.0");
        command.build();
        for name in path {
            command = command.find_subcommand(name).unwrap().clone();
        }
        page(command, "1.0").unwrap()
    }

    #[test]
    fn a_page_names_the_program_and_its_sections() {
        let page = page_of(&[]);
        let positions = [
            ".SH OPTIONS",
            ".SH SUBCOMMANDS",
            ".SH NOTES",
            ".SH \"EXIT STATUS\"",
            ".SH EXAMPLES",
            ".SH \"SEE ALSO\"",
            ".SH VERSION",
        ]
        .map(|heading| {
            page.find(heading)
                .unwrap_or_else(|| panic!("{heading}: {page}"))
        });
        assert!(positions.is_sorted(), "{page}");
        for path in [
            &[][..],
            &["token", "issue"],
            &["serve"],
            &["work"],
            &["send"],
        ] {
            let page = page_of(path);
            assert!(page.contains(" \"posthorn 1.0\""), "{page}");
            assert!(page.contains(".SH EXAMPLES"), "{page}");
            assert!(
                !page.contains("EXTRA") && !page.contains("Examples:"),
                "{page}"
            );
        }
    }
}
