//! Shares of the traffic after the bandwidth paths say they have (draft-ietf-idr-link-bandwidth).
//!
//! The kernel knows small whole weights, so bandwidths become the least numbers that stand in the same relation.
//! Bandwidths that are a hair apart give the same weights: nothing is rewritten for a difference nobody can see.

use std::num::NonZeroU16;

use bgp::PathAttributes;

use crate::forwarding::{Forwarding, Gateway, Weighted};

/// The most a weight can be: what the kernel can express.
const MOST: u16 = 256;
/// How far a share may be from the truth, as a part of it.
const NEAR: f64 = 1.0 / 256.0;

/// Returns the octets a second a path says it has; if it says several, the least.
pub(crate) fn bandwidth(attributes: &PathAttributes) -> Option<f32> {
    let said = attributes.rare.extended_communities.iter();
    said.filter_map(|community| community.link_bandwidth()).min_by(f32::total_cmp)
}

/// Shares traffic among gateways after the bandwidth that leads through each; a gateway may be there several times.
/// `None` when all are equal or there is but one.
pub(crate) fn share(mut legs: Vec<(Gateway, f64)>) -> Option<Forwarding> {
    legs.sort_by_key(|(gateway, _)| *gateway);
    legs.dedup_by(|(gateway, bandwidth), (kept, sum)| {
        let same = gateway == kept;
        if same {
            *sum += *bandwidth;
        }
        same
    });
    let weights = weights(&legs.iter().map(|(_, bandwidth)| *bandwidth).collect::<Vec<_>>());
    if weights.iter().all(|weight| weight.get() == 1) {
        return None;
    }
    let weighted = legs.into_iter().zip(weights);
    Some(Forwarding::Weighted(weighted.map(|((gateway, _), weight)| Weighted { gateway, weight }).collect()))
}

/// Returns the least weights that are near enough to these bandwidths, all above zero.
fn weights(bandwidths: &[f64]) -> Vec<NonZeroU16> {
    let greatest = bandwidths.iter().copied().fold(0.0, f64::max);
    let scaled = |most: u16| bandwidths.iter().map(move |bandwidth| bandwidth / greatest * f64::from(most));
    let is_near = |most: &u16| {
        scaled(*most).all(|exact| exact.round() >= 1.0 && (exact - exact.round()).abs() <= exact * NEAR)
    };
    let most = (1..=MOST).find(is_near).unwrap_or(MOST);
    // Between one and `MOST` each, so no digit is lost.
    let weights = scaled(most).map(|exact| NonZeroU16::new(exact.round() as u16));
    weights.map(|weight| weight.unwrap_or(NonZeroU16::MIN)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bandwidths: &[f64]) -> Vec<u16> {
        weights(bandwidths).into_iter().map(NonZeroU16::get).collect()
    }

    #[test]
    fn weights_are_the_least_that_stand_in_the_same_relation() {
        assert_eq!(of(&[1.25e9, 5e9]), [1, 4]);
        assert_eq!(of(&[1e9, 3e9, 2e9]), [1, 3, 2]);
        assert_eq!(of(&[1e9, 2.5e9]), [2, 5]);
        assert_eq!(of(&[7e3, 7e3]), [1, 1]);
        assert_eq!(of(&[1e30]), [1]);
    }

    #[test]
    fn a_hair_makes_no_difference() {
        assert_eq!(of(&[1e9, 1.000_001e9]), [1, 1]);
        assert_eq!(of(&[1e9, 2.999_999e9]), [1, 3]);
    }

    #[test]
    fn what_is_out_of_all_proportion_still_gets_a_little() {
        assert_eq!(of(&[1.0, 1e30]), [1, 256]);
        assert_eq!(of(&[f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)]), [1, 256]);
        assert!(of(&[1.0, 255.5, 256.0]).iter().all(|weight| (1..=256).contains(weight)));
    }
}
