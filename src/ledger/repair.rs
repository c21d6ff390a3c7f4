//! What a crash left without a row.
