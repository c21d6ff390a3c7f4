use super::*;
use crate::crypto::testing::{AUTHORITY, RSA_1024, RSA_2048, issued, random};
use crate::event::Padding;

const BOTH: [Padding; 2] = [Padding::Oaep, Padding::Pkcs1v15];

#[test]
fn a_session_key_survives_its_wrapping() {
    for identity in [&*RSA_1024, &*RSA_2048] {
        for padding in BOTH {
            let key = SessionKey::generate();
            let blob = identity.server_key().wrap_session_key(&key, padding).unwrap();
            assert_eq!(blob.len(), identity.modulus_bytes());
            assert!(identity.unwrap_session_key(&blob).ct_eq(&key), "{padding}");
        }
    }
}
