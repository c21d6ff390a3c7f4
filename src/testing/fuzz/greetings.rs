//! Messages before the files: the hello, receipt requests, our server's line, addresses and links.

use super::{IDENTITY, Input, check_shown};
use crate::crypto::receipt::Request;
use crate::event::{Destination, ServerAddress};
use crate::net::handshake::{Limits, Offer, check_signable, receipt_offer, server_line};

/// What a message says is written again with the same bytes, and a hello cannot be taken for a receipt request.
pub(super) fn hellos(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    let bytes = input.rest();
    if kind & 1 == 1 {
        return server_lines(bytes);
    }
    let offer = Offer::parse(bytes);
    let request = Request::parse(bytes);
    if let Some(offer) = offer {
        assert_eq!(offer.hello(&[])[..16], bytes[..16]);
        assert_eq!(request, None, "a message has one meaning");
    }
    if let Some(request) = request {
        assert_eq!(request.to_text().as_bytes(), bytes);
        if let Some(sealed) = &request.sealed_salt {
            let _ = IDENTITY.open_receipt_salt(sealed);
        }
    }
    if check_signable(bytes).is_ok() && bytes.starts_with(b"upseal/") {
        assert!(
            Offer::parse(bytes).is_some() || Request::parse(bytes).is_some(),
            "a statement is never signed"
        );
    }
}

/// The line before a server's certificate, and what a user gives as a server.
fn server_lines(bytes: &[u8]) {
    let limits = Limits::parse(bytes);
    let line = server_line(true, 900, &limits);
    assert_eq!(server_line(true, 900, &Limits::parse(line.as_bytes())), line, "it is its own form");
    check_shown(&line);
    let _ = receipt_offer(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = limits.refuse_name(text);
    if let Ok(address) = text.parse::<ServerAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address.clone()), "{address}");
        check_shown(&address.to_string());
    }
    match text.parse::<Destination>() {
        Ok(there) => assert_eq!(there.to_string().parse(), Ok(there.clone()), "{there}"),
        Err(why) => check_shown(&why.to_string()),
    }
}
