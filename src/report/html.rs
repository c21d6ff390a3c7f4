//! The HTML page: charts, table, machine. One file, with a light and a dark theme, that can be printed.

use std::fmt::Write as _;

use base64_simd::STANDARD;
use plotters::style::RGBColor;
use sha2::{Digest as _, Sha256};

use super::chart::{self, FAINT, GRID, INK, LANES};
use super::markup::text;
use super::rows::{Row, rows};
use super::text::{compact, facts, settings, subject, title, why};
use super::{MARK, RaceReport, ReportError};
use crate::messages::race::STAGES;
use crate::messages::{race, units};

/// The only script of the page: checks that the charts are drawn, and sets an attribute of the root for a browser test.
const CHECK: &str = "\
(()=>{const root=document.documentElement,all=[...document.querySelectorAll('figure svg')];\
const big=(e,w,h)=>{const b=e.getBBox();return b.width>w&&b.height>h};\
const shapes=s=>[...s.querySelectorAll('rect,polyline,circle')].filter(e=>big(e,1,1)||e.tagName==='polyline'&&big(e,1,-1));\
const drawn=s=>{const r=s.getBoundingClientRect();return r.width>200&&r.height>40&&big(s,200,20)&&shapes(s).length>0};\
root.dataset.charts=all.length;\
root.dataset.drawn=all.length===Number(root.dataset.expected)&&all.every(drawn)})();";

/// Renders the page.
pub(super) fn page(report: &RaceReport) -> Result<String, ReportError> {
    let verdict = &report.verdict;
    let rows = rows(verdict);
    let charts = [
        chart::rates(report)?.map(|svg| {
            figure("Rate over time", "MiB of the file a second, on a logarithmic axis; each line ends where its lane did.", &svg)
        }),
        Some(figure("How long it took", &lasted(report), &chart::seconds(report)?)),
        chart::shares(report)?.map(|svg| {
            figure(
                "Where the time went",
                "Parts of the seconds that all stages worked or waited, on both sides where both are known. Stages run \
                 beside each other: the largest part costs most, and need not be what the others wait for.",
                &svg,
            )
        }),
    ];
    let charts: Vec<String> = charts.into_iter().flatten().collect();
    let hash = STANDARD.encode_to_string(Sha256::digest(CHECK.as_bytes()));
    // `<` cannot end the element early.
    let numbers = compact(report).replace('<', "\\u003c");
    let (heading, sentence) = (text(&title(report)), text(&race::sentence(verdict)));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\" data-expected=\"{count}\">\n<head>\n<meta charset=\"utf-8\">\n<!-- {MARK} -->\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{heading}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"kind\">upseal · what each kind of encryption costs</p>\n<h1>{heading}</h1>\n{labels}<p class=\"verdict\">{sentence}</p>\n<p>{why}</p>\n{load}<p>{subject}</p>\n</header>\n\
         {charts}\n{table}\n{glossary}\n{machine}\n</main>\n\
         <script type=\"application/json\" id=\"numbers\">{numbers}</script>\n<script>{CHECK}</script>\n</body>\n</html>\n",
        count = charts.len(),
        style = style(),
        why = text(&why(verdict)),
        load = race::crowded(verdict).map_or_else(String::new, |load| format!("<p>{}</p>\n", text(&load))),
        subject = text(&subject(verdict)),
        glossary = glossary(),
        charts = charts.join("\n"),
        table = table(&rows, &verdict.lanes.iter().map(settings).collect::<Vec<_>>()),
        labels = labels(report),
        machine = machine(report),
    ))
}

fn lasted(report: &RaceReport) -> String {
    let from = "Seconds from the first byte of the file's name to the server's word that it has all";
    match report.verdict.laps {
        0 | 1 => format!("{from}."),
        laps => format!("{from}: the median of {laps}; the line goes from the fastest to the slowest."),
    }
}

fn figure(heading: &str, words: &str, svg: &str) -> String {
    let labelled = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", text(heading)), 1);
    format!(
        "<figure>\n<figcaption><h2>{}</h2><p>{}</p></figcaption>\n{labelled}</figure>",
        text(heading),
        text(words)
    )
}

/// Headings of the table after the lane's name. On a narrow screen each cell has its own.
const HEADINGS: [&str; 9] =
    ["Median", "Fastest", "Slowest", "Laps", "Rate", "On the wire", "Wire", "CPU here", "CPU server"];

/// Renders a table cell that also has the number for programs, if there is one.
fn cell(heading: &str, (value, shown): (Option<f64>, String)) -> String {
    let value = value.map_or_else(String::new, |value| format!(" data-value=\"{value}\""));
    format!("<td data-label=\"{heading}\"{value}>{}</td>", text(&shown))
}

fn table(rows: &[Row], settings: &[String]) -> String {
    let headings = HEADINGS.map(|heading| format!("<th>{heading}</th>")).concat();
    let mut html = format!(
        "<section>\n<h2>The lanes</h2>\n<table>\n<thead><tr><th>Lane</th>{headings}</tr></thead>\n<tbody>\n"
    );
    for (row, colour) in rows.iter().zip(LANES.iter().cycle()) {
        let _ = write!(
            html,
            "<tr data-lane=\"{}\"><th scope=\"row\"><i style=\"background:{}\"></i>{}</th>",
            row.lane,
            hex(*colour),
            text(&row.name)
        );
        if let Some(fault) = &row.fault {
            let _ =
                writeln!(html, "<td class=\"fault\" colspan=\"9\">did not arrive: {}</td></tr>", text(fault));
            continue;
        }
        let seconds = |s: f64| (Some(s), units::precise(s));
        let cpu = |s: Option<f64>| s.map_or_else(|| (None, "–".to_owned()), seconds);
        let cells = [
            seconds(row.seconds),
            seconds(row.min),
            seconds(row.max),
            (Some(row.laps as f64), row.laps.to_string()),
            (Some(row.mib_per_second), units::rate(row.mib_per_second * 1_048_576.0)),
            (Some(row.wire_bytes as f64), units::bytes(row.wire_bytes)),
            (Some(row.wire_factor), format!("×{:.2}", row.wire_factor)),
            cpu(row.client_cpu_seconds),
            cpu(row.server_cpu_seconds),
        ];
        html.extend(HEADINGS.iter().zip(cells).map(|(heading, of)| cell(heading, of)));
        html += "</tr>\n";
    }
    html += "</tbody>\n</table>\n<ul>";
    for (row, settings) in rows.iter().zip(settings) {
        let found = row.bottleneck.as_ref().map_or_else(String::new, |found| format!("; {found}"));
        let _ = write!(html, "<li><b>{}</b>: {}</li>", text(&row.name), text(&format!("{settings}{found}")));
    }
    html + "</ul>\n</section>"
}

/// Renders author, course and group, if they were given.
fn labels(report: &RaceReport) -> String {
    let labels = report.labels.shown();
    if labels.is_empty() {
        String::new()
    } else {
        format!("<p class=\"labels\">{}</p>\n", text(&labels.join(" · ")))
    }
}

fn glossary() -> String {
    let mut rows = String::new();
    for stage in STAGES {
        let _ = write!(rows, "<div><dt>{}</dt><dd>{}</dd></div>", race::stage(stage), race::explained(stage));
    }
    format!("<section>\n<h2>Stages</h2>\n<dl class=\"words\">{rows}</dl>\n</section>")
}

fn machine(report: &RaceReport) -> String {
    let facts = facts(report);
    let mut rows = String::new();
    for (what, value) in &facts {
        let _ = write!(rows, "<div><dt>{}</dt><dd>{}</dd></div>", text(what), text(value));
    }
    format!(
        "<section>\n<h2>Machine and program</h2>\n<dl>{rows}</dl>\n<pre>{}</pre>\n</section>",
        text(report.machine.command.as_str())
    )
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

/// Returns the style sheet. It replaces the charts' colours, which it finds by their attributes.
fn style() -> String {
    let mut light = String::new();
    let mut charts = String::new();
    for (colour, name) in [(INK, "ink"), (FAINT, "faint"), (GRID, "rule")] {
        let of = hex(colour);
        let _ = write!(light, "--{name}:{of};");
        let _ = write!(
            charts,
            "svg [fill=\"{of}\"]{{fill:var(--{name})}}svg [stroke=\"{of}\"]{{stroke:var(--{name})}}"
        );
    }
    STYLE.replace("/*light*/", &light) + &charts
}

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--panel:#f6f8fa;/*light*/}
@media screen and (prefers-color-scheme:dark){:root{--paper:#0d1117;--panel:#161b22;--ink:#e6edf3;--faint:#9198a1;--rule:#30363d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
.kind{margin:0;color:var(--faint);font-size:.875rem}
h1{margin:.1em 0 .4em;font-size:1.75rem;line-height:1.2;overflow-wrap:anywhere}
.verdict{margin:0 0 .4em;font-size:1.2rem;font-weight:600}
header p:last-child{margin:0;color:var(--faint)}
h2{margin:0;font-size:1.1rem}
figure{margin:2rem 0 0;padding:1.1rem 1.1rem .6rem;background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;break-inside:avoid}
figcaption p{margin:.1rem 0 .6rem;color:var(--faint);font-size:.875rem}
svg{display:block;width:100%;height:auto}
svg text{font-family:inherit}
section{margin-top:2.25rem;break-inside:avoid}
.wide{overflow-x:auto;margin-top:.6rem}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.45rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
thead th{color:var(--faint);font-weight:500;border-bottom-width:2px}
th:first-child{text-align:left;padding-left:0}
td.fault{text-align:left;white-space:normal}
th i{display:inline-block;width:.7rem;height:.7rem;margin-right:.5rem;border-radius:2px}
ul{margin:.8rem 0 0;padding-left:1.2rem}
dl{margin:.6rem 0 0}
dl div{display:flex;gap:1rem;padding:.25rem 0}
dt{flex:0 0 10rem;color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}
pre{margin:.8rem 0 0;padding:.7rem .9rem;background:var(--panel);border:1px solid var(--rule);border-radius:.4rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.875rem}
.labels{margin:0 0 .4em;color:var(--faint)}
table{margin-top:.6rem}
svg{overflow:visible}
dl.words{columns:2;column-gap:2rem}
dl.words div{display:block;break-inside:avoid}
dl.words dt{display:inline;color:var(--ink);font-weight:600}
dl.words dt::after{content:': '}
dl.words dd{display:inline}
@media screen and (max-width:44rem){
main{padding:1.25rem .9rem 2rem}
figure{padding:.8rem .6rem .4rem}
svg text{font-size:22px}
thead{display:none}
table,tbody,tr,th,td{display:block}
tr{padding:.5rem 0;border-bottom:1px solid var(--rule)}
th,td{padding:.1rem 0;border:0;text-align:left;white-space:normal;overflow-wrap:anywhere}
td[data-label]{display:flex;justify-content:space-between;gap:1rem}
td[data-label]::before{content:attr(data-label);color:var(--faint)}
dl div{display:block}
dl.words{columns:1}}
@page{size:A4;margin:10mm}
@media print{
body{font-size:8.5pt;line-height:1.3}
main{max-width:none;padding:0}
h1{margin:0;font-size:14pt}
h2{font-size:9.5pt}
.verdict{margin:0;font-size:10.5pt}
header p{margin:0}
figure{margin:2mm 0 0;padding:1.5mm;background:none}
figcaption p{margin:0;font-size:7.5pt}
figure svg{width:72%;margin:0 auto}
figure:nth-of-type(n+2){display:inline-block;width:48.8%;vertical-align:top}
figure:nth-of-type(3){margin-left:1%}
figure:nth-of-type(n+2) svg{width:100%}
figure:nth-of-type(n+2) svg text{font-size:17px}
section{margin-top:2.5mm}
th,td{padding:.6mm 1.5mm;font-size:8pt}
ul{margin:1mm 0 0}
dl{margin:.5mm 0 0;columns:2;column-gap:6mm}
dl div{display:block;padding:0;break-inside:avoid}
dt{display:inline}
dt::after{content:': '}
dd{display:inline}
pre{margin:1mm 0 0;padding:1mm 2mm;background:none;font-size:7.5pt}
th i,svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
";
