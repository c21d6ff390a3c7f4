//! The colours of lanes and stages, the same on the screen and in reports.
//!
//! The lanes have four colours of Okabe and Ito's set, which readers with any kind of colour vision can tell apart. All four
//! stand out from a white and from a black background, so that light and dark themes share them. Stages have colours of
//! their own, so that a stage's bar is never taken for a lane's. Colours never stand alone: a name is beside each of them.

use crate::meter::Stage;

/// A colour, as red, green and blue of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// A colour with its nearest ones for terminals that have fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hue {
    /// The colour itself.
    pub rgb: Rgb,
    /// Number in the palette of 256 colours.
    pub indexed: u8,
    /// Number in the palette of 16 colours, whose values the user has chosen.
    pub basic: u8,
}

const fn hue(red: u8, green: u8, blue: u8, indexed: u8, basic: u8) -> Hue {
    Hue { rgb: Rgb(red, green, blue), indexed, basic }
}

/// Colours of the lanes, in their order: vermilion, blue, bluish green, reddish purple. Of 16 colours, the first is yellow:
/// red beside green is hard to tell apart.
pub(crate) const LANES: [Hue; 4] = [
    hue(0xD5, 0x5E, 0x00, 166, 3),
    hue(0x00, 0x72, 0xB2, 32, 12),
    hue(0x00, 0x9E, 0x73, 36, 2),
    hue(0xCC, 0x79, 0xA7, 175, 13),
];

/// Returns the colour of a lane, by its index.
#[must_use]
pub(crate) const fn lane(at: usize) -> Hue {
    LANES[at % LANES.len()]
}

/// Returns the colour of a stage: greys for the disk and waiting, light colours for what is between.
#[must_use]
pub(crate) const fn stage(stage: Stage) -> Hue {
    match stage {
        Stage::Read => hue(0xA8, 0xB1, 0xBB, 145, 7),
        Stage::Seal => hue(0xF0, 0xE4, 0x42, 220, 11),
        Stage::Wire => hue(0x8E, 0xD1, 0xF0, 117, 6),
        Stage::Open => hue(0xF2, 0xB1, 0x34, 214, 14),
        Stage::Store => hue(0x57, 0x60, 0x6A, 59, 8),
        Stage::Wait => hue(0xE1, 0xE4, 0xE8, 254, 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 6] =
        [Stage::Read, Stage::Seal, Stage::Wire, Stage::Open, Stage::Store, Stage::Wait];

    type Linear = [f64; 3];

    fn linear(Rgb(red, green, blue): Rgb) -> Linear {
        [red, green, blue].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: [Linear; 3], c: Linear) -> Linear {
        matrix.map(|row| row.iter().zip(c).map(|(a, b)| a * b).sum())
    }

    /// What a reader with full colour vision sees, and readers without one kind of cone (Machado, Oliveira and Fernandes,
    /// 2009, at full severity).
    const VISIONS: [(&str, [Linear; 3]); 4] = [
        ("full", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    /// Returns the distance of two colours in Oklab; the least visible one is about 0.02.
    fn distance(a: Rgb, b: Rgb, vision: [Linear; 3]) -> f64 {
        let lab = |colour| {
            let seen = times(vision, linear(colour)).map(|c| c.clamp(0.0, 1.0));
            let cones = times(
                [
                    [0.412_221, 0.536_333, 0.051_446],
                    [0.211_903, 0.680_700, 0.107_397],
                    [0.088_302, 0.281_719, 0.629_979],
                ],
                seen,
            )
            .map(f64::cbrt);
            times(
                [
                    [0.210_454, 0.793_618, -0.004_072],
                    [1.977_998, -2.428_592, 0.450_594],
                    [0.025_904, 0.782_772, -0.808_676],
                ],
                cones,
            )
        };
        lab(a).iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn pairs(all: &[Rgb]) -> impl Iterator<Item = (Rgb, Rgb)> + '_ {
        all.iter().enumerate().flat_map(|(at, a)| all[at + 1..].iter().map(|b| (*a, *b)))
    }

    #[test]
    fn every_reader_can_tell_the_lanes_apart_and_each_from_every_stage() {
        let lanes = LANES.map(|hue| hue.rgb);
        let stages = STAGES.map(|of| stage(of).rgb);
        for (name, vision) in VISIONS {
            let all = pairs(&lanes).chain(lanes.iter().flat_map(|lane| stages.map(|stage| (*lane, stage))));
            for (a, b) in all {
                let distance = distance(a, b, vision);
                assert!(distance > 0.07, "{name}: {a:?} and {b:?} are {distance:.3} apart");
            }
            for (a, b) in pairs(&stages) {
                let distance = distance(a, b, vision);
                assert!(distance > 0.055, "{name}: {a:?} and {b:?} are {distance:.3} apart");
            }
        }
    }

    #[test]
    fn no_lane_shares_a_colour_with_a_lane_or_a_stage_on_any_terminal() {
        let all: Vec<Hue> = LANES.into_iter().chain(STAGES.map(stage)).collect();
        for (at, a) in all.iter().enumerate() {
            for b in &all[at + 1..] {
                assert!(a.rgb != b.rgb && a.indexed != b.indexed && a.basic != b.basic, "{a:?} {b:?}");
            }
        }
        assert_eq!([0, 3, 4, 7].map(|at| lane(at).indexed), [166, 175, 166, 175]);
    }

    #[test]
    fn lanes_stand_out_from_black_and_from_white() {
        for lane in LANES {
            let [r, g, b] = linear(lane.rgb);
            let light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            let (on_black, on_white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(on_black >= 3.0 && on_white >= 3.0, "{lane:?}: {on_black:.2} {on_white:.2}");
        }
    }
}
