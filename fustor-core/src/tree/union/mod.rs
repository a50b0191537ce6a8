//! The union of several trees: a view of several storages shows one tree, and each storage is judged in its own.
//!
//! A directory that one member has is that member's: its slot is a copy whose ids are translated, and blocks without
//! directories are shared. Directories that several members have lie above all others, since what is below a
//! directory is evidence of it; only there are rows merged. So a change costs what it costs in its own tree, and
//! beside it one step for each shared directory above.

mod layout;
mod rule;
mod share;

use std::collections::{BTreeMap, BTreeSet};

use im::OrdMap;
use rustc_hash::FxHashMap;

use crate::entry::Marks;
use crate::id::{DirId, StorageId};
use crate::rules::Rules;

use super::entries::Entries;
use super::meta::Meta;
use super::{PersistentVec, RootRow, Tree, Writer};

pub(crate) use layout::{Layout, Part};
pub(crate) use share::Conflict;
use share::{Extent, Place, Share};

/// Several trees and what they show together.
#[derive(Clone)]
pub(crate) struct Union {
    tree: Tree,
    layout: Layout,
    members: Vec<Member>,
    shares: FxHashMap<DirId, Share>,
    conflicts: OrdMap<Place, Conflict>,
    /// How often a path has changed hands.
    takeovers: u64,
    version: u64,
    rules: Rules,
}

#[derive(Clone)]
struct Member {
    storage: StorageId,
    /// Its state that was folded in last.
    tree: Tree,
}

/// How several trees were put together. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Seam {
    /// Where the members' directories stand in the union.
    pub(crate) layout: Layout,
    /// The paths that several members claim, of which one alone is shown.
    pub(crate) conflicts: OrdMap<Place, Conflict>,
    /// How often a path has changed hands.
    pub(crate) takeovers: u64,
}

/// One change of one member while it is folded in.
struct Fold {
    member: u16,
    older: Tree,
    /// Shared directories whose rows are to be looked at, those nearest to the root first.
    work: BTreeMap<(u32, DirId), Extent>,
    /// Directories that are shared by fewer than before: what was shown in them is no guide.
    anew: BTreeSet<DirId>,
}

impl Union {
    /// The union of these trees.
    pub(crate) fn new(trees: &[(StorageId, Tree)], version: u64, rules: Rules) -> Self {
        let (entries, metas) = (PersistentVec::default(), PersistentVec::default());
        let unlisted = Writer::new();
        let member = |storage| Member { storage, tree: unlisted.tree().clone() };
        let members = trees.iter().map(|(storage, _)| member(*storage));
        let mut union = Self {
            tree: Tree { entries, metas, root: RootRow::PLACEHOLDER, lineage: version },
            layout: Layout::of_members(trees.len()),
            members: members.collect(),
            shares: FxHashMap::default(),
            conflicts: OrdMap::new(),
            takeovers: 0,
            version,
            rules,
        };
        for member in 0..union.members.len() {
            union.reach(member as u16, 1);
        }
        union.share_roots();
        for (member, (_, tree)) in trees.iter().enumerate() {
            union.fold(member, tree, version);
        }
        union
    }

    /// Takes in a newer state of one member.
    pub(crate) fn fold(&mut self, member: usize, newer: &Tree, version: u64) {
        let Some(known) = self.members.get_mut(member) else { return };
        let older = std::mem::replace(&mut known.tree, newer.clone());
        let touched = older.touched(newer);
        if touched.is_empty() && older.root_row() == newer.root_row() {
            return;
        }
        self.version = version;
        let member = member as u16;
        self.reach(member, newer.id_count());
        let mut fold = Fold { member, older, work: BTreeMap::new(), anew: BTreeSet::new() };
        self.part_with_what_moved(&mut fold, newer, &touched);
        for dir in touched {
            let part = Part { member, dir };
            match self.layout.host(part) {
                Some(host) => self.look_at(&mut fold, host, Extent::Changed),
                None => self.mirror(part, !is_same(&fold.older, newer, dir)),
            }
        }
        self.merge_shared(fold);
        self.show_root();
    }

    /// What is shown.
    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What readers see of it beside the tree.
    pub(crate) fn seam(&self) -> Seam {
        Seam {
            layout: self.layout.clone(),
            conflicts: self.conflicts.clone(),
            takeovers: self.takeovers,
        }
    }

    /// Makes room for `ids` directories of a member.
    fn reach(&mut self, member: u16, ids: usize) {
        for _ in 0..self.layout.reach(member, ids) * layout::PAGE as usize {
            self.tree.metas.push(Meta::default());
            self.tree.entries.push(Entries::Vacant);
        }
    }

    /// A directory that has another place than before is no longer shared with what stood beside it there.
    fn part_with_what_moved(&mut self, fold: &mut Fold, newer: &Tree, touched: &[DirId]) {
        for dir in touched.iter().filter(|dir| **dir != DirId::ROOT) {
            let Some(host) = self.layout.host(Part { member: fold.member, dir: *dir }) else {
                continue;
            };
            let (was, is) = (fold.older.meta(*dir), newer.meta(*dir));
            let stays = (was.parent, was.generation) == (is.parent, is.generation)
                && fold.older.entries(*dir).own_name() == newer.entries(*dir).own_name();
            if !stays {
                self.part_ways(host);
                fold.anew.insert(host);
            }
        }
    }

    /// Copies a member's directory to its own slot: its keys and totals, and its rows if they have changed.
    fn mirror(&mut self, part: Part, rows: bool) {
        let source = &self.members[usize::from(part.member)].tree;
        let slot = self.layout.slot(part).0 as usize;
        let meta = source.meta(part.dir);
        let above = Part { dir: meta.parent, ..part };
        let parent =
            if self.layout.is_hidden(part) { DirId::NONE } else { self.layout.shown(above) };
        if let Some(place) = self.tree.metas.get_mut(slot) {
            *place = Meta { parent, version: self.version, ..*meta };
        }
        if rows && let Some(place) = self.tree.entries.get_mut(slot) {
            let layout = &self.layout;
            *place = source
                .entries(part.dir)
                .with_children(&mut |dir| layout.shown(Part { dir, ..part }));
        }
    }

    /// The root's own row is that of the first member that knows it.
    fn show_root(&mut self) {
        let known = |tree: &&Tree| !tree.root_row().marks.has(Marks::PLACEHOLDER);
        let mut trees = self.members.iter().map(|member| &member.tree);
        if let Some(tree) = trees.find(known) {
            self.tree.root = tree.root;
        }
    }

    fn member_of(&self, storage: StorageId) -> Option<u16> {
        let at = self.members.iter().position(|member| member.storage == storage)?;
        u16::try_from(at).ok()
    }
}

/// Whether a directory has the same rows in both trees, as the same value.
fn is_same(older: &Tree, newer: &Tree, dir: DirId) -> bool {
    (dir.0 as usize) < older.id_count() && older.entries(dir).same(newer.entries(dir))
}
