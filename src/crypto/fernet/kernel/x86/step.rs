//! One step of 64 bytes as a fixed sequence of instructions.
//!
//! ```text
//!   a quarter of a step   one AES block among four groups of four SHA rounds of each hash
//!
//!   aesenc  sha (HMAC)  aesenc  sha (digest)  aesenc  sha (HMAC)  aesenc aesenc  sha (digest)  …  aesenclast
//!
//!   sha, group g          w[g] + constants ─► 4 rounds      then w[g + 2], and half of w[g + 4]
//! ```
//!
//! Each instruction waits for the one before it in its chain (AES, HMAC, digest), so the chains are interleaved. On Intel's
//! processors all SHA instructions share one execution port, which begins one pair of rounds every 3 cycles. A word of the
//! schedule that is computed directly before its rounds takes that port when they need it, so words are computed one group
//! ahead. Compilers reorder intrinsics; this order is kept because it is assembly.
//!
//! Registers: `xmm0` words with their constants, as `sha256rnds2` requires · `xmm1` AES block · `xmm2`, `xmm3` HMAC's state
//! (A B E F, C D G H) · `xmm4`, `xmm5` digest's state · `xmm6` to `xmm9` and `xmm10` to `xmm13` the last sixteen words of
//! each · `xmm14`, `xmm15` temporary.
//!
//! The SHA instructions have no VEX encoding. After an instruction that writes the upper half of a `ymm` register they cost
//! hundreds of cycles, so callers begin with `vzeroupper`, and nothing in a step is wider than `xmm`.
#![expect(unsafe_code, reason = "assembly")]

use core::arch::asm;
use core::arch::x86_64::__m128i;
use core::mem::MaybeUninit;

use zeroize::Zeroizing;

use super::super::{BLOCK, STEP};
use super::RoundKeys;

/// State of SHA-256: A B E F and C D G H, the order that `sha256rnds2` expects.
pub(super) type Halves = [__m128i; 2];

/// Room for the states of both hashes at the beginning of a step. Wiped on drop.
pub(super) type Saved = Zeroizing<[__m128i; 4]>;

/// Four SHA rounds.
#[rustfmt::skip]
macro_rules! rounds {
    ($group:literal $abef:literal $cdgh:literal $words:literal) => {
        concat!(
            "vpaddd xmm0, ", $words, ", [{constants} + 16*", $group, "]\n",
            "sha256rnds2 ", $cdgh, ", ", $abef, "\n",
            "vpshufd xmm0, xmm0, 0x0e\n",
            "sha256rnds2 ", $abef, ", ", $cdgh, "\n",
        )
    };
}

/// The second half of the schedule (FIPS 180-4, 6.2.2): completes the words of two groups ahead, which are in `$ahead`.
#[rustfmt::skip]
macro_rules! complete {
    ($temporary:literal $words:literal $next:literal $ahead:literal) => {
        concat!(
            "vpalignr ", $temporary, ", ", $next, ", ", $words, ", 4\n",
            "vpaddd ", $ahead, ", ", $ahead, ", ", $temporary, "\n",
            "sha256msg2 ", $ahead, ", ", $next, "\n",
        )
    };
}

/// The first half of the schedule: begins the words of four groups ahead in the register of this group's.
macro_rules! begin {
    ($words:literal $next:literal) => {
        concat!("sha256msg1 ", $words, ", ", $next, "\n")
    };
}

/// One group: its rounds, and what it `begins` and `completes` of the schedule. The first two groups complete no words,
/// because 16 are given; the last four begin none.
#[rustfmt::skip]
macro_rules! group {
    (begins $group:literal $abef:literal $cdgh:literal $temporary:literal $words:literal $next:literal $ahead:literal) => {
        concat!(rounds!($group $abef $cdgh $words), begin!($words $next))
    };
    (both $group:literal $abef:literal $cdgh:literal $temporary:literal $words:literal $next:literal $ahead:literal) => {
        concat!(
            rounds!($group $abef $cdgh $words),
            complete!($temporary $words $next $ahead),
            begin!($words $next),
        )
    };
    (completes $group:literal $abef:literal $cdgh:literal $temporary:literal $words:literal $next:literal $ahead:literal) => {
        concat!(rounds!($group $abef $cdgh $words), complete!($temporary $words $next $ahead))
    };
    (neither $group:literal $abef:literal $cdgh:literal $temporary:literal $words:literal $next:literal $ahead:literal) => {
        rounds!($group $abef $cdgh $words)
    };
}

/// Loads four words, each read big-endian. The row behind the round constants has the order of the bytes.
#[rustfmt::skip]
macro_rules! load {
    ($register:literal $text:literal $at:literal) => {
        concat!(
            "vmovdqu ", $register, ", [", $text, " + ", $at, "]\n",
            "vpshufb ", $register, ", ", $register, ", [{constants} + 16*16]\n",
        )
    };
}

#[rustfmt::skip]
macro_rules! hmac {
    (begin) => {
        concat!(
            "vmovdqu [{saved}], xmm2\n", "vmovdqu [{saved} + 16], xmm3\n",
            load!("xmm6" "{signed}" "0"), load!("xmm7" "{signed}" "16"),
            load!("xmm8" "{signed}" "32"), load!("xmm9" "{signed}" "48"),
        )
    };
    (group 0 $kind:ident $group:literal) => { group!($kind $group "xmm2" "xmm3" "xmm14" "xmm6" "xmm7" "xmm8") };
    (group 1 $kind:ident $group:literal) => { group!($kind $group "xmm2" "xmm3" "xmm14" "xmm7" "xmm8" "xmm9") };
    (group 2 $kind:ident $group:literal) => { group!($kind $group "xmm2" "xmm3" "xmm14" "xmm8" "xmm9" "xmm6") };
    (group 3 $kind:ident $group:literal) => { group!($kind $group "xmm2" "xmm3" "xmm14" "xmm9" "xmm6" "xmm7") };
    (end) => { "vpaddd xmm2, xmm2, [{saved}]\n vpaddd xmm3, xmm3, [{saved} + 16]\n" };
}

#[rustfmt::skip]
macro_rules! digest {
    (begin) => {
        concat!(
            "vmovdqu [{saved} + 32], xmm4\n", "vmovdqu [{saved} + 48], xmm5\n",
            load!("xmm10" "{plain}" "0"), load!("xmm11" "{plain}" "16"),
            load!("xmm12" "{plain}" "32"), load!("xmm13" "{plain}" "48"),
        )
    };
    (group 0 $kind:ident $group:literal) => { group!($kind $group "xmm4" "xmm5" "xmm15" "xmm10" "xmm11" "xmm12") };
    (group 1 $kind:ident $group:literal) => { group!($kind $group "xmm4" "xmm5" "xmm15" "xmm11" "xmm12" "xmm13") };
    (group 2 $kind:ident $group:literal) => { group!($kind $group "xmm4" "xmm5" "xmm15" "xmm12" "xmm13" "xmm10") };
    (group 3 $kind:ident $group:literal) => { group!($kind $group "xmm4" "xmm5" "xmm15" "xmm13" "xmm10" "xmm11") };
    (end) => { "vpaddd xmm4, xmm4, [{saved} + 32]\n vpaddd xmm5, xmm5, [{saved} + 48]\n" };
}

/// Stands for a chain that a step does not have.
macro_rules! absent {
    ($($any:tt)*) => {
        ""
    };
}

/// AES encryption. The last round ends with an addition of its key. With the next block and the first key in that key, its
/// result is the next block's beginning too, and CBC's addition costs the chain no time; the ciphertext is the result without
/// the addend.
#[rustfmt::skip]
macro_rules! encrypt {
    (begin $at:tt) => { "" };
    (rounds $($round:literal)*) => { concat!($("vaesenc xmm1, xmm1, [{keys} + 16*", $round, "]\n"),*) };
    (end 0) => { encrypt!(end "0" "[{plain} + 16]") };
    (end 16) => { encrypt!(end "16" "[{plain} + 32]") };
    (end 32) => { encrypt!(end "32" "[{plain} + 48]") };
    (end 48) => { encrypt!(end "48" "[{next}]") };
    (end $at:literal $next:literal) => {
        concat!(
            "vmovdqu xmm15, ", $next, "\n",
            "vpxor xmm14, xmm15, [{keys} + 16*11]\n",
            "vpxor xmm15, xmm15, [{keys}]\n",
            "vaesenclast xmm1, xmm1, xmm14\n",
            "vpxor xmm15, xmm15, xmm1\n",
            "vmovdqu [{out} + ", $at, "], xmm15\n",
        )
    };
}

/// AES decryption. The blocks do not depend on each other.
#[rustfmt::skip]
macro_rules! decrypt {
    (begin $at:tt) => { concat!("vmovdqu xmm1, [{cipher} + ", $at, "]\n vpxor xmm1, xmm1, [{keys}]\n") };
    (rounds $($round:literal)*) => { concat!($("vaesdec xmm1, xmm1, [{keys} + 16*", $round, "]\n"),*) };
    (end 0) => { decrypt!(end "0" "[{previous}]") };
    (end 16) => { decrypt!(end "16" "[{cipher}]") };
    (end 32) => { decrypt!(end "32" "[{cipher} + 16]") };
    (end 48) => { decrypt!(end "48" "[{cipher} + 32]") };
    (end $at:literal $before:literal) => {
        concat!(
            "vmovdqu xmm14, ", $before, "\n",
            "vpxor xmm14, xmm14, [{keys} + 16*10]\n",
            "vaesdeclast xmm1, xmm1, xmm14\n",
            "vmovdqu [{out} + ", $at, "], xmm1\n",
        )
    };
}

/// One AES block, at byte `$at`, among four groups of each hash.
#[rustfmt::skip]
macro_rules! quarter {
    ($aes:ident $digest:ident $at:tt $a:ident $ga:literal, $b:ident $gb:literal, $c:ident $gc:literal, $d:ident $gd:literal) => {
        concat!(
            $aes!(begin $at),
            $aes!(rounds "1"), hmac!(group 0 $a $ga), $aes!(rounds "2"), $digest!(group 0 $a $ga),
            $aes!(rounds "3"), hmac!(group 1 $b $gb), $aes!(rounds "4" "5"), $digest!(group 1 $b $gb),
            $aes!(rounds "6"), hmac!(group 2 $c $gc), $aes!(rounds "7"), $digest!(group 2 $c $gc),
            $aes!(rounds "8"), hmac!(group 3 $d $gd), $aes!(rounds "9"), $digest!(group 3 $d $gd),
            $aes!(end $at),
        )
    };
}

/// A step: AES is `encrypt`, `decrypt` or `absent`, the digest `digest` or `absent`.
#[rustfmt::skip]
macro_rules! step {
    ($aes:ident $digest:ident) => {
        concat!(
            hmac!(begin), $digest!(begin),
            quarter!($aes $digest 0 begins "0", begins "1", both "2", both "3"),
            quarter!($aes $digest 16 both "4", both "5", both "6", both "7"),
            quarter!($aes $digest 32 both "8", both "9", both "10", both "11"),
            quarter!($aes $digest 48 completes "12", completes "13", neither "14", neither "15"),
            hmac!(end), $digest!(end),
        )
    };
}

/// Runs the text of a step with the operands that it names.
macro_rules! run {
    ($text:expr, $saved:expr, $hmac:expr, [$($operand:tt)*]) => {
        asm!(
            $text,
            constants = in(reg) CONSTANTS.0.as_ptr(),
            saved = in(reg) $saved.as_mut_ptr(),
            $($operand)*
            inout("xmm2") $hmac[0],
            inout("xmm3") $hmac[1],
            out("xmm0") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _,
            out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, preserves_flags)
        )
    };
}

/// Encrypts `plain` to `out`, and adds `signed` to the HMAC and `plain` to the digest. `next` is the block that follows
/// `plain`. `block` is the first block of `plain` plus the last of the ciphertext plus the first round key, and afterwards
/// that of `next`.
#[inline]
#[target_feature(enable = "aes,sha,avx,sse4.1,ssse3")]
#[expect(clippy::too_many_arguments, reason = "three chains, and where each reads and writes")]
pub(super) fn seal<const DIGEST: bool>(
    keys: &RoundKeys,
    block: &mut __m128i,
    plain: &[u8; STEP],
    next: &[u8; BLOCK],
    out: &mut [u8; STEP],
    signed: &[u8; STEP],
    (hmac, digest): (&mut Halves, &mut Halves),
    saved: &mut Saved,
) {
    macro_rules! seal {
        ($digest:ident, [$($digests:tt)*]) => {
            run!(step!(encrypt $digest), saved, hmac, [
                keys = in(reg) keys.as_ptr(),
                plain = in(reg) plain.as_ptr(),
                next = in(reg) next.as_ptr(),
                out = in(reg) out.as_mut_ptr(),
                signed = in(reg) signed.as_ptr(),
                inout("xmm1") *block,
                $($digests)*
            ])
        };
    }
    // SAFETY: the processor has the instructions, as this function's features require. The text reads 64 bytes of `plain`
    // and `signed`, 16 of `next`, 12 round keys and 17 rows of constants; it writes 64 bytes of `out` and reads and writes 64
    // of `saved`. Every register that it changes is named, and it has no jumps and no stack.
    unsafe {
        if DIGEST {
            seal!(digest, [inout("xmm4") digest[0], inout("xmm5") digest[1],]);
        } else {
            seal!(absent, []);
        }
    }
}

/// Decrypts `cipher` to `out`, and adds `signed` to the HMAC. `previous` is the block of ciphertext before `cipher`.
#[inline]
#[target_feature(enable = "aes,sha,avx,sse4.1,ssse3")]
pub(super) fn open(
    keys: &RoundKeys,
    previous: &[u8; BLOCK],
    cipher: &[u8; STEP],
    out: &mut [MaybeUninit<u8>; STEP],
    signed: &[u8; STEP],
    hmac: &mut Halves,
    saved: &mut Saved,
) {
    // SAFETY: as in `seal`, with `cipher` for `plain` and `previous` for `next`; `out` is only written.
    unsafe {
        run!(step!(decrypt absent), saved, hmac, [
            keys = in(reg) keys.as_ptr(),
            cipher = in(reg) cipher.as_ptr(),
            previous = in(reg) previous.as_ptr(),
            out = in(reg) out.as_mut_ptr(),
            signed = in(reg) signed.as_ptr(),
            out("xmm1") _,
        ]);
    }
}

/// Decrypts as [`open()`] does, and adds `plain`, which was decrypted before, to the digest.
#[inline]
#[target_feature(enable = "aes,sha,avx,sse4.1,ssse3")]
#[expect(clippy::too_many_arguments, reason = "three chains, and where each reads and writes")]
pub(super) fn open_and_digest(
    keys: &RoundKeys,
    previous: &[u8; BLOCK],
    cipher: &[u8; STEP],
    out: &mut [MaybeUninit<u8>; STEP],
    signed: &[u8; STEP],
    plain: &[u8; STEP],
    (hmac, digest): (&mut Halves, &mut Halves),
    saved: &mut Saved,
) {
    // SAFETY: as in `open`, and the text reads 64 bytes of `plain`.
    unsafe {
        run!(step!(decrypt digest), saved, hmac, [
            keys = in(reg) keys.as_ptr(),
            cipher = in(reg) cipher.as_ptr(),
            previous = in(reg) previous.as_ptr(),
            out = in(reg) out.as_mut_ptr(),
            signed = in(reg) signed.as_ptr(),
            plain = in(reg) plain.as_ptr(),
            out("xmm1") _,
            inout("xmm4") digest[0],
            inout("xmm5") digest[1],
        ]);
    }
}

/// Adds a block to a hash.
#[inline]
#[target_feature(enable = "sha,avx,sse4.1,ssse3")]
pub(super) fn hash(state: &mut Halves, block: &[u8; STEP], saved: &mut Saved) {
    // SAFETY: as in `seal`; the text reads 64 bytes of `block`.
    unsafe {
        run!(step!(absent absent), saved, state, [signed = in(reg) block.as_ptr(), out("xmm1") _,]);
    }
}

/// The round constants, four to a row, and behind them the order of a word's bytes.
static CONSTANTS: Constants = Constants::new();

#[repr(align(64))]
struct Constants([[u8; 16]; 17]);

impl Constants {
    const fn new() -> Self {
        let mut rows = [[0; 16]; 17];
        let mut at = 0;
        while at < 64 {
            let bytes = WORDS[at / 4][at % 4].to_le_bytes();
            let mut byte = 0;
            while byte < 4 {
                rows[at / 4][at % 4 * 4 + byte] = bytes[byte];
                byte += 1;
            }
            at += 1;
        }
        rows[16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
        Self(rows)
    }
}

/// Round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const WORDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];
