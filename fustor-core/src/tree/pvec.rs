//! A persistent vector: a radix tree of shared slices. Clones are free, writes copy only what others still share.

use std::sync::Arc;

/// A vector whose clone costs one reference count. Leaves hold `2^LEAF` values, inner nodes `2^INNER` nodes; a write
/// after a clone copies one node a level. Values beyond the end of the last leaf are `T::default()`.
#[derive(Clone, Debug)]
pub(crate) struct PersistentVec<T, const LEAF: u32 = 3, const INNER: u32 = 6> {
    root: Option<Node<T>>,
    /// Levels of inner nodes above the leaves.
    height: u32,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<T> {
    Leaf(Arc<[T]>),
    Inner(Arc<[Self]>),
}

/// One side of a comparison: a node and its height, or nothing.
type Side<'a, T> = Option<(&'a Node<T>, u32)>;

/// What [`PersistentVec::diff`] calls with an index and the two values.
pub(crate) type Visit<'f, 'a, T> = &'f mut dyn FnMut(usize, Option<&'a T>, Option<&'a T>);

impl<T, const LEAF: u32, const INNER: u32> Default for PersistentVec<T, LEAF, INNER> {
    fn default() -> Self {
        Self { root: None, height: 0, len: 0 }
    }
}

impl<T, const LEAF: u32, const INNER: u32> PersistentVec<T, LEAF, INNER> {
    const LEAF_LEN: usize = 1 << LEAF;
    const INNER_LEN: usize = 1 << INNER;

    /// How far an index is shifted to select a child of a node of this height.
    const fn shift(height: u32) -> u32 {
        LEAF + (height - 1) * INNER
    }

    const fn child_of(height: u32, i: usize) -> usize {
        (i >> Self::shift(height)) & (Self::INNER_LEN - 1)
    }

    /// Number of values.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The value at `i`, if there is one.
    #[inline]
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        if i >= self.len {
            return None;
        }
        self.leaf(i).map(|leaf| &leaf[i & (Self::LEAF_LEN - 1)])
    }

    /// The leaf that holds index `i`, which is below the length.
    #[inline]
    fn leaf(&self, i: usize) -> Option<&[T]> {
        let (mut node, mut height) = (self.root.as_ref()?, self.height);
        loop {
            match node {
                Node::Leaf(values) => return Some(values),
                Node::Inner(nodes) => node = &nodes[Self::child_of(height, i)],
            }
            height -= 1;
        }
    }

    /// The values in order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let leaves = (0..self.len).step_by(Self::LEAF_LEN).filter_map(|first| self.leaf(first));
        leaves.flatten().take(self.len)
    }

    /// Calls `visit` with the old and the new value of every index below a leaf that the two do not share; either is
    /// `None` beyond the end of its side. Equal values are visited too.
    pub(crate) fn diff<'a>(&'a self, newer: &'a Self, visit: Visit<'_, 'a, T>) {
        let (old, new) = (self.side(), newer.side());
        let height = self.height.max(newer.height);
        Self::compare(old, new, height, 0, &mut |i, a, b| {
            let (a, b) = (a.filter(|_| i < self.len), b.filter(|_| i < newer.len));
            if a.is_some() || b.is_some() {
                visit(i, a, b);
            }
        });
    }

    fn side(&self) -> Side<'_, T> {
        self.root.as_ref().map(|root| (root, self.height))
    }

    /// Recurses once a level, of which there are at most seven.
    fn compare<'a>(
        old: Side<'a, T>,
        new: Side<'a, T>,
        height: u32,
        first: usize,
        visit: Visit<'_, 'a, T>,
    ) {
        if same(old, new) || (old.is_none() && new.is_none()) {
            return;
        }
        if height == 0 {
            let (old, new) = (values(old), values(new));
            for k in 0..Self::LEAF_LEN {
                visit(first + k, old.get(k), new.get(k));
            }
            return;
        }
        for k in 0..Self::INNER_LEN {
            let (old, new) = (child(old, height, k), child(new, height, k));
            Self::compare(old, new, height - 1, first + (k << Self::shift(height)), visit);
        }
    }
}

impl<T: Clone + Default, const LEAF: u32, const INNER: u32> PersistentVec<T, LEAF, INNER> {
    /// The value at `i`, for writing; copies the nodes above it that are shared.
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut T> {
        if i >= self.len {
            return None;
        }
        let (mut node, mut height) = (self.root.as_mut()?, self.height);
        loop {
            match node {
                Node::Leaf(values) => {
                    return Some(&mut Arc::make_mut(values)[i & (Self::LEAF_LEN - 1)]);
                }
                Node::Inner(nodes) => {
                    node = &mut Arc::make_mut(nodes)[Self::child_of(height, i)];
                }
            }
            height -= 1;
        }
    }

    /// Appends a value.
    pub(crate) fn push(&mut self, value: T) {
        let i = self.len;
        self.len += 1;
        if i.is_multiple_of(Self::LEAF_LEN) {
            self.push_leaf(i);
        }
        if let Some(slot) = self.get_mut(i) {
            *slot = value;
        }
    }

    /// Adds the leaf that begins at index `i`.
    fn push_leaf(&mut self, i: usize) {
        self.root = Some(match self.root.take() {
            None => Self::spine(0),
            Some(root) if i >> (LEAF + self.height * INNER) > 0 => {
                self.height += 1;
                Node::Inner(Arc::from([root, Self::spine(self.height - 1)]))
            }
            Some(mut root) => {
                Self::graft(&mut root, self.height, i);
                root
            }
        });
    }

    /// Adds the leaf that begins at `i` below a node that has room for it.
    fn graft(mut node: &mut Node<T>, mut height: u32, i: usize) {
        while let Node::Inner(nodes) = node {
            let k = Self::child_of(height, i);
            if k == nodes.len() {
                let more = std::iter::once(Self::spine(height - 1));
                *nodes = nodes.iter().cloned().chain(more).collect();
                return;
            }
            node = &mut Arc::make_mut(nodes)[k];
            height -= 1;
        }
    }

    /// One fresh leaf below `height` nodes with a single child each.
    fn spine(height: u32) -> Node<T> {
        let leaf = (0..Self::LEAF_LEN).map(|_| T::default()).collect();
        (0..height).fold(Node::Leaf(leaf), |node, _| Node::Inner(Arc::from([node])))
    }
}

fn same<T>(old: Side<'_, T>, new: Side<'_, T>) -> bool {
    match (old, new) {
        (Some((Node::Leaf(a), _)), Some((Node::Leaf(b), _))) => Arc::ptr_eq(a, b),
        (Some((Node::Inner(a), _)), Some((Node::Inner(b), _))) => Arc::ptr_eq(a, b),
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Child `k` of a node of this height; a lower node stands for the first child, as growing put it there.
fn child<T>(side: Side<'_, T>, height: u32, k: usize) -> Side<'_, T> {
    let (node, own_height) = side?;
    if own_height < height {
        return (k == 0).then_some((node, own_height));
    }
    match node {
        Node::Inner(nodes) => nodes.get(k).map(|node| (node, height - 1)),
        Node::Leaf(_) => None,
    }
}

fn values<T>(side: Side<'_, T>) -> &[T] {
    match side {
        Some((Node::Leaf(values), _)) => values,
        Some((Node::Inner(_), _)) | None => &[],
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Two values a leaf and two nodes an inner node, so that few values make many levels.
    type Small = PersistentVec<u32, 1, 1>;

    fn filled<const LEAF: u32, const INNER: u32>(len: u32) -> PersistentVec<u32, LEAF, INNER> {
        let mut values = PersistentVec::default();
        (0..len).for_each(|value| values.push(value));
        values
    }

    fn changes(old: &Small, new: &Small) -> Vec<(usize, Option<u32>, Option<u32>)> {
        let mut seen = Vec::new();
        old.diff(new, &mut |i, a, b| seen.push((i, a.copied(), b.copied())));
        seen
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u32),
        Set(prop::sample::Index, u32),
        Keep,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<u32>().prop_map(Step::Push),
            3 => any::<(prop::sample::Index, u32)>().prop_map(|(i, value)| Step::Set(i, value)),
            1 => Just(Step::Keep),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_vector_and_clones_do_not_change(steps in vec(step(), 0..200)) {
            let (mut values, mut model) = (Small::default(), Vec::new());
            let mut kept = vec![(values.clone(), model.clone())];
            for step in steps {
                match step {
                    Step::Push(value) => {
                        values.push(value);
                        model.push(value);
                    }
                    Step::Set(i, value) if !model.is_empty() => {
                        let i = i.index(model.len());
                        *values.get_mut(i).unwrap() = value;
                        model[i] = value;
                    }
                    Step::Set(..) => {}
                    Step::Keep => kept.push((values.clone(), model.clone())),
                }
            }
            for (snapshot, expected) in &kept {
                prop_assert!(snapshot.iter().eq(expected));
                prop_assert_eq!(snapshot.len(), expected.len());
                prop_assert_eq!(snapshot.get(expected.len()), None);
                prop_assert!((0..expected.len()).all(|i| snapshot.get(i) == expected.get(i)));
                // Replaying a diff leads from either side to the other.
                for (old, new, from, to) in [
                    (snapshot, &values, expected, &model),
                    (&values, snapshot, &model, expected),
                ] {
                    let seen = changes(old, new);
                    prop_assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
                    prop_assert!(seen.iter().all(|(i, a, b)| *a == from.get(*i).copied() && *b == to.get(*i).copied()));
                    let mut replayed: Vec<Option<u32>> = from.iter().copied().map(Some).collect();
                    replayed.resize(from.len().max(to.len()), None);
                    seen.iter().for_each(|(i, _, b)| replayed[*i] = *b);
                    prop_assert!(replayed.into_iter().flatten().eq(to.iter().copied()));
                }
            }
        }
    }

    #[test]
    fn a_diff_visits_only_leaves_that_are_not_shared() {
        let old = filled::<1, 1>(37);
        let mut new = old.clone();
        assert_eq!(changes(&old, &new), []);
        *new.get_mut(10).unwrap() = 99;
        assert_eq!(changes(&old, &new), [(10, Some(10), Some(99)), (11, Some(11), Some(11))]);
        new = old.clone();
        new.push(7);
        assert_eq!(changes(&old, &new), [(36, Some(36), Some(36)), (37, None, Some(7))]);
    }

    #[test]
    fn growing_by_levels_shares_what_was_there() {
        let old = filled::<1, 1>(64);
        let mut new = old.clone();
        (0..200).for_each(|value| new.push(value));
        assert_eq!(new.height, old.height + 3);
        let seen = changes(&old, &new);
        assert_eq!((seen.len(), seen[0]), (200, (64, None, Some(0))));
        assert_eq!(changes(&Small::default(), &old).len(), 64);
    }

    #[test]
    fn a_value_that_nobody_shares_is_written_in_place() {
        let mut values = filled::<5, 5>(5000);
        let before: *const u32 = values.get(4321).unwrap();
        *values.get_mut(4321).unwrap() = 1;
        assert_eq!(before, values.get(4321).unwrap());
        let snapshot = values.clone();
        *values.get_mut(4321).unwrap() = 2;
        assert_eq!((snapshot.get(4321), values.get(4321)), (Some(&1), Some(&2)));
        assert_eq!(
            (values.iter().count(), values.len() == 0, values.get_mut(5000)),
            (5000, false, None)
        );
    }
}
