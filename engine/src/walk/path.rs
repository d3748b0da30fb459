//! The way through the hooks: arriving, delivered, forwarded, sent, over loopback, looped back.
//!
//! `travel` reads like the diagram that people draw; each function is one stretch of it (semantics.md 1.1).

use super::Machine;
use super::chain::ChainEnd;
use super::options::OTHER_DEVICE;
use super::route::Input;
use crate::fact::Fact;
use crate::field::{Field, Value, device, device_name};
use crate::host::Missing;
use crate::model::{ChainId, ChainKind, Entry, Hook, HookKey};
use crate::packet::{Got, Packet};
use crate::trace::{Cause, Decision, Event, Fate, Step};

/// What a broadcast's second pass does not look at again.
const LOOPBACK: &str = "lo";

/// The priority that a forwarded IPv4 packet gets from its TOS (`ip_tos2prio`).
const TOS_PRIORITY: [u8; 16] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];

impl Machine<'_> {
    /// The whole way.
    pub(super) fn travel(&mut self) -> Fate {
        let end = if self.local { self.send() } else { self.arrive() };
        end.unwrap_or_else(|fate| fate)
    }

    fn arrive(&mut self) -> Result<Fate, Fate> {
        if self.packet.or_zero(Field::PktType) == 3 {
            return Err(stack_drop(None, "the frame's destination MAC address is another host's"));
        }
        let bridged = self.packet.get(Field::PhysIn) != Got::Absent;
        self.ingress(if bridged { Field::PhysIn } else { Field::Iif })?;
        if bridged { self.arrive_at_bridge() } else { self.arrive_at_ip() }
    }

    /// The chains at the ingress of the device in a lane.
    pub(super) fn ingress(&mut self, lane: Field) -> Result<(), Fate> {
        if !self.traits.ingress {
            return Ok(());
        }
        let device = self.field(lane).unwrap_or(0);
        self.netdev(Hook::Ingress, device)
    }

    /// The chains at the egress of the device in a lane.
    pub(super) fn egress(&mut self, lane: Field) -> Result<(), Fate> {
        if !self.traits.egress {
            return Ok(());
        }
        let device = self.field(lane).unwrap_or(0);
        self.netdev(Hook::Egress, device)
    }

    /// Addresses that the IPv6 layer refuses before PREROUTING.
    pub(super) fn refused_by_ip(&self) -> Option<&'static str> {
        let (src, dst) = (self.packet.or_zero(Field::Saddr), self.packet.or_zero(Field::Daddr));
        if self.packet.family() != 10 {
            return None;
        }
        match () {
            () if src == 1 => Some("the source address ::1 came from outside"),
            () if dst == 1 => Some("the destination address ::1 came from outside"),
            () if src >> 120 == 0xff => Some("the source address is a multicast address"),
            () => None,
        }
    }

    /// PREROUTING, the routing decision, and on.
    pub(super) fn arrive_at_ip(&mut self) -> Result<Fate, Fate> {
        if let Some(why) = self.refused_by_ip() {
            return Err(stack_drop(None, why));
        }
        self.run_hook(Hook::Prerouting)?;
        self.enter_vrf()?;
        self.route_and_go()
    }

    /// A packet in by a device of a VRF meets PREROUTING again, in by the VRF, and goes on so (`vrf_ip_rcv`).
    fn enter_vrf(&mut self) -> Result<(), Fate> {
        let iif = self.known(Field::Iif);
        let vrf = match self.world.host.vrf_of(&device_name(iif)) {
            Ok(None) | Err(Missing::Link(_)) => return Ok(()),
            Ok(Some(vrf)) | Err(Missing::Kind(vrf)) if self.is_vrf(&vrf) => vrf,
            _ => return Ok(()),
        };
        let by = Cause::Step(Step::RouteIn);
        self.note(
            Step::RouteIn,
            format!("{} belongs to the VRF {vrf}: PREROUTING again, in by {vrf}", device_name(iif)),
        );
        self.set(Field::Iif, device(&vrf), by);
        self.set(Field::SdifName, iif, by);
        self.run_hook(Hook::Prerouting)
    }

    fn is_vrf(&mut self, dev: &str) -> bool {
        let told = self.world.host.link(dev).is_ok_and(|l| l.kind.is_some());
        told || self.answer(Fact::Other("vrf")) != 0
    }

    /// The routing decision behind PREROUTING.
    pub(super) fn route_and_go(&mut self) -> Result<Fate, Fate> {
        if self.is_source_routed() && !self.accepts_source_routes() {
            return Err(stack_drop(
                Some(Hook::Prerouting),
                "its IP options ask for a route of its own (accept_source_route is off)",
            ));
        }
        match self.route_input() {
            Input::Local => self.deliver(),
            Input::Forward => self.forward(),
            Input::Drop(why) => Err(stack_drop(Some(Hook::Prerouting), why)),
        }
    }

    fn deliver(&mut self) -> Result<Fate, Fate> {
        if self.packet.family() == 2 && self.is_fragment() {
            let why = "it is a fragment for this host, which holds it until the others are there; INPUT sees the whole packet";
            return Err(stack_drop(Some(Hook::Prerouting), why));
        }
        self.decided(Decision::Local);
        self.show_local();
        self.run_hook(Hook::Input)?;
        let iif = self.known(Field::Iif);
        Ok(Fate::Local { iif: if iif == device(OTHER_DEVICE) { 0 } else { iif } })
    }

    fn forward(&mut self) -> Result<Fate, Fate> {
        let refuse = |why: &str| Err(stack_drop(Some(Hook::Prerouting), why));
        if matches!(self.packet.or_zero(Field::PktType), 1 | 2) {
            return refuse("a broadcast frame is not forwarded");
        }
        let ttl = self.packet.or_zero(Field::Ttl);
        if ttl <= 1 {
            return refuse("its TTL is used up");
        }
        self.decided(Decision::Forward { oif: self.way.oif, nexthop: self.way.nexthop });
        self.show_way(Step::RouteIn);
        self.set(Field::Ttl, ttl - 1, Cause::Step(Step::Forward));
        if self.packet.family() == 2 {
            let tos = self.packet.or_zero(Field::Tos) as usize;
            self.set(Field::Priority, TOS_PRIORITY[(tos & 0x1e) >> 1].into(), Cause::Step(Step::Forward));
        }
        self.run_hook(Hook::Forward)?;
        self.leave(false)
    }

    /// POSTROUTING and out; out of a bridge by one of its ports.
    pub(super) fn leave(&mut self, also_local: bool) -> Result<Fate, Fate> {
        self.run_hook(Hook::Postrouting)?;
        self.leave_by_device(also_local)
    }

    /// Out, behind POSTROUTING.
    fn leave_by_device(&mut self, also_local: bool) -> Result<Fate, Fate> {
        self.address_frame();
        self.egress(Field::Oif)?;
        self.leave_by_port()?;
        Ok(self.out(also_local))
    }

    /// Out by the device that it was routed to, or bridged over.
    pub(super) fn out(&mut self, also_local: bool) -> Fate {
        let oif = Some(self.known(Field::Oif)).filter(|o| *o != 0 && *o != device(OTHER_DEVICE));
        Fate::Out { oif, also_local }
    }

    /// A packet of this host.
    fn send(&mut self) -> Result<Fate, Fate> {
        self.route_output().map_err(|(errno, why)| Fate::SendError { errno, why })?;
        self.decided(Decision::Output { oif: self.way.oif, nexthop: self.way.nexthop });
        self.show_way(Step::RouteOut);
        self.run_hook(Hook::Output)?;
        // NAT and mangle route again inside OUTPUT; the device shows only from here on.
        self.show_way(Step::Reroute);
        if self.way.local {
            return self.loop_over_lo();
        }
        if self.way.loops_back {
            return self.send_and_loop_back();
        }
        self.leave(false)
    }

    /// To an address of our own: out by `lo` and in again, the same packet with its mark and connection.
    fn loop_over_lo(&mut self) -> Result<Fate, Fate> {
        self.run_hook(Hook::Postrouting)?;
        self.egress(Field::Oif)?;
        self.note(Step::Loopback, "out by lo, and in again");
        self.enter_by(device(LOOPBACK), 0);
        self.ingress(Field::Iif)?;
        self.run_hook(Hook::Prerouting)?;
        self.deliver()
    }

    /// A broadcast, or a multicast to a group of our own: a copy comes in again by the same device, then the original
    /// leaves, whatever became of the copy. IPv6 makes the copy behind the original's POSTROUTING (`ip6_finish_output2`).
    fn send_and_loop_back(&mut self) -> Result<Fate, Fate> {
        let six = self.packet.family() == 10;
        if six {
            self.run_hook(Hook::Postrouting)?;
        }
        let original = self.packet.clone();
        let copy = self.copy_comes_in();
        self.events.push(Event::Fate(copy.clone().unwrap_or_else(|f| f)));
        self.note(Step::LoopedCopy, "the original goes on");
        self.restore(&original);
        self.show_connection(Cause::Step(Step::LoopedCopy));
        if self.way.oif == Some(device(LOOPBACK)) || self.stays_on_host() {
            return copy;
        }
        if six { self.leave_by_device(copy.is_ok()) } else { self.leave(copy.is_ok()) }
    }

    /// The copy passes POSTROUTING by itself too, and belongs to no socket.
    fn copy_comes_in(&mut self) -> Result<Fate, Fate> {
        self.leave_socket(Cause::Step(Step::LoopedCopy));
        self.run_hook(Hook::Postrouting)?;
        self.note(Step::LoopedCopy, "a copy comes in again");
        let kind = if self.is_multicast() { 2 } else { 1 };
        self.enter_by(self.packet.or_zero(Field::Oif), kind);
        self.set(Field::Looped, 1, Cause::Step(Step::LoopedCopy));
        self.ingress(Field::Iif)?;
        self.run_hook(Hook::Prerouting)?;
        self.deliver()
    }

    /// A multicast that only this host hears: without a hop to go, or of IPv6's interface-local scope.
    fn stays_on_host(&self) -> bool {
        let own_scope = self.packet.family() == 10 && self.packet.or_zero(Field::Daddr) >> 112 & 0xf <= 1;
        self.is_multicast() && (own_scope || self.packet.or_zero(Field::Ttl) == 0)
    }

    fn is_multicast(&self) -> bool {
        let dst = self.packet.or_zero(Field::Daddr);
        if self.packet.family() == 10 { dst >> 120 == 0xff } else { dst >> 28 == 0xe }
    }

    /// The packet comes in by a device after it left.
    fn enter_by(&mut self, iif: Value, pkttype: Value) {
        let by = Cause::Step(Step::Loopback);
        self.set(Field::Iif, iif, by);
        self.set(Field::Oif, 0, by);
        self.set(Field::PktType, pkttype, by);
        self.leave_socket(by);
    }

    fn leave_socket(&mut self, by: Cause) {
        for gone in [Field::SkUid, Field::SkGid, Field::SkExists, Field::Cgroup] {
            self.write(gone, Got::Absent, by);
        }
        // A lookup would be made for the receiver now.
        for open in [Field::SockTransparent, Field::SockMark] {
            self.write(open, Got::Unknown, by);
        }
    }

    /// Back to an earlier state of the packet: the next copy.
    pub(super) fn restore(&mut self, to: &Packet) {
        let now = self.packet.clone();
        for (field, _, new) in now.changes(to).collect::<Vec<_>>() {
            self.write(field, new, Cause::Step(Step::LoopedCopy));
        }
    }

    /// Runs a hook: base chains and built-in steps in order.
    pub(super) fn run_hook(&mut self, hook: Hook) -> Result<(), Fate> {
        self.hook = hook;
        self.events.push(Event::Hook(hook));
        let plan = self.world.model.plan(self.key(hook, 0));
        for entry in &plan.entries {
            match entry {
                Entry::Chain(chain) => self.base_chain(*chain)?,
                Entry::Defrag => self.defragment()?,
                Entry::Conntrack => self.track(),
                Entry::Nat => self.nat_slot(&plan.nat)?,
                Entry::Confirm => self.confirm(),
                Entry::Netfilter => {}
            }
        }
        self.events.push(Event::HookEnd(hook));
        Ok(())
    }

    pub(super) fn key(&mut self, hook: Hook, device: Value) -> HookKey {
        HookKey {
            hook,
            family: self.packet.family(),
            device,
            nft_later: self.traits.mixed && self.answer(Fact::MixedOrder) != 0,
            bridge: false,
        }
    }

    /// The chains of a device.
    fn netdev(&mut self, hook: Hook, device: Value) -> Result<(), Fate> {
        let plan = self.world.model.plan(self.key(hook, device));
        if plan.entries.is_empty() {
            return Ok(());
        }
        self.hook = hook;
        self.events.push(Event::Hook(hook));
        let by = Cause::Step(Step::Start);
        let above = [Field::Iif, Field::Oif, Field::PktType].map(|f| (f, self.packet.get(f)));
        if hook == Hook::Ingress {
            self.set(Field::Iif, device, by);
            self.write(Field::PktType, self.pkttype_at_port(device), by);
        } else {
            self.set(Field::Iif, 0, by);
            self.set(Field::Oif, device, by);
        }
        for entry in &plan.entries {
            if let Entry::Chain(chain) = entry {
                self.base_chain(*chain)?;
            }
        }
        self.events.push(Event::HookEnd(hook));
        for (field, value) in above {
            self.write(field, value, by);
        }
        Ok(())
    }

    /// A filter or route chain; a route chain of OUTPUT that changed the packet makes it routed again.
    pub(super) fn base_chain(&mut self, chain: ChainId) -> Result<(), Fate> {
        let routes = || self.world.model.chain(chain).base.as_ref().is_some_and(|b| b.kind == ChainKind::Route);
        let marks = |packet: &Packet| [Field::Saddr, Field::Daddr, Field::Mark, Field::Tos].map(|f| packet.get(f));
        let before = (self.hook == Hook::Output && routes()).then(|| marks(&self.packet));
        if let ChainEnd::End(fate) = self.run_base(chain) {
            return Err(fate);
        }
        match before {
            Some(before) if before != marks(&self.packet) => self.reroute(),
            _ => Ok(()),
        }
    }

    fn nat_slot(&mut self, chains: &[ChainId]) -> Result<(), Fate> {
        let before = self.packet.get(Field::Daddr);
        if let Some(fate) = self.nat_core(chains) {
            return Err(fate);
        }
        let changed = before != self.packet.get(Field::Daddr);
        if self.hook == Hook::Output && self.local && (changed || self.destination_translated()) {
            self.reroute()?;
        }
        Ok(())
    }

    /// Routing again inside OUTPUT (`ip_route_me_harder`); the packet keeps showing its old device in this hook.
    fn reroute(&mut self) -> Result<(), Fate> {
        let before = self.way.clone();
        match self.route_output() {
            Ok(()) => {
                if before.oif != self.way.oif {
                    self.decided(Decision::Output { oif: self.way.oif, nexthop: self.way.nexthop });
                }
                self.show_route(Step::Reroute);
                Ok(())
            }
            Err((errno, why)) => {
                Err(Fate::DropInHook { hook: self.hook, why: format!("routing again fails with {errno}: {why}") })
            }
        }
    }

    /// Whether the IPv4 options hold a source route, loose (131) or strict (137).
    fn is_source_routed(&self) -> bool {
        let mut rest = self.packet.bytes.ip_options.as_slice();
        while let [kind, tail @ ..] = rest {
            match (kind, tail) {
                (131 | 137, _) => return true,
                (0, _) => return false,
                (1, _) => rest = tail,
                (_, [length, ..]) if *length >= 2 => rest = rest.get(usize::from(*length)..).unwrap_or_default(),
                _ => return false,
            }
        }
        false
    }

    fn accepts_source_routes(&mut self) -> bool {
        let mut assumed = Vec::new();
        let accepts = self.world.host.accepts_source_routes(&device_name(self.known(Field::Iif)), &mut assumed);
        self.note_assumed(assumed);
        accepts
    }
}

/// A drop by the stack.
pub(super) fn stack_drop(after: Option<Hook>, why: impl Into<String>) -> Fate {
    Fate::StackDrop { after, why: why.into() }
}
