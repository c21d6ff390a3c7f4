//! Conversion between values and SQLite's columns.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Row;
use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};

use super::row::{Outcome, kept_word};
use crate::event::{Kept, Variant};

pub(super) fn variant(row: &Row<'_>, column: usize) -> rusqlite::Result<Variant> {
    one_of(row, column, Variant::ALL, Variant::word)
}

pub(super) fn kept(row: &Row<'_>, column: usize) -> rusqlite::Result<Kept> {
    let all = [Kept::New, Kept::Renamed, Kept::Same, Kept::Amended, Kept::Discarded];
    one_of(row, column, all, kept_word)
}

pub(super) fn outcome(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    use Outcome::{Altered, Cancelled, Delivered, Failed, Stored};
    one_of(row, column, [Stored, Delivered, Altered, Failed, Cancelled], Outcome::word)
}

pub(super) fn one_of<T: Copy, const N: usize>(
    row: &Row<'_>,
    column: usize,
    all: [T; N],
    word: impl Fn(T) -> &'static str,
) -> rusqlite::Result<T> {
    let found: String = row.get(column)?;
    all.into_iter().find(|value| word(*value) == found).ok_or_else(|| {
        let why = format!("{found:?} is not one of the allowed words");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let amount: i64 = row.get(column)?;
    u64::try_from(amount).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, amount))
}

/// Converts a size for SQLite, whose integers end at 2^63 − 1.
pub(super) fn amount(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A path, stored as a blob because it may not be UTF-8.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a Path);

impl ToSql for Bytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_os_str().as_bytes())))
    }
}

pub(super) fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}
