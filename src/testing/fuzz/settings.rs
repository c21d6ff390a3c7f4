//! The configuration file.

use std::fs;

use super::server::Scratch;
use super::{Input, check_shown};
use crate::config::{ConfigError, Existing, File, Layer};
use crate::event::{Fault, Variant};

/// The configuration file: an error can be shown, and saving a preset changes nothing else.
pub(super) fn configuration(data: &[u8]) {
    let mut input = Input(data);
    let is_saved = input.byte() & 1 == 1;
    let scratch = Scratch::new();
    let path = scratch.path().join("config.toml");
    fs::write(&path, input.rest()).unwrap();
    let file = match File::read(path.clone()) {
        Ok(file) => file,
        Err(why) => return check_error(why),
    };
    if !is_saved {
        return;
    }
    let layer = Layer { protocol: Some(Variant::Cp1), ..Layer::default() };
    match file.save("fuzzed", &layer, Existing::Replace) {
        Ok(()) => {
            let after = File::read(path).unwrap();
            assert_eq!(after.peer("fuzzed").unwrap(), &layer);
            assert_eq!(after.defaults, file.defaults);
            after.remove("fuzzed").unwrap();
        }
        Err(why) => {
            check_error(why);
            assert_eq!(fs::read(&path).unwrap(), input.rest(), "a file that cannot be edited is left alone");
        }
    }
}

fn check_error(why: ConfigError) {
    check_shown(&Fault::from(why).to_string());
}
