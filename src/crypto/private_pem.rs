//! Reading the only private key in a PEM file.

use zeroize::Zeroizing;

/// Byte order mark that Windows' Notepad writes before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Characters in a line of PEM (RFC 7468, 2).
const WIDTH: usize = 64;

/// Why a file does not contain exactly one readable private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PemError {
    /// The file contains only white space.
    #[error("it is empty")]
    Empty,
    /// The file is UTF-16, which Windows' Notepad calls "Unicode".
    #[error("it is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// The file contains no private key.
    #[error("it contains no line -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The file contains more than one private key.
    #[error("it contains several private keys")]
    Several,
    /// The last line of the key is missing, or has another label than the first.
    #[error("its line -----END {label}----- is missing")]
    NoEnd {
        /// Label of the first line.
        label: String,
    },
    /// The key is encrypted.
    #[error("it is protected by a passphrase")]
    Encrypted,
}

/// Returns the PEM block of the only private key in a file: two lines with base64 between them.
///
/// A byte order mark, comments, labels and blocks of other kinds before and after it are skipped, as OpenSSL does.
pub(super) fn private_key_block(file: &[u8]) -> Result<Zeroizing<String>, PemError> {
    if file.trim_ascii().is_empty() {
        return Err(PemError::Empty);
    }
    if file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]) {
        return Err(PemError::Utf16);
    }
    let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let mut lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut found = None;
    while let Some(line) = lines.next() {
        let Some(label) = label(line) else { continue };
        if found.is_some() {
            return Err(PemError::Several);
        }
        let end = format!("-----END {label}-----");
        let no_end = || PemError::NoEnd { label: label.to_owned() };
        let mut base64 = Zeroizing::new(Vec::with_capacity(file.len()));
        loop {
            match lines.next().ok_or_else(no_end)? {
                line if line == end.as_bytes() => break,
                line if line.starts_with(b"-----") => return Err(no_end()),
                line if line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED") => {
                    return Err(PemError::Encrypted);
                }
                line => base64.extend_from_slice(line),
            }
        }
        if label.starts_with("ENCRYPTED") {
            return Err(PemError::Encrypted);
        }
        found = Some((label, base64, end));
    }
    let (label, base64, end) = found.ok_or(PemError::NoKey)?;
    // Room for every line end, so that no reallocation leaves a copy of the key behind.
    let mut block = Zeroizing::new(String::with_capacity(2 * base64.len() + 2 * end.len() + 16));
    let room = block.capacity();
    block.push_str("-----BEGIN ");
    block.push_str(label);
    block.push_str("-----\n");
    for line in base64.chunks(WIDTH) {
        // A line that is not ASCII is not base64 either; the decoder reports it.
        block.push_str(str::from_utf8(line).unwrap_or("?"));
        block.push('\n');
    }
    block.push_str(&end);
    block.push('\n');
    debug_assert_eq!(block.capacity(), room, "the key was not copied");
    Ok(block)
}

/// Returns the label of a line that begins a private key.
fn label(line: &[u8]) -> Option<&str> {
    let label = line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
    str::from_utf8(label).ok().filter(|label| label.ends_with("PRIVATE KEY"))
}
