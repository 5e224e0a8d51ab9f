//! `rendezvous` by Heddle with lanes switched off.

use super::heddle;
use crate::contender::heddle::with_one_lane;
use heddle_benches::{Run, Sample};

pub(crate) fn run(run: &Run) -> Sample {
    with_one_lane(run, heddle::run)
}
