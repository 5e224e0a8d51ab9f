//! The command line, by hand: six options do not need a crate.

use crate::{numa, workload};
use heddle_benches::Workload;

pub(crate) const HELP: &str = "\
usage: heddle-benches [WORKLOAD...] [options]
       heddle-benches numa [--quick] [--rounds N] [--case TEXT] [--report FILE.md] [--json FILE]

  WORKLOAD           names from --list; none means all
  numa               stands alone: what far memory costs here, and the scheduler with and without minding nodes
                     (default 9 rounds, quick 2; cases: latency, bandwidth, triad, tree, graph, compute, urgent)
  --contender A,B    only these
  --case TEXT        only cases whose name contains TEXT
  --rounds N         runs of each, in turn with the others (default 7)
  --quick            a hundredth of the work: are the answers right? (default 1 round; times mean nothing)
  --report FILE.md   write the tables there too
  --json FILE        write every single value there
  --list             what there is to run";

/// What to do.
#[derive(Debug)]
pub(crate) enum Order {
    Help,
    List,
    Run(Arguments),
    /// The machine's memory nodes, with a report of its own.
    Numa(Arguments),
}

/// What to measure, and where to write it.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) workloads: Vec<&'static Workload>,
    pub(crate) contenders: Vec<String>,
    pub(crate) case: String,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) json: Option<String>,
    pub(crate) report: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Order, String> {
        let mut order = Arguments::default();
        let (mut rounds, mut numa) = (None, false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().filter(|value| !value.starts_with("--"));
                value.cloned().ok_or(format!("{word} needs a value after it"))
            };
            match word.as_str() {
                "--help" | "-h" => return Ok(Order::Help),
                "--list" => return Ok(Order::List),
                "--quick" => order.quick = true,
                "--case" => order.case = value()?,
                "--json" => order.json = Some(value()?),
                "--report" => order.report = Some(value()?),
                "--contender" => order.contenders = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => {
                    let count = value()?.parse().ok().filter(|count| *count > 0);
                    rounds = Some(count.ok_or("--rounds needs a number of at least 1")?);
                }
                option if option.starts_with('-') => return Err(format!("there is no option {option}")),
                "numa" => numa = true,
                name => {
                    order.workloads.push(workload::named(name).ok_or(format!("there is no workload {name}"))?)
                }
            }
        }
        if numa {
            order.rounds = rounds.unwrap_or(if order.quick { 2 } else { 9 });
            return order.alone();
        }
        if order.workloads.is_empty() {
            order.workloads = workload::ALL.to_vec();
        }
        order.rounds = rounds.unwrap_or(if order.quick { 1 } else { 7 });
        for name in &order.contenders {
            let known = order.workloads.iter().flat_map(|workload| workload.contenders);
            if !known.clone().any(|contender| contender.name == name) {
                return Err(format!("there is no contender {name} in these workloads"));
            }
        }
        let cases = || order.workloads.iter().flat_map(|workload| workload.cases).map(|case| case.name);
        if !cases().any(|case| case.contains(&order.case)) {
            return Err(format!(
                "no case of these workloads contains {}: --list has their names",
                order.case
            ));
        }
        order.can_measure()?;
        Ok(Order::Run(order))
    }

    /// At least one of the contenders that were asked for can run one of the cases; or the first one's reason.
    fn can_measure(&self) -> Result<(), String> {
        let pairs = self.workloads.iter().flat_map(|workload| {
            let cases = workload.cases.iter().filter(|case| case.name.contains(&self.case));
            cases.flat_map(|case| workload.contenders.iter().map(move |one| (one, one.refusal(case))))
        });
        let mut wanted = pairs.filter(|(one, _)| self.wants(one.name)).peekable();
        let why = match wanted.peek() {
            None => "none of these contenders is in a workload that has such a case".to_owned(),
            Some((one, why)) => format!("{} cannot: {}", one.name, why.unwrap_or_default()),
        };
        if wanted.any(|(_, refusal)| refusal.is_none()) {
            return Ok(());
        }
        Err(format!("there is nothing to measure: {why}"))
    }

    /// `numa` has cases of its own, and its contenders are compared with each other or not at all.
    fn alone(self) -> Result<Order, String> {
        if !self.workloads.is_empty() {
            return Err("numa stands alone: run the other workloads without it".to_owned());
        }
        if !self.contenders.is_empty() {
            return Err(
                "--contender does not go with numa: its setups are measured against each other".to_owned()
            );
        }
        if !numa::cases().any(|case| case.contains(&self.case)) {
            let known = numa::cases().collect::<Vec<_>>().join(", ");
            return Err(format!("numa has no case that contains {}: there are {known}", self.case));
        }
        Ok(Order::Numa(self))
    }

    /// Whether a contender was asked for.
    pub(crate) fn wants(&self, contender: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|name| name == contender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Order, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn no_arguments_mean_everything_seven_times() {
        let Ok(Order::Run(order)) = parse("") else { panic!("runs") };
        assert_eq!((order.workloads.len(), order.rounds), (workload::ALL.len(), 7));
        assert!(order.wants("tokio"));
    }

    #[test]
    fn numa_stands_alone() {
        let Ok(Order::Numa(order)) = parse("numa --quick --report out.md") else { panic!("runs") };
        assert_eq!((order.rounds, order.report.as_deref()), (2, Some("out.md")));
        let Ok(Order::Numa(order)) = parse("--case tri numa") else { panic!("runs") };
        assert_eq!((order.rounds, order.case.as_str()), (9, "tri"));
        assert!(parse("numa skynet").unwrap_err().contains("alone"));
        assert!(parse("skynet numa").unwrap_err().contains("alone"));
        assert!(parse("numa --contender heddle").unwrap_err().contains("--contender"));
        assert!(parse("numa --case nonsense").unwrap_err().contains("triad"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("skynet --case nonsense").unwrap_err().contains("nonsense"));
        assert!(parse("--report --quick").unwrap_err().contains("--report"));
        assert!(parse("nonsense").unwrap_err().contains("nonsense"));
        assert!(parse("--rounds 0").unwrap_err().contains("at least 1"));
        assert!(parse("--contender nobody").unwrap_err().contains("nobody"));
        assert!(parse("--json").unwrap_err().contains("--json"));
    }

    #[cfg(not(feature = "peers"))]
    #[test]
    fn a_contender_that_is_not_built_in_is_no_empty_report() {
        let refused = parse("skynet --contender tokio").unwrap_err();
        assert!(refused.contains("tokio cannot: built without `--features peers`"), "{refused}");
        assert!(parse("skynet --contender tokio,heddle").is_ok());
    }
}
