//! Where a lane's time goes: `read▏ seal▎ wire▏ open█████████▋ store▏`, and the bottleneck.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::Track;
use crate::event::Work;
use crate::meter::Stage;
use crate::transfer::bottleneck::{self, Bottleneck};
use crate::ui::theme::Theme;
use crate::ui::widgets::bar;
use crate::ui::{fit, text};

/// Columns for the bottleneck's text in a narrow window.
const WORDS: usize = 34;

/// Readings of a lane's meters, and the time that they cover.
struct Meters<'a> {
    work: &'a Work,
    server: Option<&'a Work>,
    micros: u64,
}

impl Track {
    fn meters(&self) -> Option<Meters<'_>> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time, and it saturates"
        )]
        let whole = |seconds: f64| (seconds * 1e6) as u64;
        match &self.result {
            Some(result) if result.fault.is_none() => {
                let (work, server) = (result.work.as_ref()?, result.server.as_ref());
                Some(Meters { work, server, micros: whole(result.seconds) })
            }
            _ => {
                let snapshot = &self.snapshot;
                let (work, server) = (snapshot.work.as_ref()?, snapshot.server.as_ref());
                (snapshot.elapsed_ms > 0).then_some(Meters {
                    work,
                    server,
                    micros: snapshot.elapsed_ms * 1000,
                })
            }
        }
    }

    /// Returns the bottleneck.
    pub(super) fn bottleneck(&self) -> Option<Bottleneck> {
        let Meters { work, server, micros } = self.meters()?;
        bottleneck::find(work, server, micros)
    }

    /// Returns the processor time of both sides.
    pub(super) fn cpu(&self) -> String {
        self.meters().map_or_else(String::new, |meters| text::race::cpu(Some(meters.work), meters.server))
    }

    /// Returns the shares of the stages as numbers.
    pub(super) fn shares(&self, width: usize) -> String {
        let Some(meters) = self.meters() else { return String::new() };
        text::race::shares(bottleneck::shares(meters.work, meters.server), width)
    }

    /// Returns the bottleneck as text, in at most `width` columns; empty if there is none.
    pub(super) fn bottleneck_text(&self, width: usize) -> String {
        let variant = self.lane.dialect.variant;
        self.bottleneck().map_or_else(String::new, |found| text::race::bottleneck(found, variant, width))
    }

    /// Returns the bar of all stages, in `width` columns; with the bottleneck on the right if `with_words`.
    pub(super) fn stages(&self, theme: Theme, width: usize, with_words: bool) -> Line<'static> {
        let Some(Meters { work, server, .. }) = self.meters() else { return Line::default() };
        let room = match width {
            _ if !with_words => 0,
            110.. => 2 * WORDS,
            width => WORDS.min(width / 2),
        };
        let words = if with_words { self.bottleneck_text(room) } else { String::new() };
        let shares = bottleneck::shares(work, server);
        let mut line = Line::from(bars(shares, self.bottleneck(), theme, width.saturating_sub(room)));
        let used = line.width();
        line.push_span(Span::raw(" ".repeat(width.saturating_sub(room).saturating_sub(used))));
        line.push_span(Span::styled(fit::right(&fit::cut(&words, room), room), theme.strong()));
        line
    }
}

/// Returns the stages in the order in which the file passes them, each with its name and a bar of its share, in at
/// most `width` columns.
fn bars(
    shares: [(Stage, f64); 6],
    found: Option<Bottleneck>,
    theme: Theme,
    width: usize,
) -> Vec<Span<'static>> {
    let names: usize = shares.iter().map(|(stage, _)| text::race::stage(*stage).len()).sum();
    // A blank between the stages, if there is room.
    let blank = if width >= names + 30 { " " } else { "" };
    // Each bar may end with a part of a column.
    let room = width.saturating_sub(names + shares.len() * (1 + blank.len()));
    let mut spans = Vec::with_capacity(shares.len() * 3);
    for (stage, share) in shares {
        let is_found = found.is_some_and(|found| found.place.stage == stage);
        let style = if is_found { theme.strong() } else { theme.faint() };
        spans.push(Span::styled(text::race::stage(stage), style));
        let style = theme.stage(stage);
        let style = if is_found { style.add_modifier(Modifier::BOLD) } else { style };
        spans.push(Span::styled(bar::piece(share, room), style));
        spans.push(Span::styled(blank, Style::new()));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::bottleneck::Place;
    use crate::ui::palette::Depth;

    #[test]
    fn the_bars_fit_and_tell_the_largest() {
        let shares = |open: f64| {
            let rest = (1.0 - open) / 5.0;
            [
                (Stage::Read, rest),
                (Stage::Seal, rest),
                (Stage::Wire, rest),
                (Stage::Open, open),
                (Stage::Store, rest),
                (Stage::Wait, 0.0),
            ]
        };
        let found = Bottleneck { place: Place { stage: Stage::Open, server: true }, busy: 0.92, cores: 2 };
        for width in 0..200 {
            let spans = bars(shares(0.9), Some(found), Theme::dark(Depth::Sixteen), width);
            let shown = Line::from(spans);
            assert!(shown.width() <= width.max(31), "{width}: {shown}");
        }
        let spans = bars(shares(0.9), Some(found), Theme::dark(Depth::Sixteen), 52);
        let shown: String = spans.iter().map(|span| span.content.as_ref()).collect();
        assert_eq!(shown, "read▍seal▍wire▍open██████████████████▉store▍wait");
    }
}
