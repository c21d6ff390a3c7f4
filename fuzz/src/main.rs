//! Calls the target that the variable `UPSEAL_FUZZ` names with what libFuzzer makes of its corpus.

#![no_main]

use std::env;
use std::process::exit;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use upseal::testing::fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("UPSEAL_FUZZ").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        let names: Vec<&str> = Target::ALL.iter().map(|target| target.name).collect();
        eprintln!("unknown target in UPSEAL_FUZZ: '{name}' (targets: {})", names.join(", "));
        exit(2);
    })
});

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > TARGET.longest {
        return Corpus::Reject;
    }
    (TARGET.run)(data);
    Corpus::Keep
});
