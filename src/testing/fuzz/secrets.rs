//! What a client encrypts: CP2's token and its session key.

use data_encoding::BASE64URL;

use super::{IDENTITY, Input};
use crate::crypto::fernet::kernel::{Backend, Hmac};
use crate::crypto::fernet::{SessionKey, TokenOpener, TokenSealer};
use crate::crypto::padding::Paddings;
use crate::crypto::{Open as _, OpenError, Seal as _};
use crate::digest::{Digest, FileDigest};
use crate::event::{KeyForm, Padding};

const KEY: [u8; 32] = *b"sixteen of HMAC,and those of AES";
const TAG: usize = 32;
const VERSION: u8 = 0x80;

/// The opener of tokens: pieces and back ends do not matter, and it accepts what the `fernet` crate accepts.
pub(super) fn tokens(data: &[u8]) {
    let mut input = Input(data);
    let form = input.one_of(&[KeyForm::Fernet, KeyForm::Raw]);
    let is_signed = input.byte() & 1 == 1;
    let size = usize::from(input.byte()) + 1;
    let key = SessionKey::from_raw(&KEY);
    let body = if is_signed { signed(input.rest(), form) } else { input.rest().to_vec() };
    let whole = open(Backend::Portable, &key, &body, usize::MAX);
    assert_eq!(whole, open(Backend::Portable, &key, &body, size), "in pieces of {size}");
    assert_eq!(whole, open(Backend::best(), &key, &body, size), "by {}", Backend::best().name());
    match (form, whole.as_ref().ok()) {
        (KeyForm::Fernet, opened) => {
            let fernet = ::fernet::Fernet::new(&BASE64URL.encode(&KEY)).unwrap();
            // The crate is more lenient with base64, and it does not know the raw form.
            let reference = str::from_utf8(&body).ok().and_then(|text| fernet.decrypt(text).ok());
            match opened {
                Some(plain) if body.starts_with(b"gAAAA") => assert_eq!(reference.as_ref(), Some(plain)),
                None if is_signed => assert_eq!(reference, None, "it refuses a token"),
                Some(_) | None => {}
            }
        }
        (KeyForm::Raw, Some(plain)) => {
            let mut sealer = TokenSealer::raw(&key, plain.len() as u64, FileDigest::None);
            let mut again = Vec::new();
            sealer.seal(plain, &mut again).unwrap();
            sealer.finish(&mut again).unwrap();
            assert_eq!(again.len(), body.len());
            assert_eq!(open(Backend::best(), &key, &again, size).as_ref(), Ok(plain));
        }
        (KeyForm::Raw, None) => {}
    }
}

/// Signs what comes before a tag; a Fernet token begins with its version.
fn signed(bytes: &[u8], form: KeyForm) -> Vec<u8> {
    let mut token = bytes.to_vec();
    if form == KeyForm::Fernet
        && let Some((version, rest)) = token.split_first_mut()
    {
        *version = VERSION;
        // The crate refuses a time in the future; the server does not, because the client chooses it.
        let until = rest.len().min(5);
        rest[..until].fill(0);
    }
    let (signing, _) = KEY.split_first_chunk().unwrap();
    token.extend(Hmac::new(Backend::Portable, signing).finish(&token));
    match form {
        KeyForm::Fernet => BASE64URL.encode(&token).into_bytes(),
        KeyForm::Raw => token,
    }
}

/// Returns the plaintext of a body that arrives in pieces.
fn open(backend: Backend, key: &SessionKey, body: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut opener = TokenOpener::on(backend, key, body.len() as u64, FileDigest::Sha256).map_err(shown)?;
    let mut plain = Vec::new();
    for piece in body.chunks(size) {
        opener.open(piece, &mut plain).map_err(shown)?;
        assert!(plain.len() + TAG < body.len(), "it writes no more than it reads");
    }
    opener.finish(&mut plain).map_err(shown)?;
    assert_eq!(opener.digest(), Some(Digest::of(&plain)));
    Ok(plain)
}

fn shown(why: OpenError) -> String {
    why.to_string()
}

/// The session key of MODE 4: the last block that holds one, or a random one each time.
pub(super) fn session_keys(data: &[u8]) {
    let mut input = Input(data);
    let others = input.one_of(&[Paddings::EITHER, Paddings::OAEP]);
    if input.byte() & 1 == 1 {
        let unwrapped = IDENTITY.unwrap_session_key(input.rest(), others);
        assert!(unwrapped.machine.is_ok());
        let again = IDENTITY.unwrap_session_key(input.rest(), others);
        assert!(!unwrapped.key.ct_eq(&again.key), "a key that was not encrypted is random");
        return;
    }
    let server = IDENTITY.server_key();
    let (mut blob, mut expected) = (Vec::new(), None);
    let mut missed = false;
    for n in 0..4 {
        let choice = input.byte();
        if choice == 0 {
            break;
        }
        let padding = if choice & 1 == 1 { Padding::Oaep } else { Padding::Pkcs1v15 };
        let most = [32, 44, 31, 0, 45, 43, 33, 1][usize::from(choice >> 1) % 8];
        let text = input.take(most);
        server.seal_blocks(padding, text, &mut blob).unwrap();
        let is_examined = n == 0 || others.contains(padding);
        missed |= !is_examined && others.contains(Padding::Pkcs1v15);
        if is_examined {
            expected = match text.len() {
                44 => SessionKey::from_base64url(text).or(expected),
                32 => text.try_into().ok().map(SessionKey::from_raw),
                _ => expected,
            };
        }
    }
    let unwrapped = IDENTITY.unwrap_session_key(&blob, others);
    assert!(unwrapped.machine.is_ok());
    assert_eq!(unwrapped.missed, missed);
    match expected {
        Some(key) => assert!(unwrapped.key.ct_eq(&key), "another key"),
        None => assert!(!unwrapped.key.ct_eq(&IDENTITY.unwrap_session_key(&blob, others).key)),
    }
}
