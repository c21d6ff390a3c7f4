//! Why one lane is faster than another: the operations that their encryption consists of.

use super::{Entrant, name};
use crate::event::{Operations, Variant};
use crate::messages::units;

/// Describes the operations of each lane: `CP1: 135,301 RSA operations; CP2: one RSA operation and one AES stream`. Lanes
/// with the same operations share a description. `None`: the lane failed, or its operations are not known; it is left out.
/// Empty if no lane is left.
///
/// `lanes` and `operations` have the same order.
#[must_use]
pub(crate) fn why(lanes: &[Entrant], operations: &[Option<Operations>]) -> String {
    let mut said: Vec<(Vec<String>, String)> = Vec::new();
    for (at, (lane, operations)) in lanes.iter().zip(operations).enumerate() {
        let Some(operations) = operations else { continue };
        let (name, work) = (name(lanes, at), work(lane.dialect.variant, *operations));
        match said.iter_mut().find(|(_, other)| *other == work) {
            Some((names, _)) => names.push(name),
            None => said.push((vec![name], work)),
        }
    }
    let parts: Vec<String> =
        said.into_iter().map(|(names, work)| format!("{}: {work}", names.join(", "))).collect();
    parts.join("; ")
}

/// Describes what one lane computes for its content.
fn work(variant: Variant, Operations { rsa, aes }: Operations) -> String {
    if !variant.is_secret() {
        return "no encryption".to_owned();
    }
    let rsa = number(rsa, "RSA operation");
    if aes == 0 { rsa } else { format!("{rsa} and {}", number(aes, "AES stream")) }
}

/// Formats a number of operations: `no RSA operation`, `one RSA operation`, `135,301 RSA operations`.
fn number(n: u64, thing: &str) -> String {
    match n {
        0 => format!("no {thing}"),
        1 => format!("one {thing}"),
        n => format!("{} {thing}s", units::grouped(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Dialect, Padding};

    #[expect(clippy::unnecessary_wraps, reason = "beside lanes whose operations are not known")]
    fn rsa(rsa: u64) -> Option<Operations> {
        Some(Operations { rsa, aes: 0 })
    }

    const CP2: Option<Operations> = Some(Operations { rsa: 1, aes: 1 });
    const OPEN: Option<Operations> = Some(Operations { rsa: 0, aes: 0 });

    fn lane(variant: Variant, bits: usize) -> Entrant {
        Entrant { dialect: Dialect::of(variant), bits: Some(bits) }
    }

    #[test]
    fn every_pair_of_variants_has_its_sentence() {
        use Variant::{Ap, Cp1, Cp2, Plain};
        let of = |variant| match variant {
            Cp1 => (rsa(135_301), "135,301 RSA operations"),
            Cp2 => (CP2, "one RSA operation and one AES stream"),
            Plain | Ap => (OPEN, "no encryption"),
        };
        for (a, b) in Variant::ALL.into_iter().flat_map(|a| Variant::ALL.map(|b| (a, b))) {
            let ((first, one), (second, two)) = (of(a), of(b));
            let text = why(&[lane(a, 1024), lane(b, 1024)], &[first, second]);
            match (a, b) {
                (Plain, Ap) | (Ap, Plain) => assert_eq!(text, format!("{a}, {b}: no encryption")),
                _ if a == b => assert!(text.ends_with(one) && text.matches(one).count() == 1, "{text}"),
                _ => assert_eq!(text, format!("{a}: {one}; {b}: {two}")),
            }
        }
    }

    #[test]
    fn one_operation_is_singular_and_none_is_named() {
        let lanes = [lane(Variant::Cp1, 1024), lane(Variant::Cp2, 1024)];
        assert_eq!(
            why(&lanes, &[rsa(1), CP2]),
            "CP1: one RSA operation; CP2: one RSA operation and one AES stream"
        );
        assert_eq!(
            why(&lanes, &[rsa(0), CP2]),
            "CP1: no RSA operation; CP2: one RSA operation and one AES stream"
        );
        assert_eq!(why(&lanes, &[rsa(2), None]), "CP1: 2 RSA operations");
        assert_eq!(why(&lanes, &[None, None]), "");
    }

    #[test]
    fn paddings_and_key_lengths_are_in_the_lanes_names() {
        let pkcs = Entrant {
            dialect: Dialect { padding: Padding::Pkcs1v15, ..Dialect::of(Variant::Cp1) },
            ..lane(Variant::Cp1, 1024)
        };
        assert_eq!(
            why(&[lane(Variant::Cp1, 1024), pkcs], &[rsa(135_301), rsa(71_698)]),
            "CP1 OAEP: 135,301 RSA operations; CP1 PKCS1v15: 71,698 RSA operations"
        );
        assert_eq!(
            why(&[lane(Variant::Cp1, 1024), lane(Variant::Cp1, 2048)], &[rsa(135_301), rsa(44_151)]),
            "CP1 OAEP 1024: 135,301 RSA operations; CP1 OAEP 2048: 44,151 RSA operations"
        );
    }
}
