//! A reading of a whole directory: evidence of its rows, and when it is complete, of what it lacks.

use std::cmp::Ordering;

use crate::block::Block;
use crate::entry::{Marks, Row};
use crate::event::{Listing, Refusal, Verdict};
use crate::id::DirId;
use crate::key::{Key, Tier};
use crate::path::ViewPath;
use crate::rules::Rule;
use crate::time::Stamp;
use crate::tree::{Delta, Entries, EntriesBuilder};

use super::reach::{Old, Site};
use super::rule::{Known, Ruling};
use super::upsert::Evidence;
use super::{Arbiter, BlindDeletion, Hearing};

/// How a listing judges.
#[derive(Clone, Copy)]
struct Judgement {
    /// The key of its rows.
    seen: Key,
    /// The key of what it lacks; `None` when it proves nothing.
    proof: Option<Key>,
    /// When it began.
    stamp: Stamp,
    /// Whether the directory had been listed completely before.
    was_listed: bool,
}

/// What became of the rows of a directory.
struct Merged {
    entries: Entries,
    delta: Delta,
    /// Directories that outlive the listing that lacks them.
    outlived: Vec<DirId>,
    gone: Vec<Gone>,
}

struct Gone {
    name: Vec<u8>,
    files: u64,
    dirs: u64,
}

/// A row of the tree, of the listing, or of both.
enum Pair<'a> {
    Kept(Row<'a>),
    New(Row<'a>),
    Both(Row<'a>, Row<'a>),
}

impl Arbiter {
    /// Takes in a listing. One verdict for the directory, one for each row.
    pub(crate) fn listing(&mut self, hearing: &mut Hearing<'_>, listing: &Listing) -> Verdict {
        if !is_ascending(&listing.blocks) {
            return Verdict::Refused(Refusal::Malformed);
        }
        let seen = hearing.present(listing.stamp, Tier::Scan);
        let site = match self.arrive(hearing, listing, seen) {
            Ok(site) => site,
            Err(verdict) => {
                if verdict == Verdict::Buried {
                    self.doubt_lost_listing(hearing, &listing.dir, seen);
                }
                return verdict;
            }
        };
        let stamp = hearing.stamp(listing.stamp);
        let mut judgement = Judgement {
            seen,
            proof: None,
            stamp,
            was_listed: !self.writer.meta(site.dir).listed.is_none(),
        };
        let mut held = false;
        let judges =
            stamp >= self.writer.meta(site.dir).verified || self.holds(Rule::OldListingsJudge);
        let complete = listing.complete || !self.holds(Rule::OnlyCompleteListingsJudge);
        if complete && judges {
            let proof = hearing.proof(listing.stamp);
            let horizon = self.holds(Rule::ProofHasAHorizon);
            if horizon && self.is_beyond_horizon(hearing, site.dir, proof) {
                hearing.ask_listing(listing.dir.clone(), false);
            } else if self.is_guarded(site.dir) {
                let removed = self.count_removals(&site, &listing.blocks, proof);
                held = !self.may_remove(hearing, site.dir, stamp, removed);
                judgement.proof = (!held).then_some(proof);
            } else {
                judgement.proof = Some(proof);
            }
        }
        if judgement.proof.is_some() {
            self.contested.decide(site.dir, stamp);
        }
        self.merge_listing(hearing, &site, listing, judgement);
        if let Some(proof) = judgement.proof {
            self.seal(site.dir, proof, stamp);
        }
        if self.suspects.has_doubts() {
            self.judge_doubt(site.dir, stamp);
        }
        if held { Verdict::Queued } else { Verdict::Applied }
    }

    /// Takes in the evidence of the directory itself and enters it.
    fn arrive(
        &mut self,
        hearing: &mut Hearing<'_>,
        listing: &Listing,
        seen: Key,
    ) -> Result<Site, Verdict> {
        let verdict = self.upsert(hearing, &listing.dir, seen, &listing.facts);
        match verdict {
            Verdict::Applied | Verdict::Stale => {}
            Verdict::Buried | Verdict::Queued | Verdict::Refused(_) => return Err(verdict),
        }
        let Some((parent, name)) = listing.dir.split_prefix() else {
            self.writer.settle();
            return Ok(self.root_site());
        };
        let site = self.reach(hearing, parent, seen)?;
        let (known, old) = self.known(&site, name);
        match (known, old) {
            (Known::Dir { own, facts, floor, .. }, Some(old)) if seen > floor => {
                let other = facts.inode != listing.facts.inode
                    && self.holds(Rule::ReplacedDirectoriesAreToldApart);
                if own > seen && !facts.is_hearsay() && other {
                    // Another directory has taken the name since, or this is a reading that may be older than that: then
                    // another one would be none the wiser at once.
                    if own.stamp() < seen.stamp().plus(hearing.window_ns) {
                        self.contest(hearing, old.child, own);
                    } else {
                        hearing.ask_listing(listing.dir.clone(), false);
                    }
                    return Err(Verdict::Stale);
                }
                Ok(self.enter(&site, old.child))
            }
            (Known::Dir { .. } | Known::Leaf { .. } | Known::Nothing { .. }, _) => {
                Err(Verdict::Buried)
            }
        }
    }

    /// The newest complete listing of a directory is this one or a newer one: pay what it owed and was awaited for.
    fn seal(&mut self, dir: DirId, proof: Key, stamp: Stamp) {
        let meta = self.writer.meta_mut(dir);
        meta.listed = meta.listed.max(proof);
        meta.verified = meta.verified.max(stamp);
        meta.flags.set(crate::tree::Flags::UNREADABLE, false);
        self.tombstones.forget_covered(dir, proof);
        if let Some((reason, since)) = self.uncovered.get(&dir).copied()
            && since < stamp
            && reason != crate::event::UncoveredReason::WatchLimit
        {
            self.forget_uncovered(dir);
        }
        self.pay(dir, stamp);
    }

    fn merge_listing(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        listing: &Listing,
        judgement: Judgement,
    ) {
        let mut merged = match self.adopt(hearing, site, &listing.blocks, judgement) {
            Some(merged) => merged,
            None => self.merge_rows(hearing, site, &listing.blocks, judgement),
        };
        let dir = site.dir;
        if judgement.proof.is_some() && self.writer.meta(dir).awaits_listing() {
            // It is sealed next; counted here, the way up to the root is walked once.
            merged.delta.unlisted -= 1;
        }
        *self.writer.entries_mut(dir) = merged.entries;
        if merged.delta.is_zero() {
            self.writer.raise_presence(dir, judgement.seen);
        } else {
            self.writer.shift(dir, &merged.delta, judgement.seen);
        }
        let outlived = !merged.outlived.is_empty() && self.holds(Rule::SurvivorsKeepTheProof);
        if let Some(proof) = judgement.proof.filter(|_| outlived) {
            self.leave_trail();
            for child in merged.outlived {
                self.raise_floor(child, proof, site.moved);
                self.prune(child, proof, site.moved, proof.stamp());
            }
        }
        if judgement.was_listed && !merged.gone.is_empty() {
            self.log_blind_deletions(&listing.dir, hearing.stamp(listing.stamp), merged.gone);
        }
    }

    fn log_blind_deletions(&mut self, dir: &ViewPath, at: Stamp, gone: Vec<Gone>) {
        for Gone { name, files, dirs } in gone {
            let deletion = BlindDeletion { path: dir.join(&name), at, files, dirs };
            self.blind.push(deletion, self.config.max_blind_deletions);
        }
    }

    /// Takes over the blocks as they are where that gives what judging row by row would give: an empty directory that
    /// was never listed, or rows that all repeat what is known and are newer.
    fn adopt(
        &mut self,
        hearing: &Hearing<'_>,
        site: &Site,
        blocks: &[Block],
        judgement: Judgement,
    ) -> Option<Merged> {
        if self.tombstones.any_in(site.dir)
            || self.has_ghosts(site.dir)
            || self.config.max_nodes > 0
        {
            return None;
        }
        let entries = self.writer.entries(site.dir).clone();
        if entries.is_empty() && !judgement.was_listed {
            return self.adopt_first(hearing, site, blocks, judgement);
        }
        let repeats = entries.len() == blocks.iter().map(Block::len).sum::<usize>()
            && (self.writer.meta(site.dir).presence <= judgement.seen
                || !self.holds(Rule::AdoptionNeedsNothingNewer))
            && site.moved <= judgement.seen
            && entries.blocks().count() == blocks.len()
            && entries
                .blocks()
                .zip(blocks)
                .all(|(old, new)| old.same_facts(new) && !has_marks(old));
        repeats.then(|| self.adopt_again(hearing, &entries, blocks, judgement.seen))
    }

    fn adopt_first(
        &mut self,
        hearing: &Hearing<'_>,
        site: &Site,
        blocks: &[Block],
        Judgement { seen, stamp, .. }: Judgement,
    ) -> Option<Merged> {
        let mut delta = Delta::default();
        let mut last_change = Stamp::MIN;
        for row in blocks.iter().flat_map(Block::rows) {
            if self.is_hot(seen, &row.facts) {
                return None;
            }
            last_change = last_change.max(Stamp(row.facts.mtime.0.max(row.facts.ctime.0)));
            delta.add_row(&row);
            delta.unlisted += i32::from(row.facts.kind.is_dir());
        }
        delta.at = last_change.min(stamp);
        let own_name = self.writer.entries(site.dir).own_name().to_vec();
        let mut found = |name: &[u8]| self.found_dir(site, name, seen, Key::NONE);
        let adopted = blocks
            .iter()
            .map(|block| block.adopt(&own_name, seen, hearing.storage, &mut found))
            .collect();
        Some(Merged {
            entries: Entries::of_blocks(&own_name, adopted),
            delta,
            outlived: Vec::new(),
            gone: Vec::new(),
        })
    }

    fn adopt_again(
        &mut self,
        hearing: &Hearing<'_>,
        entries: &Entries,
        blocks: &[Block],
        seen: Key,
    ) -> Merged {
        let children: Vec<DirId> = entries.blocks().flat_map(Block::children).collect();
        for child in &children {
            let meta = self.writer.meta_mut(*child);
            meta.presence = meta.presence.max(seen);
        }
        let mut next = children.into_iter();
        let mut same = |_: &[u8]| next.next().unwrap_or(DirId::NONE);
        let own_name = entries.own_name();
        let adopted = blocks
            .iter()
            .map(|block| block.adopt(own_name, seen, hearing.storage, &mut same))
            .collect();
        Merged {
            entries: Entries::of_blocks(own_name, adopted),
            delta: Delta::default(),
            outlived: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Judges row by row.
    fn merge_rows(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        blocks: &[Block],
        judgement: Judgement,
    ) -> Merged {
        let old = self.writer.entries(site.dir).clone();
        let rows = blocks.iter().map(Block::len).sum::<usize>().max(old.len());
        let mut kept = EntriesBuilder::new(old.own_name(), rows);
        let (mut delta, mut outlived, mut gone) = (Delta::default(), Vec::new(), Vec::new());
        for pair in pairs(&old, blocks) {
            match pair {
                Pair::Kept(row) => {
                    if self.is_lacking(site, &row, judgement.proof) {
                        gone.push(self.drop_row(site, &row, judgement, &mut delta));
                    } else {
                        if row.child != DirId::NONE && judgement.proof.is_some() {
                            outlived.push(row.child);
                        }
                        self.doubt_survivor(hearing, site, &row, judgement);
                        kept.push(self.outliving(site, row, judgement.proof, &mut delta));
                    }
                }
                Pair::New(row) => {
                    if let Some(row) =
                        self.merge_row(hearing, site, None, &row, judgement, &mut delta)
                    {
                        kept.push(row);
                    }
                }
                Pair::Both(before, row) => {
                    let now =
                        self.merge_row(hearing, site, Some(&before), &row, judgement, &mut delta);
                    kept.push(now.unwrap_or(before));
                }
            }
        }
        Merged { entries: kept.finish(), delta, outlived, gone }
    }

    /// Judges one row of the listing; gives the row to write, if one is to be written.
    fn merge_row<'a>(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        before: Option<&Row<'_>>,
        row: &Row<'a>,
        judgement: Judgement,
        delta: &mut Delta,
    ) -> Option<Row<'a>> {
        let known = match before {
            Some(before) => self.known_row(site, before),
            None => Known::Nothing { absence: self.absence_of_missing(site, row.name) },
        };
        let old = before.map(Old::of);
        let ruling = self.ruling(&known, old.as_ref(), judgement.seen, &row.facts);
        let refused = ruling == Ruling::Insert && self.would_be_full(delta);
        let verdict = match ruling {
            Ruling::Stale => Verdict::Stale,
            Ruling::Buried => Verdict::Buried,
            Ruling::Insert if refused => Verdict::Refused(Refusal::Full),
            Ruling::Insert
            | Ruling::Refresh
            | Ruling::BecomeDir
            | Ruling::BecomeLeaf
            | Ruling::Undermine { .. } => Verdict::Applied,
        };
        hearing.count(verdict);
        if refused {
            return None;
        }
        if ruling == Ruling::Buried {
            self.follow(hearing, site.dir, &[row.name], judgement.seen);
        }
        if ruling == Ruling::Buried || ruling == Ruling::Stale {
            self.doubt_loser(hearing, site.dir, &known, judgement.seen, &row.facts);
        }
        let facts = row.facts;
        let evidence = Evidence { name: row.name, key: judgement.seen, facts: &facts };
        let enacted = self.enact(
            hearing,
            site,
            &evidence,
            &known,
            old.as_ref(),
            ruling,
            judgement.was_listed,
        );
        delta.absorb(&enacted.delta);
        enacted.row
    }

    fn would_be_full(&mut self, delta: &Delta) -> bool {
        if self.config.max_nodes == 0 {
            return false;
        }
        let held = (self.writer.node_count() + 1).saturating_add_signed(delta.files + delta.dirs);
        let full = held >= self.config.max_nodes;
        self.truncated |= full;
        full
    }

    /// Whether a complete listing that lacks this row removes it.
    fn is_lacking(&self, site: &Site, row: &Row<'_>, proof: Option<Key>) -> bool {
        proof.is_some_and(|proof| self.presence_in(site, row) <= proof)
    }

    /// The greatest key of evidence of a row, or of anything below it.
    fn presence_in(&self, site: &Site, row: &Row<'_>) -> Key {
        match self.known_row(site, row) {
            Known::Dir { presence, .. } => presence,
            Known::Leaf { own, .. } => own,
            Known::Nothing { .. } => Key::NONE,
        }
    }

    /// A row that a complete listing lacks stays, because it was seen after the proof time. If that was before the
    /// listing began, another one decides.
    fn doubt_survivor(
        &mut self,
        hearing: &mut Hearing<'_>,
        site: &Site,
        row: &Row<'_>,
        judgement: Judgement,
    ) {
        let presence = self.presence_in(site, row);
        if judgement.proof.is_some()
            && presence.stamp() < judgement.stamp
            && self.holds(Rule::DoubtIsAskedAbout)
        {
            self.contest(hearing, site.dir, presence);
        }
    }

    /// The row of a directory that outlives a listing only by what is newer below it: its own facts go.
    fn outliving<'a>(
        &mut self,
        site: &Site,
        row: Row<'a>,
        proof: Option<Key>,
        delta: &mut Delta,
    ) -> Row<'a> {
        match (self.known_row(site, &row), proof) {
            (Known::Dir { own, .. }, Some(proof))
                if !own.is_none() && own <= proof && self.holds(Rule::OvertakenFactsGo) =>
            {
                let bare = self.bared(&Old::of(&row)).named(row.name);
                delta.take_row(&row);
                delta.add_row(&bare);
                bare
            }
            (Known::Dir { .. } | Known::Leaf { .. } | Known::Nothing { .. }, _) => row,
        }
    }

    fn drop_row(
        &mut self,
        site: &Site,
        row: &Row<'_>,
        judgement: Judgement,
        delta: &mut Delta,
    ) -> Gone {
        let mut gone = Gone { name: row.name.to_vec(), files: 1, dirs: 0 };
        if row.child != DirId::NONE {
            let totals = &self.writer.meta(row.child).totals;
            (gone.files, gone.dirs) = (totals.files, totals.dirs + 1);
            delta.absorb(&self.cut(row.child, judgement.proof.unwrap_or(Key::NONE)));
        }
        self.suspects.clear(site.dir, row.name);
        delta.take_row(row);
        delta.at = delta.at.max(judgement.seen.stamp());
        gone
    }

    /// How many descendants a complete listing would remove.
    fn count_removals(&self, site: &Site, blocks: &[Block], proof: Key) -> u64 {
        let entries = self.writer.entries(site.dir);
        let lost = |pair| match pair {
            Pair::Kept(row) if self.is_lacking(site, &row, Some(proof)) => {
                let below = if row.child == DirId::NONE {
                    None
                } else {
                    Some(&self.writer.meta(row.child).totals)
                };
                1 + below.map_or(0, |totals| totals.files + totals.dirs)
            }
            Pair::Kept(_) | Pair::New(_) | Pair::Both(..) => 0,
        };
        pairs(entries, blocks).map(lost).sum()
    }

    /// A directory that is suspect as a whole rests when a listing found nothing changed since long enough.
    fn judge_doubt(&mut self, dir: DirId, stamp: Stamp) {
        if let Some(doubt) = self.suspects.get(dir, b"") {
            let changed = self.writer.meta(dir).totals.last_change;
            let rested_since = doubt.since.max(changed);
            if stamp.since(rested_since) >= self.config.hot_threshold_ns {
                self.suspects.clear(dir, b"");
            }
        }
        self.mark_doubt(dir, stamp);
    }
}

fn has_marks(block: &Block) -> bool {
    block.rows().any(|row| row.marks != Marks::NONE)
}

/// Whether the names ascend from block to block; within a block they do by construction.
fn is_ascending(blocks: &[Block]) -> bool {
    let ends = blocks.windows(2).all(|pair| {
        let [left, right] = pair else { return true };
        !left.is_empty() && !right.is_empty() && left.name(left.len() - 1) < right.name(0)
    });
    ends && (blocks.len() < 2 || blocks.iter().all(|block| !block.is_empty()))
}

/// The rows of a directory and of a listing side by side, in name order.
fn pairs<'a>(old: &'a Entries, blocks: &'a [Block]) -> impl Iterator<Item = Pair<'a>> {
    let mut old = old.rows().peekable();
    let mut new = blocks.iter().flat_map(Block::rows).peekable();
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.name.cmp(b.name),
        };
        match order {
            Ordering::Less => old.next().map(Pair::Kept),
            Ordering::Greater => new.next().map(Pair::New),
            Ordering::Equal => old.next().zip(new.next()).map(|(a, b)| Pair::Both(a, b)),
        }
    })
}
