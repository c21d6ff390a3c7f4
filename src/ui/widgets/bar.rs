//! Bars in eighths of a column: progress, and a rate compared with the highest.

use ratatui::style::Style;
use ratatui::text::Span;

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Content of a progress bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::ui) enum Fill {
    /// Share that is done, from 0 to 1.
    Share(f64),
    /// Everything was sent, and the server has not confirmed it.
    Hatched,
    Full,
}

/// Returns a progress bar of exactly `columns` columns.
pub(in crate::ui) fn progress(fill: Fill, columns: usize, done: Style, rest: Style) -> Vec<Span<'static>> {
    match fill {
        Fill::Full => vec![Span::styled("█".repeat(columns), done)],
        Fill::Hatched => vec![Span::styled("▚".repeat(columns), done)],
        Fill::Share(share) => {
            // A gap stays even at the last percent: only `Full` is full.
            let (bar, used) = filled(eighths(share, columns).min((columns * 8).saturating_sub(1)));
            vec![Span::styled(bar, done), Span::styled("░".repeat(columns - used), rest)]
        }
    }
}

/// Returns a progress bar of half a row's height, without a background.
pub(in crate::ui) fn thin(
    fill: Fill,
    columns: usize,
    empty: char,
    done: Style,
    rest: Style,
) -> Vec<Span<'static>> {
    let used = match fill {
        Fill::Full | Fill::Hatched => columns,
        // The smallest share above zero is visible.
        Fill::Share(share) => eighths(share, columns).div_ceil(8).max(usize::from(share > 0.0)).min(columns),
    };
    let glyph = if fill == Fill::Hatched { "▚" } else { "▀" };
    let rest = Span::styled(empty.to_string().repeat(columns - used), rest);
    vec![Span::styled(glyph.repeat(used), done), rest]
}

/// Returns a bar like that of [`rate`], drawn as a line: `━━━━━╸──┊────`.
pub(in crate::ui) fn line(
    now: f64,
    mean: f64,
    peak: f64,
    columns: usize,
    done: Style,
    rest: Style,
) -> Vec<Span<'static>> {
    let halves = eighths(now / peak, columns).div_ceil(4);
    let mut bar = "━".repeat(halves / 2);
    if !halves.is_multiple_of(2) {
        bar.push('╸');
    }
    let used = halves.div_ceil(2);
    let tick = filled(eighths(mean / peak, columns)).1.clamp(1, columns.max(1)) - 1;
    let is_tick = |column: usize| column == tick && mean > 0.0;
    let line: String = (used..columns).map(|column| if is_tick(column) { '┊' } else { '─' }).collect();
    let bar: String = bar
        .chars()
        .enumerate()
        .map(|(column, c)| if is_tick(column) && column + 1 < used { '┊' } else { c })
        .collect();
    vec![Span::styled(bar, done), Span::styled(line, rest)]
}

/// Returns a bar of a share of the columns, in eighths, without a background. The smallest share above zero is visible.
pub(in crate::ui) fn length(share: f64, columns: usize) -> String {
    filled(eighths(share, columns).max(usize::from(share > 0.0))).0
}

/// Returns one part of a bar of several: its share of the columns, in eighths; nothing for zero.
pub(in crate::ui) fn piece(share: f64, columns: usize) -> String {
    length(share, columns)
}

/// Returns a bar of the present rate compared with the highest, with a tick at the mean: `███████▊──┊────`.
pub(in crate::ui) fn rate(
    now: f64,
    mean: f64,
    peak: f64,
    columns: usize,
    done: Style,
    rest: Style,
) -> Vec<Span<'static>> {
    let (bar, used) = filled(eighths(now / peak, columns));
    let (_, tick) = filled(eighths(mean / peak, columns));
    let tick = tick.clamp(1, columns.max(1)) - 1;
    let line: String =
        (used..columns).map(|column| if column == tick && mean > 0.0 { '┊' } else { '─' }).collect();
    // Under the bar itself the tick would not show; it is drawn as a gap.
    let bar: String = bar
        .chars()
        .enumerate()
        .map(|(column, c)| if column == tick && mean > 0.0 && column + 1 < used { '┊' } else { c })
        .collect();
    vec![Span::styled(bar, done), Span::styled(line, rest)]
}

/// Draws a mark into a bar, at this share of its columns.
pub(in crate::ui) fn mark(bar: Vec<Span<'static>>, share: Option<f64>, style: Style) -> Vec<Span<'static>> {
    let Some(share) = share else { return bar };
    let glyphs: Vec<(char, Style)> =
        bar.iter().flat_map(|span| span.content.chars().map(|glyph| (glyph, span.style))).collect();
    let at = filled(eighths(share, glyphs.len())).1.clamp(1, glyphs.len().max(1)) - 1;
    let glyphs = glyphs.into_iter().enumerate();
    glyphs
        .map(
            |(column, (glyph, own))| {
                if column == at { Span::styled("╏", style) } else { Span::styled(glyph.to_string(), own) }
            },
        )
        .collect()
}

/// Returns the filled part and the columns that it takes.
fn filled(eighths: usize) -> (String, usize) {
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    (bar, eighths.div_ceil(8))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1 of a screen's width"
)]
fn eighths(share: f64, columns: usize) -> usize {
    if !share.is_finite() {
        return 0;
    }
    let most = columns * 8;
    ((share.clamp(0.0, 1.0) * most as f64).round() as usize).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(spans: &[Span<'_>]) -> String {
        spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn fills_in_eighths() {
        let bar = |fill| text(&progress(fill, 4, Style::new(), Style::new()));
        assert_eq!(bar(Fill::Share(0.0)), "░░░░");
        assert_eq!(bar(Fill::Share(1.0 / 32.0)), "▏░░░");
        assert_eq!(bar(Fill::Share(0.5)), "██░░");
        assert_eq!(bar(Fill::Share(0.99)), "███▉");
        assert_eq!(bar(Fill::Share(f64::NAN)), "░░░░");
        assert_eq!(bar(Fill::Share(7.0)), "███▉");
        assert_eq!(bar(Fill::Hatched), "▚▚▚▚");
    }

    #[test]
    fn the_same_in_the_weight_of_a_line() {
        let bar = |now, mean, peak| text(&line(now, mean, peak, 8, Style::new(), Style::new()));
        assert_eq!(bar(50.0, 75.0, 100.0), "━━━━─┊──");
        assert_eq!(bar(55.0, 0.0, 100.0), "━━━━╸───");
        assert_eq!(bar(100.0, 50.0, 100.0), "━━━┊━━━━");
        assert_eq!(bar(0.0, 0.0, 0.0), "────────");
    }

    #[test]
    fn pieces_and_thin_bars_are_there_however_little() {
        assert_eq!([0.0, 0.001, 0.5, 1.0].map(|share| piece(share, 4)), ["", "▏", "██", "████"]);
        let thin = |fill| text(&thin(fill, 4, ' ', Style::new(), Style::new()));
        assert_eq!(thin(Fill::Share(0.001)), "▀   ");
        assert_eq!(thin(Fill::Share(0.5)), "▀▀  ");
        assert_eq!((thin(Fill::Full), thin(Fill::Hatched)), ("▀▀▀▀".into(), "▚▚▚▚".into()));
    }

    #[test]
    fn a_mark_takes_one_column_of_a_bar() {
        let marked =
            |share| text(&mark(rate(50.0, 75.0, 100.0, 8, Style::new(), Style::new()), share, Style::new()));
        assert_eq!(marked(None), "████─┊──");
        assert_eq!(marked(Some(1.0)), "████─┊─╏");
        assert_eq!(marked(Some(0.25)), "█╏██─┊──");
        assert_eq!(marked(Some(0.0)), "╏███─┊──");
        assert_eq!(mark(Vec::new(), Some(0.5), Style::new()), []);
    }

    #[test]
    fn a_rate_is_measured_against_the_highest_and_the_mean_is_ticked() {
        let bar = |now, mean, peak| text(&rate(now, mean, peak, 8, Style::new(), Style::new()));
        assert_eq!(bar(50.0, 75.0, 100.0), "████─┊──");
        assert_eq!(bar(100.0, 50.0, 100.0), "███┊████");
        assert_eq!(bar(0.0, 0.0, 0.0), "────────");
        assert_eq!(bar(0.0, 10.0, 10.0), "───────┊");
    }
}
