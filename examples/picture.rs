//! Draws the README's pictures: runs the program in a pseudo-terminal, uses it, and writes the screen as SVG.
//! `just picture` calls it: `picture BINARY FOLDER`.
#![expect(clippy::unwrap_used, reason = "a tool for developers, which stops by panicking")]

#[path = "../tests/pty/mod.rs"]
mod pty;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU16;
use std::path::Path;

use pty::Terminal;

const CELL: (f32, f32) = (9.0, 18.0);
const MARGIN: f32 = 12.0;
const FRONT: &str = "#d8dadb";
const BACK: &str = "#16181a";
/// The 16 colours of a terminal in a dark theme.
const PALETTE: [&str; 16] = [
    "#1d1f21", "#cc6666", "#b5bd68", "#f0c674", "#81a2be", "#b294bb", "#8abeb7", "#c5c8c6", //
    "#7f8487", "#ff7b7b", "#d3e07a", "#ffe08f", "#a4c9ef", "#d7b5e0", "#a8e0d9", "#ffffff",
];

fn main() {
    let mut args = env::args_os().skip(1);
    let (Some(binary), Some(out)) = (args.next(), args.next()) else {
        eprintln!("usage: picture BINARY FOLDER");
        std::process::exit(2);
    };
    // The program runs in another folder, so its path must be absolute.
    let (binary, out) = (fs::canonicalize(binary).unwrap(), Path::new(&out));
    let home = tempfile::tempdir().unwrap();
    let lectures = home.path().join("lectures").join("week9");
    fs::create_dir_all(lectures.join("figures")).unwrap();
    for (name, size) in
        [("cmos.mp4", 48 << 20), ("image.ppm", 1_294_400), ("notes.txt", 812), ("week9.html", 42_200)]
    {
        fs::write(lectures.join(name), vec![7; size]).unwrap();
    }
    let (columns, rows) = (NonZeroU16::new(80).unwrap(), NonZeroU16::new(24).unwrap());
    let mut terminal = Terminal::start(&binary, &lectures, home.path(), columns, rows);
    terminal.until_text("127.0.0.1:");
    let upload = terminal.printed_key(" upload");
    terminal.mark(&["cmos.mp4", "image.ppm", "week9.html"]);
    terminal.press(&upload);
    terminal.until("three stored, and received", |screen| screen.contents().matches("stored ✓").count() == 6);
    save(&terminal, &out.join("upload.svg"));

    terminal.point_at("image.ppm");
    let race = terminal.printed_key(" race");
    terminal.press(&race);
    terminal.until_text("times faster");
    save(&terminal, &out.join("race.svg"));
    terminal.press("q");
    terminal.end();
}

fn save(terminal: &Terminal, path: &Path) {
    let parser = terminal.screen.0.lock().unwrap();
    fs::write(path, svg(parser.screen())).unwrap();
    println!("{}", path.display());
}

/// Returns the screen as SVG: one `<text>` for each run of letters of one style, stretched to its cells because fonts
/// differ. Bars and charts are drawn as shapes, because fonts leave gaps.
fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (width, height) =
        (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACK}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let begin = column;
            let look = look(screen, row, column);
            let mut text = String::new();
            while column < columns && self::look(screen, row, column) == look {
                let cell = screen.cell(row, column).unwrap();
                let glyph = if cell.has_contents() { cell.contents() } else { " " };
                if draw(&mut out, row, column, &look.front, glyph) {
                    text.push(' ');
                } else {
                    text.push_str(glyph);
                }
                column += if cell.is_wide() { 2 } else { 1 };
            }
            run(&mut out, row, begin, column - begin, &look, &text);
        }
    }
    out.push_str("</svg>\n");
    out
}

#[derive(PartialEq)]
struct Look {
    front: String,
    back: String,
    bold: bool,
    dim: bool,
}

fn look(screen: &vt100::Screen, row: u16, column: u16) -> Look {
    let cell = screen.cell(row, column).unwrap();
    let (front, back) = (colour(cell.fgcolor(), FRONT), colour(cell.bgcolor(), BACK));
    let (front, back) = if cell.inverse() { (back, front) } else { (front, back) };
    Look { front, back, bold: cell.bold(), dim: cell.dim() }
}

fn colour(colour: vt100::Color, default: &str) -> String {
    match colour {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Idx(i) => PALETTE.get(usize::from(i)).copied().unwrap_or(default).to_owned(),
        vt100::Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
    }
}

/// Draws a block or braille cell; returns whether it was one.
fn draw(out: &mut String, row: u16, column: u16, colour: &str, glyph: &str) -> bool {
    let Some(code) = glyph.chars().next().map(u32::from) else { return false };
    let (x, y) = (MARGIN + f32::from(column) * CELL.0, MARGIN + f32::from(row) * CELL.1);
    match code {
        // The full block, and its left parts in eighths.
        0x2588..=0x258f => {
            let eighths = f32::from(u8::try_from(0x2590 - code).unwrap());
            let width = CELL.0 * eighths / 8.0 + 0.1;
            let height = CELL.1 - 4.0;
            writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                y + 2.0
            )
            .unwrap();
        }
        0x2800..=0x28ff => {
            const DOTS: [(f32, f32); 8] =
                [(0., 0.), (0., 1.), (0., 2.), (1., 0.), (1., 1.), (1., 2.), (0., 3.), (1., 3.)];
            for (bit, (right, down)) in DOTS.iter().enumerate() {
                if (code - 0x2800) >> bit & 1 == 1 {
                    let (cx, cy) = (x + CELL.0 * (right + 0.5) / 2.0, y + CELL.1 * (down + 0.5) / 4.0);
                    writeln!(out, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"1.2\" fill=\"{colour}\"/>")
                        .unwrap();
                }
            }
        }
        _ => return false,
    }
    true
}

fn run(out: &mut String, row: u16, column: u16, cells: u16, look: &Look, text: &str) {
    let (x, y) = (MARGIN + f32::from(column) * CELL.0, MARGIN + f32::from(row) * CELL.1);
    let width = f32::from(cells) * CELL.0;
    if look.back != BACK {
        let height = CELL.1;
        writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{}\"/>",
            look.back
        )
        .unwrap();
    }
    if text.trim().is_empty() {
        return;
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" fill=\"{}\"{}{}>{escaped}</text>",
        y + 13.5,
        look.front,
        if look.bold { " font-weight=\"bold\"" } else { "" },
        if look.dim { " opacity=\"0.6\"" } else { "" },
    )
    .unwrap();
}
