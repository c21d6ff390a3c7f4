//! `upseal certs`: a CA and a server's identity.

use std::path::Path;

use crate::crypto::identity;
use crate::event::{Blame, Fault, FaultKind};
use crate::output;

/// `certs init`: makes both, writes them, and says what each file is for.
///
/// # Errors
/// A file exists already, or cannot be written: exit code 5.
pub fn init(dir: &Path, bits: u32, days: u32) -> Result<u8, Fault> {
    let written = identity::init(dir, bits as usize, days).map_err(|e| Fault {
        kind: FaultKind::Local,
        blame: Blame::User,
        what: e.to_string(),
        advice: String::new(),
    })?;
    for path in written {
        output::line(&path.display().to_string());
    }
    output::remark(&format!(
        "hand {}/cacsertificate.crt to those who send; keep the two private keys to yourself",
        dir.display()
    ));
    Ok(0)
}
