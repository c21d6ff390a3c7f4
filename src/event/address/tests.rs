use proptest::prelude::*;

use super::*;

/// The four forms of an address, each with the address that is meant. Flags, presets and the connect dialog accept
/// them all.
pub(crate) const FORMS: [(&str, &str); 4] = [
    ("example.org", "example.org:4321"),
    ("10.0.0.7:99", "10.0.0.7:99"),
    ("[::1]", "[::1]:4321"),
    ("[2001:db8::7]:99", "[2001:db8::7]:99"),
];

/// Texts that are not an address.
pub(crate) const REFUSED: [&str; 30] = [
    "",
    " ",
    ":",
    ":80",
    "host:",
    "host:0",
    "host:+80",
    "host:-1",
    "host:65536",
    "host: 80",
    "host:٣",
    "a b:80",
    "a b",
    "a\tb",
    "a\u{1b}b:80",
    "a\u{202e}b:80",
    "a\u{3164}b:80",
    "#host:80",
    "ho=st:80",
    "http://host",
    "user@host:80",
    "a..b:80",
    ".host",
    "host..",
    "[]:80",
    "[host]:80",
    "[127.0.0.1]",
    "[::1:80",
    "[fe80::1%a b]:80",
    "[fe80::1%]:80",
];

fn parse(text: &str) -> ServerAddress {
    text.parse().unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

#[test]
fn every_spelling_has_one_normal_form() {
    for (text, shown, normal) in [
        ("127.0.0.1:4321", "127.0.0.1:4321", "127.0.0.1:4321"),
        (" Example.ORG.:04321 ", "Example.ORG.:4321", "example.org:4321"),
        ("ÄRGER.example:1", "ÄRGER.example:1", "ärger.example:1"),
        ("host_1-a:1", "host_1-a:1", "host_1-a:1"),
        ("host:65535", "host:65535", "host:65535"),
        ("localhost", "localhost:4321", "localhost:4321"),
        ("[::1]:80", "[::1]:80", "[::1]:80"),
        ("[0:0:0:0:0:0:0:1]:80", "[0:0:0:0:0:0:0:1]:80", "[::1]:80"),
        ("[2001:DB8::7]:99", "[2001:DB8::7]:99", "[2001:db8::7]:99"),
        ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ("[::ffff:10.0.0.7]", "[::ffff:10.0.0.7]:4321", "[::ffff:10.0.0.7]:4321"),
        // Without brackets, what can be a port is one.
        ("::1:80", "[::1]:80", "[::1]:80"),
        ("2001:db8::7:99", "[2001:db8::7]:99", "[2001:db8::7]:99"),
        ("::1", "[::1]:4321", "[::1]:4321"),
        ("::", "[::]:4321", "[::]:4321"),
        ("::1:0", "[::1:0]:4321", "[::1:0]:4321"),
        ("fe80::1:abcd", "[fe80::1:abcd]:4321", "[fe80::1:abcd]:4321"),
        ("fe80::1%eth0", "[fe80::1%eth0]:4321", "[fe80::1%eth0]:4321"),
        ("1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:4321", "[1:2:3:4:5:6:7:8]:4321"),
    ] {
        let address = parse(text);
        assert_eq!(address.to_string(), shown, "{text:?}");
        assert_eq!(address.normal().to_string(), normal, "{text:?}");
    }
    for (text, meant) in FORMS {
        assert_eq!(parse(text).to_string(), meant);
    }
}

#[test]
fn what_is_no_address_is_refused_with_the_forms_that_are() {
    for text in REFUSED {
        let refused = text.parse::<ServerAddress>();
        assert_eq!(refused, Err(AddressError), "{text:?}");
        assert!(serde_json::from_value::<ServerAddress>(text.into()).is_err(), "{text:?}");
        if text != "host:0" {
            assert_eq!(parse_listening(text), Err(AddressError), "{text:?}");
        }
    }
    assert_eq!(AddressError.to_string(), "invalid address: expected host:port or [IPv6]:port");
    for text in ["host", "127.0.0.1", "::1", "[::1]"] {
        assert_eq!(ServerAddress::with_port(text), Err(AddressError), "{text:?} has no port");
        assert_eq!(parse_listening(text), Err(AddressError), "{text:?} has no port");
    }
}

#[test]
fn a_server_may_listen_on_any_free_port() {
    for (text, host, port) in [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::]:0", "::", 0),
        ("localhost:7012", "localhost", 7012),
        ("::1:80", "::1", 80),
    ] {
        assert_eq!(parse_listening(text), Ok((host.to_owned(), port)), "{text:?}");
    }
}

#[test]
fn the_address_of_a_socket_is_written_as_the_socket_writes_it() {
    for text in ["127.0.0.1:4321", "[::1]:80", "[fe80::1%3]:80"] {
        let socket: SocketAddr = text.parse().unwrap();
        assert_eq!(ServerAddress::from(socket), parse(text));
        assert_eq!(ServerAddress::from(socket).to_string(), socket.to_string());
    }
    assert_eq!(ServerAddress::default(), parse("127.0.0.1:4321"));
}

fn texts() -> impl Strategy<Value = String> {
    let name = "[a-zA-Z0-9äİßΣ_-]{1,6}(\\.[a-zA-Z0-9äİßΣ_-]{1,6}){0,2}\\.?";
    let v6 = any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string());
    let v6 = (v6, "(%[a-z0-9]{1,5})?", any::<bool>()).prop_map(|(ip, zone, brackets)| {
        if brackets { format!("[{ip}{zone}]") } else { format!("{ip}{zone}") }
    });
    let v4 = any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string());
    let host = prop_oneof![name, v6, v4];
    let port = prop_oneof![Just(String::new()), any::<u16>().prop_map(|port| format!(":{port}"))];
    prop_oneof![
        4 => (host, port).prop_map(|(host, port)| host + &port),
        1 => "[a-f0-9:.%\\[\\]\u{307}\u{3164} ]{1,20}",
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(text in texts()) {
        let Ok(address) = text.parse::<ServerAddress>() else { return Ok(()) };
        let shown = address.to_string();
        prop_assert_eq!(shown.parse(), Ok(address.clone()));
        prop_assert_eq!(ServerAddress::with_port(&shown), Ok(address.clone()));
        prop_assert_eq!(parse_listening(&shown), Ok((address.host().to_owned(), address.port())));
        let json = serde_json::to_string(&address).unwrap();
        prop_assert_eq!(&json, &format!("\"{shown}\""));
        prop_assert_eq!(serde_json::from_str::<ServerAddress>(&json).unwrap(), address);
    }

    #[test]
    fn the_normal_form_is_an_address_that_is_normal(text in texts()) {
        let Ok(address) = text.parse::<ServerAddress>() else { return Ok(()) };
        let normal = address.normal();
        prop_assert_eq!(normal.to_string().parse(), Ok(normal.clone()));
        prop_assert_eq!(normal.normal(), normal);
    }

    #[test]
    fn an_address_is_one_word_that_misleads_no_reader(text in texts()) {
        let Ok(address) = text.parse::<ServerAddress>() else { return Ok(()) };
        for shown in [address.to_string(), address.normal().to_string()] {
            prop_assert!(!shown.contains(|c: char| misleads(c) || c.is_whitespace()), "{shown:?}");
            prop_assert!(!shown.contains(['=', '#', '/', '@', ',', '"', '\'', '\\']), "{shown:?}");
        }
        prop_assert!(address.port() != 0 && !address.host().is_empty());
    }
}
