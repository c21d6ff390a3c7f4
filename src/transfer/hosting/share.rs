//! Sharing: the identity that a server for other computers has, and its rules.

use std::path::Path;

use crate::crypto::authority;
use crate::crypto::identity::IdentityError;
use crate::crypto::key_files::PRIVATE_KEY_FILE;
use crate::crypto::padding::Paddings;
use crate::event::{Fault, Named, Variant};
use crate::net::service::Policy;

/// Variants that a shared server accepts by default: those that keep the content secret.
pub(crate) const VARIANTS: [Variant; 2] = [Variant::Cp2, Variant::Cp1];

/// Bits of the key that is made.
const BITS: usize = 2048;
/// Days for which its certificate is valid. Clients with a link compare the key, not the dates.
const DAYS: u32 = 3650;

/// Makes the identity for sharing in this folder, if it has none. Returns whether it was made.
///
/// # Errors
/// The identity cannot be written.
pub(crate) fn make_identity(folder: &Path) -> Result<bool, Fault> {
    if folder.join(PRIVATE_KEY_FILE).exists() {
        return Ok(false);
    }
    match authority::init_pinned(folder, BITS, DAYS) {
        Ok(_) => Ok(true),
        // Another process was faster. Its identity is loaded, or the error of loading it says what is missing.
        Err(IdentityError::Exists { .. }) => Ok(false),
        Err(why) => Err(Fault::local(why.to_string()).with_advice("make the folder writable")),
    }
}

/// Returns the rules of a shared server: content stays secret, padding cannot be an oracle, and no client learns which
/// names are taken.
pub(crate) fn policy() -> Policy {
    Policy {
        variants: VARIANTS.to_vec(),
        paddings: Paddings::OAEP,
        names: Named::Wanted,
        ..Policy::default()
    }
}
