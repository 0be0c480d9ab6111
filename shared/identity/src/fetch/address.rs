//! Which addresses lie in the public internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// `0.0.0.0/8`, `::`: this host, this network.
    Unspecified,
    /// `127.0.0.0/8`, `::1`: this machine.
    Loopback,
    /// RFC 1918, `fc00::/7`: somebody's own network.
    Private,
    /// `100.64.0.0/10`: behind a carrier's translator.
    SharedSpace,
    /// `169.254.0.0/16`, `fe80::/10`: this link, and the clouds' metadata services.
    LinkLocal,
    /// A metadata or platform address of a cloud that lies in public space.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`, the broadcast address.
    Multicast,
    /// An IPv6 form that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo): it ends somewhere else than it says.
    Translated,
    /// Reserved, for documentation, for benchmarks, or not assigned.
    Reserved,
}

impl AddressClass {
    /// The class in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "this machine",
            Self::Private => "a private address",
            Self::SharedSpace => "a carrier's private address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Translated => "a translated address",
            Self::Reserved => "a reserved address",
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// IPv4 networks that are not the public internet: the IANA IPv4 Special-Purpose Address Registry (globally reachable: false), the
/// anycast networks of RFC 7534/7535 and RFC 3068, multicast (RFC 5771) and one address of a cloud's own.
const IPV4: &[(Ipv4Addr, u8, AddressClass)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, AddressClass::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressClass::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressClass::SharedSpace),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressClass::Loopback),
    // Azure's wire server and DNS: public space, reachable from inside only.
    (Ipv4Addr::new(168, 63, 129, 16), 32, AddressClass::Metadata),
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressClass::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressClass::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 31, 196, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 52, 193, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressClass::Translated),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressClass::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressClass::Reserved),
    (Ipv4Addr::new(198, 51, 100, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(203, 0, 113, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(224, 0, 0, 0), 4, AddressClass::Multicast),
    (Ipv4Addr::BROADCAST, 32, AddressClass::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, AddressClass::Reserved),
];

/// IPv6 networks with a name of their own, by the IANA IPv6 Special-Purpose Address Registry. What is not listed is judged by
/// `2000::/3`, the only space that has been given out (RFC 4291, section 2.4; RFC 3587).
const IPV6: &[(Ipv6Addr, u8, AddressClass)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, AddressClass::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, AddressClass::Loopback),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, AddressClass::Translated),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96, AddressClass::Translated),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, AddressClass::Translated),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, AddressClass::Translated),
    // Teredo, ORCHID, benchmarks and other protocol assignments.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, AddressClass::Translated),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, AddressClass::Reserved),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, AddressClass::Reserved),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, AddressClass::Translated),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, AddressClass::Reserved),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, AddressClass::Reserved),
    // Amazon's metadata, time and name services.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, AddressClass::Metadata),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, AddressClass::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::Private),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, AddressClass::Multicast),
];

/// The class for which an address is refused; `None` for an address of the public internet.
#[must_use]
pub fn refused_class(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            IPV4.iter().find(|(network, length, _)| same_prefix_v4(bits, u32::from(*network), *length)).map(|(_, _, class)| *class)
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            let named = IPV6.iter().find(|(network, length, _)| same_prefix_v6(bits, u128::from(*network), *length));
            match named {
                Some((_, _, class)) => Some(*class),
                None if bits >> 125 == 1 => None,
                None => Some(AddressClass::Reserved),
            }
        }
    }
}

fn same_prefix_v4(a: u32, b: u32, length: u8) -> bool {
    let shift = 32_u32.saturating_sub(u32::from(length));
    a.checked_shr(shift) == b.checked_shr(shift)
}

fn same_prefix_v6(a: u128, b: u128, length: u8) -> bool {
    let shift = 128_u32.saturating_sub(u32::from(length));
    a.checked_shr(shift) == b.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> Option<AddressClass> {
        refused_class(text.parse().unwrap())
    }

    #[test]
    fn the_edges_of_each_network() {
        for (inside, outside) in [
            (["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
            (["100.64.0.0", "100.127.255.255"], ["100.63.255.255", "100.128.0.0"]),
            (["127.0.0.0", "127.255.255.255"], ["126.255.255.255", "128.0.0.0"]),
            (["169.254.0.0", "169.254.255.255"], ["169.253.255.255", "169.255.0.0"]),
            (["172.16.0.0", "172.31.255.255"], ["172.15.255.255", "172.32.0.0"]),
            (["192.168.0.0", "192.168.255.255"], ["192.167.255.255", "192.169.0.0"]),
            (["198.18.0.0", "198.19.255.255"], ["198.17.255.255", "198.20.0.0"]),
            (["168.63.129.16", "168.63.129.16"], ["168.63.129.15", "168.63.129.17"]),
            (["224.0.0.0", "255.255.255.255"], ["223.255.255.255", "1.1.1.1"]),
            (["2001::", "2001:1ff:ffff::"], ["2001:200::", "2000::1"]),
            (["2002::", "2002:ffff::"], ["2003::", "2001:4860:4860::8888"]),
        ] {
            assert!(inside.iter().all(|address| class(address).is_some()), "{inside:?}");
            assert!(outside.iter().all(|address| class(address).is_none()), "{outside:?}");
        }
        for (address, expected) in [
            ("0.0.0.0", AddressClass::Unspecified),
            ("::", AddressClass::Unspecified),
            ("::1", AddressClass::Loopback),
            ("::ffff:8.8.8.8", AddressClass::Translated),
            ("::8.8.8.8", AddressClass::Translated),
            ("64:ff9b::a00:1", AddressClass::Translated),
            ("fd00:ec2::254", AddressClass::Metadata),
            ("fd12::1", AddressClass::Private),
            ("fe80::1", AddressClass::LinkLocal),
            ("4000::1", AddressClass::Reserved),
            ("169.254.169.254", AddressClass::LinkLocal),
        ] {
            assert_eq!(class(address), Some(expected), "{address}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_the_standard_library_calls_local_is_let_through(v4: u32, v6: u128) {
            let v4 = Ipv4Addr::from(v4);
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast() || v4.is_multicast()
                || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!local || refused_class(v4.into()).is_some());
            prop_assert!(refused_class(v4.to_ipv6_mapped().into()).is_some());
            let v6 = Ipv6Addr::from(v6);
            let local = v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!local || refused_class(v6.into()).is_some());
        }
    }
}
