//! QR codes as text: half blocks, two modules in each character.
//!
//! The rows know no colours. Scanners expect dark modules on a light ground, so the front end draws them black on white,
//! or [`inverted`] where it cannot choose colours and the ground is probably dark.

use qrcode::bits::Bits;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode, QrResult, Version};

/// Modules of the light margin around the code, on each side, that the standard (ISO/IEC 18004) requires.
pub(crate) const MARGIN: usize = 4;

/// Error correction. A screen has no scratches.
const LEVEL: EcLevel = EcLevel::L;

/// Returns a QR code of this text, with its margin, as rows of one width: `█`, `▀` and `▄` are dark modules, spaces are
/// light ones. `None`: the text is too long for any code (above 2,953 bytes).
///
/// A text in capitals makes a smaller code.
#[must_use]
pub(crate) fn rows(text: &str) -> Option<Vec<String>> {
    let codes = [QrCode::with_error_correction_level(text, LEVEL), in_runs(text)];
    let code = codes.into_iter().flatten().min_by_key(QrCode::width)?;
    let (width, modules) = (code.width(), code.to_colors());
    let whole = width + 2 * MARGIN;
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
        let at = inside(x).zip(inside(y)).map(|(x, y)| y * width + x);
        at.and_then(|at| modules.get(at)) == Some(&Color::Dark)
    };
    let cell = |x: usize, y: usize| match (is_dark(x, y), is_dark(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    Some((0..whole).step_by(2).map(|y| (0..whole).map(|x| cell(x, y)).collect()).collect())
}

/// Returns the code of a text whose runs of capitals, digits and some signs take 5.5 bits for a character. The crate merges
/// the two runs of a link in capitals into one of bytes.
fn in_runs(text: &str) -> QrResult<QrCode> {
    let is_short =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || b" $%*+-./:".contains(&byte);
    let runs: Vec<&[u8]> = text.as_bytes().chunk_by(|a, b| is_short(*a) == is_short(*b)).collect();
    for version in (1..=40).map(Version::Normal) {
        let mut bits = Bits::new(version);
        let mut push = || -> QrResult<()> {
            for run in &runs {
                if run.first().is_some_and(|first| is_short(*first)) {
                    bits.push_alphanumeric_data(run)?;
                } else {
                    bits.push_byte_data(run)?;
                }
            }
            bits.push_terminator(LEVEL)
        };
        if push().is_ok() {
            return QrCode::with_bits(bits, LEVEL);
        }
    }
    Err(QrError::DataTooLong)
}

/// Returns a row in which the light modules are the blocks.
#[must_use]
pub(crate) fn inverted(row: &str) -> String {
    let invert = |c: char| match c {
        '█' => ' ',
        '▀' => '▄',
        '▄' => '▀',
        _ => '█',
    };
    row.chars().map(invert).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Returns the modules of rows, line by line; `true` is dark.
    fn modules(rows: &[String]) -> Vec<Vec<bool>> {
        let half = |row: &String, dark: [char; 2]| row.chars().map(|c| dark.contains(&c)).collect();
        rows.iter().flat_map(|row| [half(row, ['█', '▀']), half(row, ['█', '▄'])]).collect()
    }

    #[test]
    fn a_code_has_its_margin_and_three_finder_patterns() {
        let rows = rows("upseal").unwrap();
        let modules = modules(&rows);
        let width = rows[0].chars().count();
        assert_eq!(width, 21 + 2 * MARGIN, "the smallest code");
        assert_eq!((modules.len(), rows.len()), (width + 1, 15), "the last half row is light");
        let outside = |at: usize| at < MARGIN || at >= width - MARGIN;
        for (y, line) in modules.iter().enumerate() {
            assert_eq!(line.len(), width);
            assert!(line.iter().enumerate().all(|(x, dark)| !dark || !(outside(x) || outside(y))));
        }
        let finder = |x: usize, y: usize| {
            let at = |dx: usize, dy: usize| modules[MARGIN + y + dy][MARGIN + x + dx];
            let ring = (0..7).all(|i| at(i, 0) && at(i, 6) && at(0, i) && at(6, i));
            ring && (1..6).all(|i| !at(i, 1) && !at(i, 5)) && (2..5).all(|i| at(i, 2) && at(i, 3) && at(i, 4))
        };
        assert!(finder(0, 0) && finder(14, 0) && finder(0, 14));
        assert!(!finder(14, 14));
    }

    /// Returns what a scanner that is not ours reads.
    fn scanned(rows: &[String]) -> String {
        const SCALE: usize = 4;
        let modules = modules(rows);
        let (width, height) = (modules[0].len() * SCALE, modules.len() * SCALE);
        let shade = |x: usize, y: usize| if modules[y / SCALE][x / SCALE] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, shade);
        let found = image.detect_grids();
        assert_eq!(found.len(), 1);
        found[0].decode().unwrap().1
    }

    #[test]
    fn a_scanner_reads_the_text() {
        let link = format!("upseal://[2001:db8::7]:4321#sha256-{}", "9f".repeat(32));
        for text in ["upseal", &link, &link.to_uppercase()] {
            assert_eq!(scanned(&rows(text).unwrap()), text);
        }
    }

    #[test]
    fn a_link_in_capitals_fits_on_a_small_terminal_and_one_that_is_too_long_has_no_code() {
        let link = format!("upseal://255.255.255.255:65535#sha256-{}", "9f".repeat(32));
        let rows = super::rows(&link.to_uppercase()).unwrap();
        assert_eq!((rows.len(), rows[0].chars().count()), (21, 41));
        assert!(super::rows(&link).unwrap().len() > rows.len());
        assert_eq!(super::rows(&"a".repeat(2954)), None);
    }

    #[test]
    fn inverting_twice_changes_nothing() {
        for row in rows("upseal").unwrap() {
            assert_eq!(inverted(&inverted(&row)), row);
            assert_ne!(inverted(&row), row);
        }
    }
}
