//! Sentences about a certificate that ends soon.

use super::units;

/// Days before the end of a certificate from which on it is reported.
pub(crate) const SOON: i64 = 30;

const DAY: i64 = 24 * 60 * 60;

/// Returns the whole days between two times in seconds since 1970, rounded down.
#[must_use]
pub(crate) const fn days(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).div_euclid(DAY)
}

/// Returns the end of a certificate that is valid for so many more whole days, in seconds since 1970, to half a day.
#[must_use]
pub(crate) const fn end_of(now: i64, days_left: i64) -> i64 {
    // In the middle of that day, so that the number is the same for the next hours.
    now.saturating_add(days_left.saturating_mul(DAY)).saturating_add(DAY / 2)
}

/// Says when a certificate ends that is valid for so many more whole days, if that is soon: `ends in 12 days`.
#[must_use]
pub(crate) fn ends(days_left: i64) -> Option<String> {
    let count = |days: i64| units::count(days.unsigned_abs(), "day");
    match days_left {
        ..=-2 => Some(format!("ended {} ago", count(days_left + 1))),
        -1 => Some("ended less than a day ago".to_owned()),
        0 => Some("ends in less than a day".to_owned()),
        1..SOON => Some(format!("ends in {}", count(days_left))),
        _ => None,
    }
}

/// Tells the server's operator that its certificate ends soon, and what to do. `not_after`: its end.
#[must_use]
pub(crate) fn of_server(not_after: i64, now: i64) -> Option<String> {
    let ends = ends(days(now, not_after))?;
    let refuse =
        if not_after < now { "clients refuse this server" } else { "then clients refuse this server" };
    Some(format!("the server's certificate {ends}; {refuse}; have a new one signed (upseal certs sign)"))
}

/// Tells the server's operator that the receipt key's certificate ends soon, and what to do. `not_after`: its end.
#[must_use]
pub(crate) fn of_receipts(not_after: i64, now: i64) -> Option<String> {
    let ends = ends(days(now, not_after))?;
    let then = if not_after < now { "clients accept no receipts" } else { "then clients accept no receipts" };
    Some(format!("the receipt key's certificate {ends}; {then}; have a new one signed (upseal certs sign)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_reported_from_thirty_days_on() {
        let said = |days| ends(days).unwrap_or_default();
        assert_eq!([365, 30, 29, 1].map(said), ["", "", "ends in 29 days", "ends in 1 day"]);
        assert_eq!([0, -1].map(said), ["ends in less than a day", "ended less than a day ago"]);
        assert_eq!([-2, -3].map(said), ["ended 1 day ago", "ended 2 days ago"]);
        let (end, hour) = (1_900_000_000, 3600);
        assert_eq!(of_server(end, end - 30 * DAY), None);
        let soon = of_server(end, end - 30 * DAY + hour).unwrap_or_default();
        assert!(soon.starts_with("the server's certificate ends in 29 days; then clients refuse"), "{soon}");
        let ended = of_receipts(end, end + hour).unwrap_or_default();
        let expected =
            "the receipt key's certificate ended less than a day ago; clients accept no receipts; ";
        assert!(ended.starts_with(expected), "{ended}");
        assert_eq!(days(end, i64::MIN), i64::MIN / DAY - 1);
        for days_left in [-3, 0, 12] {
            assert_eq!(days(end + 11 * hour, end_of(end, days_left)), days_left);
            assert_eq!(days(end + 13 * hour, end_of(end, days_left)), days_left - 1);
        }
    }
}
