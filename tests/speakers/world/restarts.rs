//! Daemons that end and start again, with and without their kernel.

use podbgpd::drain::Drained;
use podbgpd::intent::Intent;
use podbgpd::snapshot::{Identity, Moment, Snapshot};
use podbgpd::speaker::Past;

use super::{Parcel, World};

impl World {
    /// Ends a daemon without a word. Its kernel forwards on. Returns what the daemon wrote down before.
    pub(crate) fn end(&mut self, number: u8) -> Snapshot {
        let node = self.nodes.remove(&number).expect("the node is there");
        let speaker = &node.speaker;
        let taken = Moment { boot: [7; 16], uptime: self.now - self.epoch };
        let installed = node.kernel.routes.len() as u64;
        let mut stock = speaker.begin_stocktaking(Identity::of(speaker.intent()), taken, installed);
        while !speaker.take_stock(&mut stock, 3) {}
        self.cut(number);
        self.on_its_way.retain(|_, (to, _)| *to != number);
        self.ended.insert(number, (node.kernel, node.speaker.intent().clone()));
        stock.into_snapshot()
    }

    /// Starts a daemon again, with what it remembers and another intent.
    pub(crate) fn start_again(
        &mut self,
        number: u8,
        snapshot: Option<Snapshot>,
        edit: impl FnOnce(&mut Intent),
    ) {
        self.start_again_drained(number, snapshot, Drained::default(), edit);
    }

    /// As [`World::start_again`], where an operator has drained somebody before.
    pub(crate) fn start_again_drained(
        &mut self,
        number: u8,
        snapshot: Option<Snapshot>,
        drained: Drained,
        edit: impl FnOnce(&mut Intent),
    ) {
        let (mut kernel, mut intent) = self.ended.remove(&number).expect("the daemon has ended");
        edit(&mut intent);
        kernel.claimed.clear();
        kernel.changes = 0;
        kernel.converged_at = None;
        let past = Past { adopted: kernel.routes.len(), snapshot, drained, away: None };
        self.start(number, past, intent, kernel);
    }

    /// Takes everything out of the kernel of a node whose daemon has ended.
    pub(crate) fn forget(&mut self, number: u8) {
        let (kernel, _) = self.ended.get_mut(&number).expect("the daemon has ended");
        kernel.routes.clear();
    }

    /// Breaks all connections of a node.
    pub(crate) fn cut(&mut self, number: u8) {
        let broken: Vec<_> =
            self.wires.iter().filter(|(from, _)| from.0 == number).map(|(&a, &b)| (a, b)).collect();
        for (ours, theirs) in broken {
            for (number, key) in [ours, theirs] {
                self.wires.remove(&(number, key));
                self.send(number, Parcel::Closed(key));
            }
        }
    }
}
