//! The rules of a server, from its flags.

use super::limits;
use crate::cli::{KeepMeta, Paths, ReplyOrder, Serve};
use crate::command::usage;
use crate::crypto::padding::Paddings;
use crate::event::{Fault, Named, Padding, Variant};
use crate::net::budget::{PaddingBudget, Spent};
use crate::net::service::{Policy, Reply};
use crate::store::FileName;
use crate::store::name::Portability;

/// Returns the rules of these flags, and warnings. The folder of `--store` exists.
///
/// # Errors
/// `--accept` is missing.
pub(super) fn policy(args: &Serve) -> Result<(Policy, Vec<String>), Fault> {
    let (admission, few) = limits::admission(&args.limits);
    let policy = Policy {
        variants: accepted(args)?,
        paddings: accepted_paddings(args),
        max_file: args.max_file.0,
        prefix: args.prefix.clone(),
        names: names_in_receipts(args.tell_names, args.bind.is_loopback()),
        portability: if args.portable_names { Portability::Windows } else { Portability::default() },
        paths: args.paths == Paths::Keep,
        meta: args.meta == KeepMeta::Keep,
        reply: Reply { gap: args.reply_gap.0, certificate_first: args.reply_order == ReplyOrder::CertFirst },
        door: limits::door(&args.access),
        admission,
        disk: limits::disk(&args.limits, &args.store).into(),
        work: limits::work(&args.limits),
        penalize: limits::penalize(&args.limits),
        deadlines: limits::deadlines(&args.limits),
        digest: args.digest,
    };
    Ok((policy, few.into_iter().chain(limits::open_to_forgery(args)).collect()))
}

/// Checks that a file name with this prefix is valid.
pub(super) fn check_prefix(prefix: &str) -> Result<(), Fault> {
    let any = FileName::from_wire(b"a.txt").and_then(|name| name.with_prefix(prefix));
    any.map(drop).map_err(|e| usage(format!("--prefix: {e}"), "for example --prefix recv_"))
}

/// Returns the variants to accept. Beyond loopback, the operator must name them.
pub(super) fn accepted(args: &Serve) -> Result<Vec<Variant>, Fault> {
    match &args.accept {
        Some(accept) => Ok(accept.clone()),
        None if args.share => Ok(crate::transfer::share::VARIANTS.to_vec()),
        None if args.bind.is_loopback() => Ok(Variant::ALL.to_vec()),
        None => Err(usage(
            format!("{} is reachable from other machines: --accept is required", args.bind),
            "for example --accept cp2",
        )),
    }
}

/// Returns which name receipts state: on loopback the stored one; elsewhere the requested one, unless --tell-names is
/// given.
fn names_in_receipts(tell: Option<bool>, on_loopback: bool) -> Named {
    if tell.unwrap_or(on_loopback) { Named::Stored } else { Named::Wanted }
}

/// Returns the paddings to accept. Beyond loopback, PKCS #1 v1.5 must be named, because it is a padding oracle.
fn accepted_paddings(args: &Serve) -> Paddings {
    match &args.accept_padding {
        Some(paddings) => paddings.iter().copied().collect(),
        None if args.share => Paddings::OAEP,
        None if args.bind.is_loopback() => Paddings::EITHER,
        None => Paddings::OAEP,
    }
}

/// Returns warnings about PKCS #1 v1.5 for the operator.
pub(super) fn padding_warnings(
    args: &Serve,
    variants: &[Variant],
    paddings: Paddings,
    budget: &PaddingBudget,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !variants.contains(&Variant::Cp1) || !paddings.contains(Padding::Pkcs1v15) {
        return warnings;
    }
    if budget.is_spent() {
        warnings.push(Spent::Key.to_string());
    } else if !args.bind.is_loopback() {
        warnings.push(
            "CP1 with PKCS1v15 is a padding oracle: 1,000 failed blocks turn it off for this key; leave it out \
             with --accept-padding oaep"
                .to_owned(),
        );
    }
    warnings
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod tests {
    use clap::Parser;

    use super::*;
    use crate::command::serve::prepare::budget;
    use crate::history::History;
    use crate::net::budget::PER_KEY;
    use std::sync::Arc;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        serve: Serve,
    }

    /// Returns what a command line asks for.
    pub(in crate::command::serve) fn args(line: &str) -> Serve {
        Only::try_parse_from(std::iter::once("serve").chain(line.split_whitespace())).unwrap().serve
    }

    fn warnings(line: &str, budget: &PaddingBudget) -> Vec<String> {
        let args = args(line);
        padding_warnings(&args, &accepted(&args).unwrap(), accepted_paddings(&args), budget)
    }

    #[test]
    fn beyond_loopback_pkcs1v15_must_be_named_and_causes_a_warning() {
        for (line, paddings, warned) in [
            ("", Paddings::EITHER, false),
            ("--bind [::1]:0", Paddings::EITHER, false),
            ("--bind 0.0.0.0:0 --accept cp1", Paddings::OAEP, false),
            ("--bind [::]:0 --accept cp1,cp2", Paddings::OAEP, false),
            ("--bind 0.0.0.0:0 --accept cp1 --accept-padding oaep,pkcs1v15", Paddings::EITHER, true),
            ("--bind 0.0.0.0:0 --accept cp1 --accept-padding pkcs1v15", Paddings::PKCS1V15, true),
            ("--bind 0.0.0.0:0 --accept cp2 --accept-padding oaep,pkcs1v15", Paddings::EITHER, false),
            ("--accept-padding oaep", Paddings::OAEP, false),
            ("--share", Paddings::OAEP, false),
            ("--share --bind 127.0.0.1:0", Paddings::OAEP, false),
        ] {
            assert_eq!(accepted_paddings(&args(line)), paddings, "{line}");
            let warnings = warnings(line, &PaddingBudget::default());
            assert_eq!(warnings.len(), usize::from(warned), "{line}: {warnings:?}");
            assert!(warnings.iter().all(|text| text.contains("padding oracle")), "{warnings:?}");
        }
    }

    #[test]
    fn sharing_listens_beyond_loopback_and_accepts_only_what_is_secret() {
        let shared = args("--share");
        assert_eq!(shared.bind.to_string(), "0.0.0.0:4321");
        for line in ["--share", "--share --bind 127.0.0.1:0"] {
            assert_eq!(accepted(&args(line)).unwrap(), [Variant::Cp2, Variant::Cp1], "{line}");
        }
        assert_eq!(args("").bind.to_string(), "127.0.0.1:4321");
        assert!(Only::try_parse_from(["serve", "--share", "--certs", "x"]).is_err());
    }

    #[test]
    fn a_spent_budget_is_a_warning_at_each_start_until_it_is_reset() {
        let folder = tempfile::tempdir().unwrap();
        let history = Arc::new(History::open(&folder.path().join("history.db")).unwrap());
        let (own, _) = crate::crypto::authority::throwaway().unwrap();
        let spent = budget(false, &history, &own).unwrap();
        for n in 0..PER_KEY {
            let network = u32::try_from(n % 50).unwrap().to_be_bytes();
            let _ = spent.charge(Some(network.into()));
        }
        let again = budget(false, &history, &own).unwrap();
        let found = warnings("", &again);
        assert!(found.len() == 1 && found[0].contains("--reset-padding-budget"), "{found:?}");
        assert!(warnings("--accept-padding oaep", &again).is_empty());
        let reset = budget(true, &history, &own).unwrap();
        assert!(reset.allows(Some([0, 0, 0, 1].into())) && warnings("", &reset).is_empty());
    }

    #[test]
    fn receipts_state_stored_names_on_loopback_and_with_tell_names() {
        for (tell, on_loopback, named) in [
            (None, true, Named::Stored),
            (None, false, Named::Wanted),
            (Some(true), false, Named::Stored),
            (Some(false), true, Named::Wanted),
        ] {
            assert_eq!(names_in_receipts(tell, on_loopback), named, "{tell:?} {on_loopback}");
        }
    }
}
