//! Order statistics. Medians and extremes only: the machine is shared, so means would measure the neighbours.

/// Sorts `values` and returns them; NaN never occurs here, because every value is a finished measurement.
#[must_use]
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which a share `q` (0 to 1) of the sorted `values` lies (nearest rank).
///
/// # Panics
/// If `values` is empty.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    assert!(!values.is_empty(), "a quantile needs at least one value");
    let rank = (q * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// The median of sorted `values`; the mean of the middle two when their number is even.
///
/// # Panics
/// If `values` is empty.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    (low + high) / 2.0
}

/// Where the true median lies, with which confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// At least here.
    pub low: f64,
    /// At most here.
    pub high: f64,
    /// The probability that it does, whatever the distribution.
    pub confidence: f64,
}

/// The narrowest interval between two of the sorted `values`, equally far from both ends, that holds the median of what
/// they were drawn from with a confidence of 95 %; from fewer than six values no interval does, and all there is to be
/// had is from the lowest to the highest.
///
/// It misses on one side if fewer than so many values fall there, each with an even chance.
///
/// # Panics
/// If `values` is empty.
#[must_use]
pub fn interval(values: &[f64]) -> Interval {
    assert!(!values.is_empty(), "an interval needs at least one value");
    let count = values.len();
    let at = |cut: usize, missed: f64| Interval {
        low: values[cut],
        high: values[count - 1 - cut],
        confidence: 1.0 - 2.0 * missed,
    };
    // The chance of so many heads in `count` throws (its logarithm: it is very small at first), and of at most so many.
    let mut exactly = -(count as f64) * std::f64::consts::LN_2;
    let mut at_most = exactly.exp();
    let mut best = at(0, at_most);
    for cut in 1..count.div_ceil(2) {
        exactly += ((count - cut + 1) as f64 / cut as f64).ln();
        at_most += exactly.exp();
        if at_most > 0.025 {
            break;
        }
        best = at(cut, at_most);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&sorted(vec![4.0, 1.0, 3.0, 2.0])), 2.5);
        assert_eq!(median(&sorted(vec![9.0, 1.0, 3.0])), 3.0);
    }

    #[test]
    fn the_interval_of_a_median_is_that_of_the_sign_test() {
        let of = |count: u32| interval(&sorted((1..=count).map(f64::from).collect()));
        assert_eq!((of(1).low, of(1).high), (1.0, 1.0));
        assert!(of(1).confidence.abs() < 1e-9, "one value says nothing");
        assert_eq!((of(5).low, of(5).high), (1.0, 5.0));
        assert!((of(5).confidence - 0.9375).abs() < 1e-9);
        // From tables of the sign test: the 2nd of 9, the 6th of 20.
        assert_eq!((of(9).low, of(9).high), (2.0, 8.0));
        assert!((of(9).confidence - 0.9609).abs() < 1e-4);
        assert_eq!((of(20).low, of(20).high), (6.0, 15.0));
        // Of many it is 1.96 standard deviations, half the root of their number each.
        assert_eq!((of(10_000).low, of(10_000).high), (4_902.0, 5_099.0));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values = sorted((1..=100).map(f64::from).collect());
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 1.0), 100.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
    }
}
