//! The table of distances between nodes (the firmware's SLIT).
//!
//! A distance orders nodes and does no more: 21 in the table was 1.81 in nanoseconds on one measured machine. Take
//! ratios from [`Node::access`](crate::Node::access) or from a measurement, never from here.
//!
//! Invariants: square over the topology's nodes; every value at least 1. A row that does not fit is replaced, as a
//! whole table, by 10 (same node) and 20 (another), and the topology's notes say so.

use crate::id::NodeId;

/// The distance of a node to itself, where nothing better is known.
pub const LOCAL_DISTANCE: u32 = 10;
/// The distance between two nodes, where nothing better is known (the kernel's own default).
pub const REMOTE_DISTANCE: u32 = 20;

/// Distances between nodes: larger is farther. It need not be symmetric.
///
/// ```
/// use heddle_numa::{Distances, NodeId};
/// let table = Distances::uniform(&[NodeId(0), NodeId(8)]);
/// assert_eq!(table.between(NodeId(0), NodeId(8)), 20);
/// assert_eq!(table.between(NodeId(0), NodeId(0)), 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distances {
    nodes: Vec<NodeId>,
    values: Vec<u32>,
}

impl Distances {
    /// 10 to itself and 20 to every other node: what is assumed where the system says nothing.
    pub fn uniform(nodes: &[NodeId]) -> Self {
        let values = nodes
            .iter()
            .flat_map(|from| {
                nodes.iter().map(move |to| if from == to { LOCAL_DISTANCE } else { REMOTE_DISTANCE })
            })
            .collect();
        Distances { nodes: nodes.to_vec(), values }
    }

    /// The table of these rows, in the order of `nodes`; `None` where it is not square or has a zero.
    pub fn from_rows(nodes: &[NodeId], rows: &[Vec<u32>]) -> Option<Self> {
        let square = rows.len() == nodes.len() && rows.iter().all(|row| row.len() == nodes.len());
        let values: Vec<u32> = rows.concat();
        (square && !values.contains(&0)).then(|| Distances { nodes: nodes.to_vec(), values })
    }

    /// The distance from one node to another: 10 or 20 where a node is not in the table.
    pub fn between(&self, from: NodeId, to: NodeId) -> u32 {
        let place = |node| self.nodes.iter().position(|known| *known == node);
        match (place(from), place(to)) {
            (Some(from), Some(to)) => self.values[from * self.nodes.len() + to],
            _ if from == to => LOCAL_DISTANCE,
            _ => REMOTE_DISTANCE,
        }
    }

    /// The nodes of the table, in its order.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// One row: the distances from a node to every node of the table, in the table's order.
    pub fn row(&self, from: NodeId) -> Vec<u32> {
        self.nodes.iter().map(|to| self.between(from, *to)).collect()
    }

    /// The nodes from near to far, `from` itself first; equal distances in order of id.
    pub fn nearest_first(&self, from: NodeId) -> Vec<NodeId> {
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(|node| (*node != from, self.between(from, *node), *node));
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_fit_make_no_table() {
        let nodes = [NodeId(0), NodeId(1)];
        assert!(Distances::from_rows(&nodes, &[vec![10, 20], vec![20]]).is_none());
        assert!(Distances::from_rows(&nodes, &[vec![10, 20]]).is_none());
        assert!(Distances::from_rows(&nodes, &[vec![10, 0], vec![20, 10]]).is_none());
        assert!(Distances::from_rows(&nodes, &[vec![10, 21], vec![31, 10]]).is_some());
    }

    #[test]
    fn an_asymmetric_table_is_read_by_row() {
        let nodes = [NodeId(4), NodeId(9)];
        let table = Distances::from_rows(&nodes, &[vec![10, 21], vec![31, 10]]).unwrap();
        assert_eq!(table.between(NodeId(4), NodeId(9)), 21);
        assert_eq!(table.between(NodeId(9), NodeId(4)), 31);
        assert_eq!(table.row(NodeId(9)), [31, 10]);
    }

    #[test]
    fn a_node_is_nearest_to_itself_even_where_the_table_says_otherwise() {
        let nodes = [NodeId(0), NodeId(1), NodeId(2)];
        let table =
            Distances::from_rows(&nodes, &[vec![10, 10, 5], vec![20, 20, 10], vec![20, 10, 10]]).unwrap();
        assert_eq!(table.nearest_first(NodeId(1)), [NodeId(1), NodeId(2), NodeId(0)]);
    }
}
