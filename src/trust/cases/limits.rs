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

/// BIT STRINGs and SEQUENCEs that contain a good value but are not DER, or contain no value.
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
        usage("keyUsage that is not a BIT STRING", with("its value is NULL", KEY_USAGE, &[5, 0])),
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
            "extendedKeyUsage that is not a SEQUENCE",
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

/// Extensions that are parsed and have no effect in upseal; if critical, they refuse the certificate.
pub(super) fn without_effect() -> Vec<Case> {
    let critical = |name, how: &str, oid: &[u8], value: &[u8], number| {
        let made = signed(how, |parts| parts.extensions = vec![extension(oid, true, value)]);
        let words = match number {
            31 => "the certificate has an unsupported critical extension: 2.5.29.31",
            _ => "the certificate has an unsupported critical extension: 2.5.29.36",
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

/// Creates `CN=TEST server,O=TEST,C=SG` with these alternative names.
fn server(how: &str, names: &[Vec<u8>]) -> Made {
    let names = names.concat();
    signed(how, |parts| parts.extensions = vec![extension(ALTERNATIVE_NAME, false, &tlv(0x30, &names))])
}

/// A name constraint with one base: description, list (permitted or excluded), kind of name, base.
type Constraint<'a> = (&'a str, u8, u8, &'a [u8]);

/// Names that the CA may certify (RFC 5280, 4.2.1.10).
pub(super) fn constraints() -> Vec<Case> {
    let plain = || signed("unchanged, under a CA with name constraints", |_| {});
    let by = |ca: Made, case: Case| Case { given: super::Given::Server { ca }, ..case };
    let outside = |name, made, words| refused(name, made, "NameConstraint", &[words]);
    let one_base = |(how, list, tag, base): Constraint| constrained(how, list, &[tlv(tag, base)]);
    let accepted_name = |constraint: Constraint, case, (how, tag, name): (&str, u8, &[u8])| {
        by(one_base(constraint), accepted(case, server(how, &[tlv(tag, name)]), &[SERVER_2048]))
    };
    let refused_name = |constraint: Constraint, case, (how, names): (&str, &[(u8, &[u8])]), words| {
        let names: Vec<Vec<u8>> = names.iter().map(|(tag, name)| tlv(*tag, name)).collect();
        by(one_base(constraint), outside(case, server(how, &names), words))
    };
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
        accepted_name(
            ("permits DNS example.com", PERMITTED, DNS, b"example.com"),
            "DNS name that the CA may certify",
            ("DNS files.EXAMPLE.com", DNS, b"files.EXAMPLE.com"),
        ),
        refused_name(
            ("permits DNS example.com", PERMITTED, DNS, b"example.com"),
            "DNS name outside what the CA may certify",
            ("DNS badexample.com", &[(DNS, b"badexample.com")]),
            "the name constraints of the CA do not permit badexample.com",
        ),
        refused_name(
            ("excludes DNS example.com", EXCLUDED, DNS, b"Example.com"),
            "DNS name that the CA must not certify",
            ("DNS a.example.com", &[(DNS, b"good.test"), (DNS, b"a.example.com")]),
            "the name constraints of the CA do not permit a.example.com",
        ),
        accepted_name(
            ("permits IP 10.0.0.0/8", PERMITTED, IP, &[10, 0, 0, 0, 255, 0, 0, 0]),
            "IP address that the CA may certify",
            ("IP 10.1.2.3", IP, &[10, 1, 2, 3]),
        ),
        refused_name(
            ("permits IP 10.0.0.0/8", PERMITTED, IP, &[10, 0, 0, 0, 255, 0, 0, 0]),
            "IP address outside what the CA may certify",
            ("IP 11.1.2.3", &[(IP, &[11, 1, 2, 3])]),
            "the name constraints of the CA do not permit 11.1.2.3",
        ),
        refused_name(
            ("permits mail of example.com", PERMITTED, MAIL, b"example.com"),
            "mail address where the CA's constraints have mail addresses",
            ("mail a@example.com", &[(MAIL, b"a@example.com")]),
            "the name constraints of the CA cannot be checked for a@example.com",
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

/// Such extensions in the CA's own certificate.
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
            "the certificate has an unsupported critical extension: 1.2.3.4.5",
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
