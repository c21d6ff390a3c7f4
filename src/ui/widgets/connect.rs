//! The connect dialog: which server, whose CA, which padding.

use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::input::Input;
use super::{Pane, rows};
use crate::event::{Expected, Padding, Target};
use crate::ui::fit;
use crate::ui::keymap::Place;
use crate::ui::text;

/// The port of the protocol's servers, if none is typed.
const PORT: u16 = 4321;

/// What the answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Purpose {
    /// Where uploads go from now on.
    Uploads,
    /// Where this lane of the race goes.
    Lane(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Address,
    Ca,
    Padding,
}

const FIELDS: [Field; 3] = [Field::Address, Field::Ca, Field::Padding];

/// The dialog's state.
#[derive(Debug)]
pub(in crate::ui) struct Connect {
    pub(in crate::ui) purpose: Purpose,
    /// Whose pin stays as long as the address does.
    before: Target,
    address: Input,
    ca: Input,
    padding: Padding,
    field: usize,
    /// Why the last attempt to accept it failed.
    complaint: Option<&'static str>,
}

impl Connect {
    pub(in crate::ui) fn new(purpose: Purpose, target: &Target, ca: Option<&Path>, padding: Padding) -> Self {
        let (address, own) = match target {
            Target::Embedded => (Input::default(), None),
            Target::Server { address, ca, .. } => (Input::with(address), ca.as_deref()),
        };
        let ca = own.or(ca).map_or_else(Input::default, |ca| Input::with(&ca.to_string_lossy()));
        let before = target.clone();
        Self { purpose, before, address, ca, padding, field: 0, complaint: None }
    }

    pub(in crate::ui) fn place(&self) -> Place {
        match FIELDS[self.field] {
            Field::Padding => Place::ChoiceField,
            Field::Address | Field::Ca => Place::Field,
        }
    }

    pub(in crate::ui) fn input(&mut self) -> Option<&mut Input> {
        self.complaint = None;
        match FIELDS[self.field] {
            Field::Address => Some(&mut self.address),
            Field::Ca => Some(&mut self.ca),
            Field::Padding => None,
        }
    }

    pub(in crate::ui) fn next_field(&mut self, by: usize) {
        self.field = (self.field + by) % FIELDS.len();
    }

    pub(in crate::ui) fn choose(&mut self) {
        self.padding = match self.padding {
            Padding::Oaep => Padding::Pkcs1v15,
            Padding::Pkcs1v15 => Padding::Oaep,
        };
    }

    /// What the dialog says, or `None` after it has complained.
    pub(in crate::ui) fn accept(&mut self, home: Option<&Path>) -> Option<(Target, Padding)> {
        let typed = self.address.text();
        if typed.trim().is_empty() {
            return Some((Target::Embedded, self.padding));
        }
        let Some(address) = address(&typed) else {
            self.complaint = Some(text::BAD_ADDRESS);
            self.field = 0;
            return None;
        };
        let ca = self.ca.text();
        let ca = (!ca.trim().is_empty()).then(|| expand(ca.trim(), home));
        let expected = match &self.before {
            Target::Server { address: before, expected, .. } if *before == address => expected.clone(),
            _ => Expected::default(),
        };
        Some((Target::Server { address, ca, expected }, self.padding))
    }
}

/// `host`, `host:port`, `[v6]:port` or a bare v6 address, always with a port afterwards.
fn address(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.contains(|c: char| c.is_whitespace() || c == '/') {
        return None;
    }
    if typed.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{typed}]:{PORT}"));
    }
    let (host, port) = match typed.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, Some(port)),
        Some(("", _)) => return None,
        _ => (typed, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bracketed.map_or(host.contains([':', '[', ']']), |host| host.parse::<std::net::Ipv6Addr>().is_err()) {
        return None;
    }
    let port = match port {
        None => PORT,
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
    };
    Some(format!("{host}:{port}"))
}

/// A typed path, with `~` for the home folder.
pub(in crate::ui) fn expand(typed: &str, home: Option<&Path>) -> PathBuf {
    match (typed.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(typed),
    }
}

impl Widget for Pane<'_, Connect> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let dialog = self.of;
        let title = match dialog.purpose {
            Purpose::Uploads => text::CONNECT.to_owned(),
            Purpose::Lane(lane) => text::connect_lane(lane),
        };
        let block = self.frame(&title, "c", area);
        let inner = block.inner(area);
        block.render(area, buf);
        let width = usize::from(inner.width).saturating_sub(12);
        let fields = FIELDS.iter().enumerate().map(|(at, field)| {
            let here = at == dialog.field;
            let (label, mut value) = match field {
                Field::Address => ("host:port", value(&dialog.address, here, width)),
                Field::Ca => ("CA file", value(&dialog.ca, here, width)),
                Field::Padding => ("RSA padding", self.padding()),
            };
            let style = if here { self.theme.chosen() } else { self.theme.faint() };
            let mut spans = vec![Span::styled(fit::left(if here { "▸" } else { " " }, 1), style)];
            spans.push(Span::styled(fit::left(label, 12), style));
            spans.append(&mut value);
            Line::from(spans)
        });
        let hint = match dialog.complaint {
            Some(complaint) => Line::styled(complaint, self.theme.bad()),
            None => Line::styled(text::CONNECT_HINT, self.theme.faint()),
        };
        let more = Line::styled(text::CONNECT_CA_HINT, self.theme.faint());
        for (line, area) in fields.chain([Line::default(), hint, more]).zip(rows(inner)) {
            line.render(area, buf);
        }
    }
}

impl Pane<'_, Connect> {
    fn padding(&self) -> Vec<Span<'static>> {
        [Padding::Oaep, Padding::Pkcs1v15]
            .into_iter()
            .map(|padding| {
                if padding == self.of.padding {
                    Span::styled(format!("[{padding}]"), self.theme.chosen())
                } else {
                    Span::raw(format!(" {padding} "))
                }
            })
            .collect()
    }
}

fn value(input: &Input, here: bool, width: usize) -> Vec<Span<'static>> {
    if here {
        input.line(width, Style::new()).spans
    } else {
        vec![Span::raw(fit::cut_start(&fit::escaped(&input.text()), width))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_always_has_a_port_afterwards() {
        for (typed, meant) in [
            ("example.org", Some("example.org:4321")),
            (" 10.0.0.7:99 ", Some("10.0.0.7:99")),
            ("::1", Some("[::1]:4321")),
            ("[::1]:5000", Some("[::1]:5000")),
            ("[::1]", Some("[::1]:4321")),
            ("host:0", None),
            ("host:99999", None),
            ("host:", None),
            (":4321", None),
            ("a b", None),
            ("http://host", None),
            ("[nonsense]:1", None),
        ] {
            assert_eq!(address(typed).as_deref(), meant, "{typed}");
        }
    }

    #[test]
    fn an_empty_address_is_our_own_server() {
        let mut dialog = Connect::new(Purpose::Uploads, &Target::Embedded, None, Padding::Oaep);
        assert_eq!(dialog.accept(None), Some((Target::Embedded, Padding::Oaep)));
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = Path::new("/home/me");
        assert_eq!(expand("~/ca.crt", Some(home)), home.join("ca.crt"));
        assert_eq!(expand("~", Some(home)), home);
        assert_eq!(expand("~you/x", Some(home)), Path::new("~you/x"));
    }
}
