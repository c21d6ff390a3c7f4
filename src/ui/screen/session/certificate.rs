//! The server's identity: the chain from the CA, the key, its validity, what is known of it, and a verdict.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::Session;
use crate::event::{Proof, Side, Standing, Variant};
use crate::ui::recording::Recording;
use crate::ui::widgets::{Pane, frame, rows};
use crate::ui::{fit, text};

/// Certificate view of a session.
pub(in crate::ui) struct Certificate<'a>(pub(in crate::ui) &'a Session);

/// Columns of the labels.
const LABEL: usize = 9;

impl Widget for Pane<'_, Certificate<'_>> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let shown = self.of.0.shown();
        let note = shown.map_or("", note);
        let block = frame(self.theme, self.focus, text::CERTIFICATE, note, area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width);
        let lines = match shown {
            None => vec![Line::styled(fit::cut(text::NO_PROOF_YET, width), self.theme.faint())],
            Some(shown) => self.lines(shown, width, usize::from(inner.height)),
        };
        for (line, row) in lines.into_iter().zip(rows(inner)) {
            line.render(row, buf);
        }
    }
}

/// Returns the note on the frame: the result in one word.
const fn note(shown: &Recording) -> &'static str {
    match shown {
        Recording { change: Some(_), .. } => text::CHANGED_SHORT,
        Recording { fault: Some(_), .. } => text::NOT_PROVEN_NOTE,
        Recording { proof: Some(_), .. } => text::PROVEN_NOTE,
        Recording { ours: Some(_), .. } => text::OURS_NOTE,
        _ => "",
    }
}

impl Pane<'_, Certificate<'_>> {
    fn lines(&self, shown: &Recording, width: usize, height: usize) -> Vec<Line<'static>> {
        if let Some(change) = &shown.change {
            let mut lines = vec![self.fact(text::SUBJECT, &fit::escaped(change.subject.as_str()), width)];
            lines.push(Line::default());
            lines.extend(self.fingerprint(text::KNOWN_KEY, &change.known, width));
            lines.extend(self.fingerprint(text::OFFERED_KEY, &change.offered, width));
            lines.extend(self.facts(text::PIN, &text::pin_state(None, true), width));
            lines.push(Line::default());
            lines.extend(self.paragraph(&text::verdict_on_change(change), width));
            return lines;
        }
        if let Some(fault) = &shown.fault {
            return self.paragraph(&text::verdict_on_fault(&fault.to_string()), width);
        }
        match (&shown.proof, &shown.ours) {
            (Some((proof, standing)), _) => self.proof(proof, Some(standing), width, height),
            (None, Some(proof)) => self.proof(proof, None, width, height),
            (None, None) if shown.variant() == Some(Variant::Plain) => {
                let words = match shown.wire.side {
                    Side::Client => text::NO_PROOF_ASKED,
                    Side::Server => text::NOTHING_ASKED_OF_US,
                };
                self.paragraph(&format!("✗ {words}"), width)
            }
            (None, None) => vec![Line::styled(fit::cut(text::NO_PROOF_YET, width), self.theme.faint())],
        }
    }

    fn proof(
        &self,
        proof: &Proof,
        standing: Option<&Standing>,
        width: usize,
        height: usize,
    ) -> Vec<Line<'static>> {
        let mut warnings: Vec<Line<'static>> = Vec::new();
        for warning in &proof.warnings {
            warnings.extend(self.paragraph(&format!("≈ {}", fit::shown(warning)), width));
        }
        let verdict = self.paragraph(&text::verdict_on(standing, proof.certified), width);
        let mut lines = self.chain(proof, width);
        lines.push(Line::default());
        lines.extend(self.facts(text::KEY_SIZE, &text::strength(proof.bits), width));
        lines.push(self.fact(text::VALID, &text::days(proof.days_left), width));
        lines.extend(self.facts(text::PIN, &text::pin_state(standing, false), width));
        lines.extend(self.fingerprint(text::SHA256, &proof.fingerprint, width));
        // The verdict must be visible; warnings and empty rows take what is left.
        let room = height.saturating_sub(lines.len() + verdict.len());
        if room > warnings.len() {
            lines.push(Line::default());
        }
        lines.extend(verdict);
        let room = height.saturating_sub(lines.len());
        if room > warnings.len() && !warnings.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(warnings);
        let relay = self.paragraph(text::RELAY, width);
        if standing.is_some() && height > lines.len() + relay.len() {
            lines.push(Line::default());
            lines.extend(relay);
        }
        lines
    }

    /// Returns the CA, and below it the subject that it certified.
    fn chain(&self, proof: &Proof, width: usize) -> Vec<Line<'static>> {
        let name =
            |name: &str, before: usize| fit::cut_middle(&fit::escaped(name), width.saturating_sub(before));
        let faint = self.theme.faint();
        vec![
            Line::from(vec![
                Span::styled(fit::left(text::ISSUER, LABEL), faint),
                Span::raw(name(proof.issuer.as_str(), LABEL)),
            ]),
            Line::from(vec![
                Span::styled(fit::left("", LABEL), faint),
                Span::styled(fit::cut(text::SIGNED, width.saturating_sub(LABEL)), faint),
            ]),
            Line::from(vec![
                Span::styled(fit::left(text::SUBJECT, LABEL), faint),
                Span::styled("└► ", faint),
                Span::styled(name(proof.subject.as_str(), LABEL + 3), self.theme.strong()),
            ]),
        ]
    }

    /// Returns a value, wrapped beside its label.
    fn facts(&self, label: &str, value: &str, width: usize) -> Vec<Line<'static>> {
        let style = self.style(value);
        let parts = fit::wrap(value, width.saturating_sub(LABEL)).into_iter().enumerate();
        parts
            .map(|(n, part)| {
                Line::from(vec![
                    Span::styled(fit::left(if n == 0 { label } else { "" }, LABEL), self.theme.faint()),
                    Span::styled(part, style),
                ])
            })
            .collect()
    }

    fn style(&self, value: &str) -> Style {
        match value.chars().next() {
            Some('✓') => self.theme.good(),
            Some('✗') => self.theme.bad(),
            Some('≈') => self.theme.warn(),
            _ => self.theme.plain(),
        }
    }

    fn fact(&self, label: &str, value: &str, width: usize) -> Line<'static> {
        Line::from(vec![
            Span::styled(fit::left(label, LABEL), self.theme.faint()),
            Span::styled(fit::cut(value, width.saturating_sub(LABEL)), self.style(value)),
        ])
    }

    fn fingerprint(&self, label: &str, hex: &str, width: usize) -> Vec<Line<'static>> {
        // Groups of four digits and a blank; a power of two in each row, so that rows can be compared.
        let most = (width.saturating_sub(LABEL) + 1) / 5;
        let groups = [16, 8, 4, 2].into_iter().find(|groups| *groups <= most).unwrap_or(1);
        let rows = text::grouped_hex(hex, groups).into_iter().enumerate();
        rows.map(|(n, row)| self.fact(if n == 0 { label } else { "" }, &row, width)).collect()
    }

    /// Returns wrapped text whose sign is coloured and whose lines are indented beside it.
    fn paragraph(&self, words: &str, width: usize) -> Vec<Line<'static>> {
        let (sign, rest) = words.split_once(' ').unwrap_or(("", words));
        let style = match sign {
            "✓" => self.theme.good(),
            "✗" => self.theme.bad(),
            "≈" => self.theme.warn(),
            _ => {
                return fit::wrap(words, width).into_iter().map(Line::raw).collect();
            }
        };
        fit::wrap(rest, width.saturating_sub(2))
            .into_iter()
            .enumerate()
            .map(|(n, row)| {
                let sign = if n == 0 { format!("{sign} ") } else { "  ".to_owned() };
                Line::from(vec![Span::styled(sign, style), Span::raw(row)])
            })
            .collect()
    }
}
