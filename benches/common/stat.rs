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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&sorted(vec![4.0, 1.0, 3.0, 2.0])), 2.5);
        assert_eq!(median(&sorted(vec![9.0, 1.0, 3.0])), 3.0);
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
