//! The dialog that chooses what this program's server accepts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::event::{Accepted, Command, Padding, Reach, Variant};
use crate::ui::fit;
use crate::ui::text;
use crate::ui::widgets::list::Step;
use crate::ui::widgets::{Pane, rows};

/// What a row turns on and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Variant(Variant),
    Pkcs1v15,
}

/// Choices of the dialog, in the order of their rows.
const CHOICES: [Choice; 5] = [
    Choice::Variant(Variant::Plain),
    Choice::Variant(Variant::Ap),
    Choice::Variant(Variant::Cp1),
    Choice::Pkcs1v15,
    Choice::Variant(Variant::Cp2),
];

/// What one server would accept.
#[derive(Debug)]
struct Form {
    reach: Reach,
    chosen: [bool; CHOICES.len()],
    /// Whether OAEP is accepted. Only the command line can leave it out.
    oaep: bool,
}

impl Form {
    fn new(reach: Reach, accepted: &Accepted) -> Self {
        let is_chosen = |choice| match choice {
            Choice::Variant(variant) => accepted.variants.contains(&variant),
            Choice::Pkcs1v15 => accepted.paddings.contains(&Padding::Pkcs1v15),
        };
        let oaep = accepted.paddings.contains(&Padding::Oaep);
        Self { reach, chosen: CHOICES.map(is_chosen), oaep }
    }
}

/// The dialog, with what would be accepted.
#[derive(Debug)]
pub(in crate::ui) struct Accept {
    form: Form,
    /// The other server, if there are two.
    other: Option<Form>,
    at: usize,
    /// Whether nothing was chosen when it should have been put to use.
    is_refused: bool,
}

impl Accept {
    /// Creates the dialog. `shared` is what other computers may send, while they can.
    pub(in crate::ui) fn new(own: &Accepted, shared: Option<&Accepted>) -> Self {
        let other = shared.map(|accepted| Form::new(Reach::Shared, accepted));
        Self { form: Form::new(Reach::Own, own), other, at: 0, is_refused: false }
    }

    /// Shows the choices for the other server, if there is one. Those of this one are kept until the dialog is closed.
    pub(in crate::ui) const fn other(&mut self) {
        if let Some(other) = &mut self.other {
            std::mem::swap(&mut self.form, other);
            self.is_refused = false;
        }
    }

    pub(in crate::ui) fn go(&mut self, step: Step) {
        let last = CHOICES.len() - 1;
        self.at = match step {
            Step::Up(n) => self.at.saturating_sub(n),
            Step::Down(n) => self.at.saturating_add(n),
            Step::First => 0,
            Step::Last => last,
            Step::To(row) => row,
        }
        .min(last);
    }

    /// Turns the choice under the cursor on or off.
    pub(in crate::ui) fn toggle(&mut self) {
        self.is_refused = false;
        if let Some(chosen) = self.form.chosen.get_mut(self.at) {
            *chosen = !*chosen;
        }
    }

    /// Returns the order to put the choices to use; `None` if no variant is chosen.
    pub(in crate::ui) fn order(&mut self) -> Option<Command> {
        let chosen = || CHOICES.iter().zip(self.form.chosen).filter(|(_, is_chosen)| *is_chosen);
        let variants: Vec<Variant> = chosen()
            .filter_map(|(choice, _)| match choice {
                Choice::Variant(variant) => Some(*variant),
                Choice::Pkcs1v15 => None,
            })
            .collect();
        self.is_refused = variants.is_empty();
        if self.is_refused {
            return None;
        }
        let pkcs1v15 = self.is_on(Choice::Pkcs1v15);
        // One padding must stay: without PKCS1v15, it is OAEP.
        let mut paddings = if self.form.oaep || !pkcs1v15 { vec![Padding::Oaep] } else { Vec::new() };
        if pkcs1v15 {
            paddings.push(Padding::Pkcs1v15);
        }
        Some(Command::Accept { reach: self.form.reach, accepted: Accepted { variants, paddings } })
    }

    fn is_on(&self, choice: Choice) -> bool {
        CHOICES.iter().zip(self.form.chosen).any(|(of, is_chosen)| *of == choice && is_chosen)
    }

    /// Returns the sentence below the choices, and whether it is a warning.
    fn words(&self) -> (&'static str, bool) {
        let oracle = self.is_on(Choice::Pkcs1v15) && self.is_on(Choice::Variant(Variant::Cp1));
        if self.is_refused {
            (text::ACCEPT_NOTHING, true)
        } else if oracle {
            (text::ACCEPT_ORACLE, true)
        } else {
            (text::ACCEPT_HINT, false)
        }
    }

    /// Returns the rows that the dialog takes in `columns` columns. It never changes, so that the dialog does not jump.
    pub(in crate::ui) fn height(&self, columns: usize) -> usize {
        let words = [text::ACCEPT_NOTHING, text::ACCEPT_ORACLE, text::ACCEPT_HINT];
        let most = words.iter().map(|words| fit::wrap(words, columns).len()).max().unwrap_or(0);
        usize::from(self.other.is_some()) + CHOICES.len() + 1 + most + 2
    }
}

impl Widget for Pane<'_, Accept> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let block = self.frame(text::ACCEPT, "", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let dialog = self.of;
        let mut lines = Vec::new();
        if dialog.other.is_some() {
            lines.push(Line::styled(text::accept_reach(dialog.form.reach), self.theme.accent()));
        }
        for (row, (choice, is_chosen)) in CHOICES.iter().zip(dialog.form.chosen).enumerate() {
            let (name, what) = match choice {
                Choice::Variant(variant) => (variant.to_string(), text::accept_what(*variant)),
                Choice::Pkcs1v15 => ("  PKCS1v15".to_owned(), text::ACCEPT_PKCS1V15),
            };
            let mark = if is_chosen { "[✓] " } else { "[ ] " };
            let sign = if row == dialog.at { "▸" } else { " " };
            let style = if row == dialog.at { self.theme.cursor(self.focus) } else { self.theme.plain() };
            let is_void = *choice == Choice::Pkcs1v15 && !dialog.is_on(Choice::Variant(Variant::Cp1));
            let style = if is_void && row != dialog.at { self.theme.faint() } else { style };
            let words = format!("{sign}{mark}{}{what}", fit::left(&name, 12));
            lines.push(Line::styled(fit::left(&words, width), style));
        }
        lines.push(Line::default());
        let (words, is_warning) = dialog.words();
        let style = if is_warning { self.theme.warn() } else { self.theme.faint() };
        lines.extend(fit::wrap(words, width).into_iter().map(|line| Line::styled(line, style)));
        let room = usize::from(inner.height).saturating_sub(1);
        lines.resize(room.max(CHOICES.len() + 1), Line::default());
        let mut answers = Line::default();
        for (key, words) in text::ACCEPT_ANSWERS {
            answers.push_span(Span::styled(format!("[{key}]"), self.theme.key()));
            answers.push_span(Span::raw(format!(" {words}  ")));
        }
        lines.push(answers);
        for (line, area) in lines.into_iter().zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}
