//! Telling a peer of several paths of a prefix (RFC 7911).
//!
//! Every path that is accepted and reachable may go out, whatever step of the decision it lost; which of them are
//! the best is found by deciding again without those already chosen.

use bgp::{Family, Nlri, PathAttributes};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::Rib;
use super::pull::Memo;
use super::tell::Telling;
use crate::adj_rib_out::add_path::{PathKey, Told, identify};
use crate::decision::decide;
use crate::export::{Withheld, export};
use crate::path::{Path, Slot, Standing};
use crate::pool::AttrId;
use crate::update_group::{ExportView, Group};

impl Rib {
    /// Compares the paths of a destination a peer should know with those it was told of. It is a group by itself.
    pub(super) fn tell_paths(&mut self, group: &mut Group, id: u32, telling: &mut Telling) {
        let Some(&slot) = group.members.first() else { return };
        let wanted = self.wanted_paths(group, slot, id, &mut telling.memo);
        let prefix = self.destinations[id].prefix;
        let family = Family::of(&prefix);
        let now = identify(group.out.add_path.told(id), &wanted);
        let before = group.out.add_path.record(id, now.clone());
        let nlri = |told: &Told| Nlri { prefix, path_id: told.path_id };
        let grouping = telling.part(&[]);
        for gone in before.iter().filter(|gone| now.iter().all(|told| told.path_id != gone.path_id)) {
            grouping.withdraw(family, nlri(gone));
        }
        for told in &now {
            let same = |before: &Told| (before.path_id, before.attributes) == (told.path_id, told.attributes);
            if !before.iter().any(same) {
                grouping.announce(&self.pool, told.attributes, family, nlri(told));
            }
        }
        before.iter().for_each(|told| self.pool.release(told.attributes));
        let advertised = &mut group.advertised[family as usize];
        *advertised = *advertised + now.len() as u32 - before.len() as u32;
        self.monitors.note(id);
    }

    /// Returns the best paths export lets out to a peer, as many as it may be told of, each with a count for the
    /// caller.
    fn wanted_paths(
        &mut self,
        group: &Group,
        slot: Slot,
        id: u32,
        memo: &mut Memo,
    ) -> SmallVec<[(PathKey, AttrId); 4]> {
        let mut wanted = SmallVec::new();
        let most = group.view.most_sent;
        let mut left = self.eligible(slot, id);
        while wanted.len() < most && !left.is_empty() {
            // Where all that are left have room, nobody asks which is better.
            let next = if left.len() <= most - wanted.len() { 0 } else { self.best_of(&left) };
            let path = left.remove(next);
            let exported = self.exported(group, id, &path, memo);
            wanted.extend(exported.map(|exported| (PathKey::of(&path), exported)));
        }
        wanted
    }

    /// Returns the paths that may be told to a peer as far as the decision goes: none of its own.
    fn eligible(&self, slot: Slot, id: u32) -> SmallVec<[Path; 8]> {
        let usable = |path: &&Path| match path.standing() {
            Standing::Best | Standing::Multipath | Standing::Lost(_) => path.source != slot,
            Standing::Undecided | Standing::Unreachable | Standing::Rejected(_) => false,
        };
        self.destinations[id].paths.iter().filter(usable).copied().collect()
    }

    /// Returns the place of the best of some paths.
    pub(super) fn best_of(&self, paths: &[Path]) -> usize {
        let candidates: SmallVec<[_; 8]> = paths.iter().map(|path| self.candidate(path)).collect();
        let standings = decide(&candidates, self.rules());
        standings.iter().position(|&standing| standing == Standing::Best).unwrap_or(0)
    }

    /// Works out whether a peer that takes several paths should know any of a prefix, and what of the first.
    pub(super) fn export_any_afresh(
        &self,
        slot: Slot,
        view: &ExportView,
        prefix: &IpNet,
    ) -> Result<PathAttributes, Withheld> {
        let id = self.destinations.find(prefix).ok_or(Withheld::NoBestPath)?;
        let best = self.destinations[id].best().ok_or(Withheld::NoBestPath)?;
        let mut paths = self.eligible(slot, id);
        paths.sort_by_key(Path::standing);
        let mut withheld = (best.source == slot).then_some(Withheld::OwnPath);
        for path in &paths {
            match export(view, self.outgoing(id, path)) {
                Ok(attributes) => return Ok(attributes),
                Err(reason) => withheld = withheld.or(Some(reason)),
            }
        }
        Err(withheld.unwrap_or(Withheld::NoBestPath))
    }
}
