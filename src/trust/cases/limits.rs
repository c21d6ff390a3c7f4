//! Extensions that are malformed, not supported, or limit the names that a CA may certify.

use super::make::{
    BASIC_CONSTRAINTS, COMMON_NAME, Made, UTF8, ca_with, common_name, extension, name, signed, tlv,
};
use super::{Case, NOT_X509, SERVER_2048, accepted, refused};

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
const DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];

const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const DIRECTORY: u8 = 0xa4;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// BIT STRINGs and SEQUENCEs that hold a good value and are not DER, or hold no value at all.
pub(super) fn malformed() -> Vec<Case> {
    let with = |how: &str, oid: &[u8], value: &[u8]| {
        signed(how, |parts| parts.extensions = vec![extension(oid, false, value)])
    };
    let usage = |name, made| {
        refused(name, made, "MalformedExtension", &["the certificate's key usage extension is malformed"])
    };
    let purpose = |name, made| {
        refused(
            name,
            made,
            "MalformedExtension",
            &["the certificate's extended key usage extension is malformed"],
        )
    };
    const SERVER_AUTH: &[u8] = &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
    vec![
        usage("keyUsage that is no BIT STRING", with("its value is NULL", KEY_USAGE, &[5, 0])),
        usage("keyUsage without a value", with("its value has no bytes", KEY_USAGE, &[])),
        usage("keyUsage that is cut", with("its value is 03 02 05", KEY_USAGE, &[3, 2, 5])),
        usage(
            "keyUsage with trailing bytes",
            with("digitalSignature, then a byte 0", KEY_USAGE, &[3, 2, 7, 0x80, 0]),
        ),
        usage(
            "keyUsage with 9 unused bits",
            with("digitalSignature, of which 9 bits are unused", KEY_USAGE, &[3, 2, 9, 0x80]),
        ),
        purpose(
            "extendedKeyUsage that is no SEQUENCE",
            with("its value is NULL", EXTENDED_KEY_USAGE, &[5, 0]),
        ),
        purpose(
            "extendedKeyUsage without a purpose",
            with("an empty SEQUENCE", EXTENDED_KEY_USAGE, &[0x30, 0]),
        ),
        purpose(
            "extendedKeyUsage with trailing bytes",
            with("serverAuth, then a byte 0", EXTENDED_KEY_USAGE, &[SERVER_AUTH, &[0]].concat()),
        ),
        refused(
            "basicConstraints that cannot be read, not critical",
            with("its value is 0x04 0x00", BASIC_CONSTRAINTS, &[4, 0]),
            "MalformedExtension",
            &["the certificate's basic constraints extension is malformed"],
        ),
        accepted(
            "keyUsage digitalSignature, by hand",
            with("03 02 07 80", KEY_USAGE, &[3, 2, 7, 0x80]),
            &[SERVER_2048],
        ),
    ]
}

/// Extensions that are parsed and have no effect in upseal: critical, they refuse the certificate.
pub(super) fn without_effect() -> Vec<Case> {
    let critical = |name, how: &str, oid: &[u8], value: &[u8], number| {
        let made = signed(how, |parts| parts.extensions = vec![extension(oid, true, value)]);
        let words = match number {
            31 => "the certificate has a critical extension that is not understood, 2.5.29.31",
            _ => "the certificate has a critical extension that is not understood, 2.5.29.36",
        };
        refused(name, made, "CriticalExtension", &[words])
    };
    vec![
        critical(
            "critical policyConstraints",
            "an explicit policy is needed",
            POLICY_CONSTRAINTS,
            &[0x30, 3, 0x80, 1, 0],
            36,
        ),
        critical(
            "critical cRLDistributionPoints",
            "one without a place",
            DISTRIBUTION_POINTS,
            &[0x30, 2, 0x30, 0],
            31,
        ),
    ]
}

fn subtree(base: &[u8]) -> Vec<u8> {
    tlv(0x30, base)
}

fn of(organisation: &str) -> Vec<u8> {
    let parts: [(&[u8], u8, &[u8]); 2] =
        [(&[0x55, 4, 6], super::make::PRINTABLE, b"SG"), (&[0x55, 4, 10], UTF8, organisation.as_bytes())];
    tlv(DIRECTORY, &name(&parts))
}

fn constrained(how: &str, kind: u8, bases: &[Vec<u8>]) -> Made {
    let subtrees: Vec<u8> = bases.iter().flat_map(|base| subtree(base)).collect();
    ca_with(how, &[extension(NAME_CONSTRAINTS, true, &tlv(0x30, &tlv(kind, &subtrees)))])
}

/// `CN=TEST server,O=TEST,C=SG`, with these alternative names.
fn server(how: &str, names: &[Vec<u8>]) -> Made {
    let names = names.concat();
    signed(how, |parts| parts.extensions = vec![extension(ALTERNATIVE_NAME, false, &tlv(0x30, &names))])
}

/// What the CA may certify (RFC 5280, 4.2.1.10).
pub(super) fn constraints() -> Vec<Case> {
    let plain = || signed("unchanged, under a CA with name constraints", |_| {});
    let by = |ca: Made, case: Case| Case { given: super::Given::Server { ca }, ..case };
    let outside = |name, made, words| refused(name, made, "NameConstraint", &[words]);
    const OUTSIDE_SUBJECT: &str = "the name constraints of the CA do not permit CN=TEST server,O=TEST,C=SG";
    vec![
        by(
            constrained("permits O=TEST,C=SG", PERMITTED, &[of("TEST")]),
            accepted("subject that the CA may certify", plain(), &[SERVER_2048]),
        ),
        by(
            constrained("permits O=OTHER,C=SG", PERMITTED, &[of("OTHER")]),
            outside("subject outside what the CA may certify", plain(), OUTSIDE_SUBJECT),
        ),
        by(
            constrained("excludes O=TEST,C=SG", EXCLUDED, &[of("TEST")]),
            outside("subject that the CA must not certify", plain(), OUTSIDE_SUBJECT),
        ),
        by(
            constrained("excludes O=test,C=SG", EXCLUDED, &[of(" test ")]),
            outside("subject that the CA must not certify, in other letters", plain(), OUTSIDE_SUBJECT),
        ),
        by(
            constrained("excludes O=OTHER,C=SG", EXCLUDED, &[of("OTHER")]),
            accepted("subject that is not among the excluded", plain(), &[SERVER_2048]),
        ),
        by(
            constrained("permits DNS example.com", PERMITTED, &[tlv(DNS, b"example.com")]),
            accepted(
                "DNS name that the CA may certify",
                server("DNS files.EXAMPLE.com", &[tlv(DNS, b"files.EXAMPLE.com")]),
                &[SERVER_2048],
            ),
        ),
        by(
            constrained("permits DNS example.com", PERMITTED, &[tlv(DNS, b"example.com")]),
            outside(
                "DNS name outside what the CA may certify",
                server("DNS badexample.com", &[tlv(DNS, b"badexample.com")]),
                "the name constraints of the CA do not permit badexample.com",
            ),
        ),
        by(
            constrained("excludes DNS example.com", EXCLUDED, &[tlv(DNS, b"Example.com")]),
            outside(
                "DNS name that the CA must not certify",
                server("DNS a.example.com", &[tlv(DNS, b"good.test"), tlv(DNS, b"a.example.com")]),
                "the name constraints of the CA do not permit a.example.com",
            ),
        ),
        by(
            constrained("permits IP 10.0.0.0/8", PERMITTED, &[tlv(IP, &[10, 0, 0, 0, 255, 0, 0, 0])]),
            accepted(
                "IP address that the CA may certify",
                server("IP 10.1.2.3", &[tlv(IP, &[10, 1, 2, 3])]),
                &[SERVER_2048],
            ),
        ),
        by(
            constrained("permits IP 10.0.0.0/8", PERMITTED, &[tlv(IP, &[10, 0, 0, 0, 255, 0, 0, 0])]),
            outside(
                "IP address outside what the CA may certify",
                server("IP 11.1.2.3", &[tlv(IP, &[11, 1, 2, 3])]),
                "the name constraints of the CA do not permit 11.1.2.3",
            ),
        ),
        by(
            constrained("permits mail of example.com", PERMITTED, &[tlv(MAIL, b"example.com")]),
            outside(
                "mail address where the CA's constraints have mail addresses",
                server("mail a@example.com", &[tlv(MAIL, b"a@example.com")]),
                "the name constraints of the CA cannot be checked for a@example.com",
            ),
        ),
        by(
            constrained("permits mail of example.com", PERMITTED, &[tlv(MAIL, b"example.com")]),
            outside(
                "mail address in the subject where the CA's constraints have mail addresses",
                signed("emailAddress=a@b.c as its subject", |parts| {
                    parts.subject = name(&[
                        (COMMON_NAME, UTF8, b"x"),
                        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], 22, b"a@b.c"),
                    ]);
                }),
                "the name constraints of the CA cannot be checked for emailAddress=a@b.c,CN=x",
            ),
        ),
        by(
            constrained("excludes URIs of example.com", EXCLUDED, &[tlv(URI, b"example.com")]),
            accepted("no URI where the CA's constraints have URIs", plain(), &[SERVER_2048]),
        ),
        by(
            ca_with(
                "permits O=TEST,C=SG from one level below",
                &[extension(
                    NAME_CONSTRAINTS,
                    true,
                    &tlv(0x30, &tlv(PERMITTED, &subtree(&[of("TEST"), vec![0x80, 1, 1]].concat()))),
                )],
            ),
            outside(
                "subject under a constraint with a minimum depth",
                plain(),
                "the name constraints of the CA cannot be checked for CN=TEST server,O=TEST,C=SG",
            ),
        ),
    ]
}

/// The same extensions in the CA's own certificate.
pub(super) fn authorities() -> Vec<Case> {
    let ca = |name, how: &str, oid: &[u8], value: &[u8], verdict, words| {
        let basic = extension(BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0xff]);
        let extensions = if oid == BASIC_CONSTRAINTS {
            vec![extension(oid, false, value)]
        } else {
            vec![basic, extension(oid, true, value)]
        };
        let made = ca_with(how, &extensions);
        refused(name, made, verdict, &[words]).chosen_as_ca()
    };
    vec![
        ca(
            "as --ca: keyUsage that cannot be read",
            "its value is NULL",
            KEY_USAGE,
            &[5, 0],
            "MalformedExtension",
            "the certificate's key usage extension is malformed",
        ),
        ca(
            "as --ca: basicConstraints that cannot be read",
            "its value is NULL",
            BASIC_CONSTRAINTS,
            &[5, 0],
            "MalformedExtension",
            "the certificate's basic constraints extension is malformed",
        ),
        ca(
            "as --ca: nameConstraints that cannot be read",
            "its value is NULL",
            NAME_CONSTRAINTS,
            &[5, 0],
            "MalformedExtension",
            "the certificate's name constraints extension is malformed",
        ),
        ca(
            "as --ca: nameConstraints without a constraint",
            "an empty SEQUENCE",
            NAME_CONSTRAINTS,
            &[0x30, 0],
            "MalformedExtension",
            "the certificate's name constraints extension is malformed",
        ),
        ca(
            "as --ca: unknown critical extension",
            "1.2.3.4.5, critical",
            &[0x2a, 3, 4, 5],
            &[5, 0],
            "CriticalExtension",
            "the certificate has a critical extension that is not understood, 1.2.3.4.5",
        ),
        refused(
            "nameConstraints twice",
            signed("nameConstraints twice", |parts| {
                let one =
                    extension(NAME_CONSTRAINTS, true, &tlv(0x30, &tlv(PERMITTED, &subtree(&of("TEST")))));
                parts.extensions = vec![one; 2];
                parts.subject = common_name("x");
            }),
            "NotACertificate",
            &[NOT_X509],
        ),
    ]
}
