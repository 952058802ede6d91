//! Networks, and who is in them.

use std::net::{IpAddr, Ipv4Addr};

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    address: u128,
    is_v4: bool,
    mask: u128,
}

impl Network {
    /// `10.0.0.0/8` or `fd00::/8`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let written: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        // Addresses are compared in their short form.
        let (address, length) = match (written.to_canonical(), length.checked_sub(96)) {
            (IpAddr::V4(address), Some(length)) if written.is_ipv6() => (address.into(), length),
            _ => (written, length),
        };
        let bits = if address.is_ipv4() {
            Ipv4Addr::BITS
        } else {
            u128::BITS
        };
        let host_bits = bits.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            address: bits_of(address) & mask,
            is_v4: address.is_ipv4(),
            mask,
        })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits_of(address) & self.mask == self.address
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
