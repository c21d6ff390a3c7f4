//! Draws the pictures of the README and of docs/views.md: runs the program in a pseudo-terminal, uses it, and writes the
//! screens as SVG. `just picture` calls it: `picture BINARY ASSETS PICTURES`.
#![expect(clippy::unwrap_used, reason = "a tool for developers, which stops by panicking")]

#[path = "../tests/pty/mod.rs"]
mod pty;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use pty::Terminal;

const CELL: (f32, f32) = (9.0, 18.0);
const MARGIN: f32 = 12.0;

/// Colours of a terminal.
struct Palette {
    name: &'static str,
    front: &'static str,
    back: &'static str,
    /// The 16 colours that programs name by number.
    colours: [&'static str; 16],
}

const DARK: Palette = Palette {
    name: "dark",
    front: "#d8dadb",
    back: "#16181a",
    colours: [
        "#1d1f21", "#cc6666", "#b5bd68", "#f0c674", "#81a2be", "#b294bb", "#8abeb7", "#c5c8c6", //
        "#7f8487", "#ff7b7b", "#d3e07a", "#ffe08f", "#a4c9ef", "#d7b5e0", "#a8e0d9", "#ffffff",
    ],
};

const LIGHT: Palette = Palette {
    name: "light",
    front: "#24292e",
    back: "#ffffff",
    colours: [
        "#24292e", "#c4161c", "#1a7f37", "#9a6700", "#0550ae", "#8250df", "#1b7c83", "#6e7781", //
        "#57606a", "#a40e26", "#116329", "#7d4e00", "#0969da", "#6639ba", "#136061", "#8c959f",
    ],
};

/// Solarized as its author published it: the bright colours are greys.
const SOLARIZED: Palette = Palette {
    name: "solarized",
    front: "#839496",
    back: "#002b36",
    colours: [
        "#073642", "#dc322f", "#859900", "#b58900", "#268bd2", "#d33682", "#2aa198", "#eee8d5", //
        "#002b36", "#cb4b16", "#586e75", "#657b83", "#839496", "#6c71c4", "#93a1a1", "#fdf6e3",
    ],
};

fn main() {
    let mut args = env::args_os().skip(1);
    let (Some(binary), Some(assets), Some(pictures)) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: picture BINARY ASSETS PICTURES");
        std::process::exit(2);
    };
    // The program runs in another folder, so its path must be absolute.
    let binary = fs::canonicalize(binary).unwrap();
    let (assets, pictures) = (PathBuf::from(assets), PathBuf::from(pictures));
    for (columns, rows) in [(80, 24), (120, 40), (200, 50)] {
        let size = format!("{columns}x{rows}");
        walk(&binary, columns, rows, |terminal, screen| {
            save(terminal, &DARK, &pictures.join(format!("{screen}-{size}.svg")));
            if size == "80x24" && ["upload", "race"].contains(&screen) {
                save(terminal, &DARK, &assets.join(format!("{screen}.svg")));
            }
            if size == "120x40" {
                for palette in [&LIGHT, &SOLARIZED] {
                    save(terminal, palette, &pictures.join(format!("{screen}-{}.svg", palette.name)));
                }
            }
        });
    }
}

/// Uses the program in a terminal of this size, and calls `picture` with the name of each screen when it is complete.
fn walk(binary: &Path, columns: u16, rows: u16, picture: impl Fn(&Terminal, &str)) {
    let home = tempfile::tempdir().unwrap();
    let lectures = home.path().join("lectures").join("week9");
    fs::create_dir_all(lectures.join("figures")).unwrap();
    for (name, size) in
        [("cmos.mp4", 48 << 20), ("image.ppm", 1_294_400), ("notes.txt", 812), ("week9.html", 42_200)]
    {
        fs::write(lectures.join(name), vec![7; size]).unwrap();
    }
    let cells = |n| NonZeroU16::new(n).unwrap();
    let mut terminal = Terminal::start(binary, &lectures, home.path(), cells(columns), cells(rows));
    terminal.until_text("127.0.0.1:");
    let upload = terminal.printed_key(" upload");
    terminal.mark(&["cmos.mp4", "image.ppm", "week9.html"]);
    terminal.press(&upload);
    terminal.until("three stored, and received", |screen| screen.contents().matches("stored ✓").count() == 6);
    picture(&terminal, "upload");

    terminal.point_at("image.ppm");
    let race = terminal.printed_key(" race");
    terminal.press(&race);
    terminal.until_text("times faster");
    picture(&terminal, "race");
    terminal.press("z");
    terminal.until_text("2nd ");
    picture(&terminal, "podium");
    terminal.press("z3");
    terminal.until_text("client → server");
    picture(&terminal, "session");
    terminal.press("\t");
    terminal.until_text("issuer");
    picture(&terminal, "certificate");
    terminal.press("\t");
    terminal.until_text("entropy:");
    picture(&terminal, "wire");
    terminal.press("!");
    terminal.until_text("all as the protocol says");
    picture(&terminal, "lab");
    terminal.press("\x1b");
    terminal.until("the lab closed", |screen| !screen.contents().contains("all as the protocol says"));
    terminal.press("4");
    terminal.until_text("week9.html");
    picture(&terminal, "server");
    terminal.press("5");
    terminal.until("the rows", |screen| screen.contents().contains("cmos.mp4"));
    picture(&terminal, "history");
    terminal.press("q");
    terminal.end();
}

fn save(terminal: &Terminal, palette: &Palette, path: &Path) {
    let parser = terminal.screen.0.lock().unwrap();
    fs::write(path, svg(parser.screen(), palette)).unwrap();
    println!("{}", path.display());
}

/// Returns the screen as SVG: one `<text>` for each run of letters of one style, stretched to its cells because fonts
/// differ. Bars and charts are drawn as shapes, because fonts leave gaps.
fn svg(screen: &vt100::Screen, palette: &Palette) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (width, height) =
        (f32::from(columns) * CELL.0 + 2.0 * MARGIN, f32::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>\n",
        palette.back
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let begin = column;
            let look = look(screen, palette, row, column);
            let mut text = String::new();
            while column < columns && self::look(screen, palette, row, column) == look {
                let cell = screen.cell(row, column).unwrap();
                let glyph = if cell.has_contents() { cell.contents() } else { " " };
                if draw(&mut out, row, column, &look.front, glyph) {
                    text.push(' ');
                } else {
                    text.push_str(glyph);
                }
                column += if cell.is_wide() { 2 } else { 1 };
            }
            run(&mut out, palette, row, begin, column - begin, &look, &text);
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

fn look(screen: &vt100::Screen, palette: &Palette, row: u16, column: u16) -> Look {
    let cell = screen.cell(row, column).unwrap();
    let front = colour(cell.fgcolor(), palette.front, palette);
    let back = colour(cell.bgcolor(), palette.back, palette);
    let (front, back) = if cell.inverse() { (back, front) } else { (front, back) };
    Look { front, back, bold: cell.bold(), dim: cell.dim() }
}

fn colour(colour: vt100::Color, default: &str, palette: &Palette) -> String {
    match colour {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Idx(i) if i < 16 => palette.colours[usize::from(i)].to_owned(),
        // 24 greys, and a cube of 6 × 6 × 6, as xterm defines them.
        vt100::Color::Idx(i @ 232..) => format!("#{0:02x}{0:02x}{0:02x}", 8 + (i - 232) * 10),
        vt100::Color::Idx(i) => {
            let level = |n: u8| [0, 95, 135, 175, 215, 255][usize::from(n % 6)];
            let (r, g, b) = (level((i - 16) / 36), level((i - 16) / 6), level(i - 16));
            format!("#{r:02x}{g:02x}{b:02x}")
        }
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

fn run(out: &mut String, palette: &Palette, row: u16, column: u16, cells: u16, look: &Look, text: &str) {
    let (x, y) = (MARGIN + f32::from(column) * CELL.0, MARGIN + f32::from(row) * CELL.1);
    let width = f32::from(cells) * CELL.0;
    if look.back != palette.back {
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
