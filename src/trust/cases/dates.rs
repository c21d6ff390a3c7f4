//! Validity periods.

use super::make::{general_time, openssl, signed, utc_time};
use super::{BITS_1024, Case, END, NOT_X509, START, VERSION_1, accepted, refused};

pub(super) fn dates() -> Vec<Case> {
    let v1 = || openssl("identity-v1/server_signed.crt");
    vec![
        refused(
            "expired",
            openssl("trust/expired.crt"),
            "Expired",
            &["the certificate expired on 2021-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 1826 days later: is the clock right?"],
        ),
        refused(
            "not yet valid",
            openssl("trust/not-yet.crt"),
            "NotYetValid",
            &["the certificate is not valid before 2119-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 33967 days earlier: is the clock right?"],
        ),
        accepted(
            "in its first second",
            v1(),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 36524 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .at(START),
        refused(
            "a second before its first",
            v1(),
            "NotYetValid",
            &["the certificate is not valid before 2020-01-01 00:00 UTC; this computer's clock says 2019-12-31 23:59 UTC, 1.0 s earlier: is the clock right?"],
        )
        .at(START - 1),
        accepted(
            "in its last second",
            v1(),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 1024 bits, 0 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .at(END),
        refused(
            "a second after its last",
            v1(),
            "Expired",
            &["the certificate expired on 2120-01-01 00:00 UTC; this computer's clock says 2120-01-01 00:00 UTC, 1.0 s later: is the clock right?"],
        )
        .at(END + 1),
        accepted(
            "in the CA's last second",
            openssl("trust/brief.crt"),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST brief CA: RSA 1024 bits, 32871 days left",
                VERSION_1,
                BITS_1024,
            ],
        )
        .by("trust/brief-ca.crt")
        .at(1_893_456_000),
        accepted(
            "a second after the CA's last",
            openssl("trust/brief.crt"),
            &[
                "CN=TEST server,O=TEST,C=SG, signed by CN=TEST brief CA: RSA 1024 bits, 32870 days left",
                VERSION_1,
                BITS_1024,
                "the CA itself expired on 2030-01-01 00:00 UTC",
            ],
        )
        .by("trust/brief-ca.crt")
        .at(1_893_456_001),
        refused(
            "ends before it begins",
            signed("from 2050 to 2022", |parts| {
                parts.not_before = general_time("20500101000000Z");
                parts.not_after = utc_time("220101000000Z");
            }),
            "NotYetValid",
            &["the certificate is not valid before 2050-01-01 00:00 UTC; this computer's clock says 2026-01-01 00:00 UTC, 8766 days earlier: is the clock right?"],
        ),
        accepted(
            "no end (RFC 5280, 4.1.2.5)",
            signed("to 99991231235959Z", |parts| parts.not_after = general_time("99991231235959Z")),
            &["CN=TEST server,O=TEST,C=SG, signed by CN=TEST CA,O=TEST,C=SG: RSA 2048 bits, 2912442 days left"],
        ),
        refused(
            "begins in the last second of all",
            signed("from 99991231235959Z", |parts| parts.not_before = general_time("99991231235959Z")),
            "NotYetValid",
            &["the certificate is not valid before 9999-12-31 23:59 UTC; this computer's clock says 2026-01-01 00:00 UTC, 2912442 days earlier: is the clock right?"],
        ),
        refused(
            "two digits of year, of the last century",
            signed("UTCTime to 991231235959Z", |parts| parts.not_after = utc_time("991231235959Z")),
            "Expired",
            &["the certificate expired on 1999-12-31 23:59 UTC; this computer's clock says 2026-01-01 00:00 UTC, 9497 days later: is the clock right?"],
        ),
        refused(
            "no such date",
            signed("from the 13th month", |parts| parts.not_before = utc_time("201301000000Z")),
            "NotACertificate",
            &[NOT_X509],
        ),
    ]
}
