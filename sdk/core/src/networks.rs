//! Networks of addresses, in which one is found however many there are.

use core::net::IpAddr;

use ipnet::IpNet;

/// Networks of both kinds of addresses; an IPv4 address in IPv6's clothes is the IPv4 address.
#[derive(Debug)]
pub(crate) struct Networks {
    v4: Box<[(u128, u128)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    pub(crate) fn new(all: Vec<IpNet>) -> Self {
        let of = |v4: bool| {
            let kind = all.iter().filter(|network| network.addr().is_ipv4() == v4);
            disjoint(kind.map(|network| (number(network.network()), number(network.broadcast()))).collect())
        };
        Self { v4: of(true), v6: of(false) }
    }

    /// Whether an address is in one of them; `None` for what is no address.
    pub(crate) fn contain(&self, text: &str) -> Option<bool> {
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let address = number(address);
        let above = ranges.partition_point(|(first, _)| *first <= address);
        Some(above.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Ranges of first and last, rising. Networks lie within each other or apart.
fn disjoint(mut ranges: Vec<(u128, u128)>) -> Box<[(u128, u128)]> {
    ranges.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
    ranges.dedup_by(|next, kept| next.1 <= kept.1);
    ranges.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_in_one_is_in_them(
            all in prop::collection::vec((any::<bool>(), 0_u32..1024, 0_u8..=10), 0..20), v4: bool, low in 0_u32..1024,
        ) {
            let address = |v4: bool, low: u32| match v4 {
                true => IpAddr::V4(low.into()),
                false => IpAddr::V6(u128::from(low).into()),
            };
            let network = |(v4, low, host): (bool, u32, u8)| {
                IpNet::new(address(v4, low), if v4 { 32 } else { 128 } - host).unwrap()
            };
            let all: Vec<_> = all.into_iter().map(network).collect();
            let asked = address(v4, low);
            // Small IPv6 numbers are no IPv4 addresses in IPv6's clothes: those begin with ffff.
            let found = all.iter().any(|network| network.contains(&asked));
            prop_assert_eq!(Networks::new(all).contain(&asked.to_string()), Some(found));
        }
    }
}
