//! A frame that came in by a bridge port: to this host or bridged on, through the bridge's own hooks and, by br_netfilter,
//! the IP layer's; and what this host sends out of a bridge.
//!
//! Left out: VLAN filtering, flooding (a flooded frame takes one unknown port here), frames that are not IP.

use super::Machine;
use super::path::stack_drop;
use super::route::Input;
use crate::fact::Fact;
use crate::field::{Field, Value, device, device_name, to_address};
use crate::host::{Family, Mac, PortLookup};
use crate::model::{Entry, Hook, HookKey};
use crate::packet::Got;
use crate::trace::{Cause, Decision, Event, Fate, Step};

/// Where the bridge sends a frame.
#[derive(Clone, Copy)]
enum Port {
    /// To the host above the bridge.
    Host,
    /// By this port, if it is known.
    Out(Option<Value>),
    /// Nowhere.
    Nowhere,
}

impl Machine<'_> {
    /// The way of a frame that came in by a bridge port.
    pub(super) fn arrive_at_bridge(&mut self) -> Result<Fate, Fate> {
        self.frame = Some(self.pkttype_at_bridge(self.known(Field::PhysIn)));
        let family = if self.packet.family() == 10 { Family::V6 } else { Family::V4 };
        let mut assumed = Vec::new();
        let filtered = self.world.host.bridge_nf_call(family, &mut assumed);
        self.note_assumed(assumed);
        if self.packet.value(Field::EtherDaddr).is_some_and(|m| m >> 40 & 1 == 1) {
            return self.group_frame(filtered);
        }
        let port = self.frame_port();
        self.bridge_with_hooks(port, filtered)
    }

    /// A frame to all or to a group: a copy by every other port, the last port first, and one for the host.
    fn group_frame(&mut self, filtered: bool) -> Result<Fate, Fate> {
        self.bridge_hook(Hook::Prerouting, filtered)?;
        // Without br_netfilter and chains of the bridge, what becomes of the copies is of no interest.
        if !filtered && !self.traits.bridge {
            return self.up_from_bridge(filtered);
        }
        let bridge = device_name(self.packet.or_zero(Field::Iif));
        let from = self.packet.or_zero(Field::PhysIn);
        let ports = self.world.host.bridge_ports(&bridge).unwrap_or_default();
        let taken = ports.iter().rev().filter(|p| device(&p.dev) != from || p.hairpin == Some(true));
        let original = self.packet.clone();
        let mut last = None;
        for port in taken {
            // What becomes of a copy does not matter to the others.
            let copy = self.bridge_on(Port::Out(Some(device(&port.dev))), filtered).unwrap_or_else(|f| f);
            self.events.push(Event::Fate(copy.clone()));
            last = Some(copy);
            self.restore(&original);
        }
        // A group that the host is not in is the ports' alone.
        match (self.up_from_bridge(filtered), last) {
            (Err(Fate::StackDrop { .. }), Some(copy)) => Ok(copy),
            (own, _) => own,
        }
    }

    /// Up to the host: the bridge's INPUT, the ingress of the bridge as a device, and the IP layer; br_netfilter ran PREROUTING
    /// in front of it, so that it looks at the addresses only now.
    fn up_from_bridge(&mut self, filtered: bool) -> Result<Fate, Fate> {
        self.bridge_hook(Hook::Input, false)?;
        self.frame = None;
        if !filtered {
            self.write(Field::PhysIn, Got::Absent, Cause::Step(Step::Bridge));
        }
        self.ingress(Field::Iif)?;
        match self.refused_by_ip() {
            _ if !filtered => self.arrive_at_ip(),
            Some(why) => Err(stack_drop(Some(Hook::Prerouting), why)),
            None => self.route_and_go(),
        }
    }

    /// A hook of the bridge; where br_netfilter stands in it, the IP layer's hook of that name.
    fn bridge_hook(&mut self, hook: Hook, ip: bool) -> Result<(), Fate> {
        if !self.traits.bridge {
            return if ip { self.run_hook(hook) } else { Ok(()) };
        }
        let key = HookKey { bridge: true, ..self.key(hook, 0) };
        let plan = self.world.model.plan(key);
        for part in plan.entries.chunk_by(|a, b| matches!((a, b), (Entry::Chain(_), Entry::Chain(_)))) {
            match part {
                [Entry::Chain(_), ..] => self.bridge_chains(hook, part)?,
                [Entry::Netfilter] if ip => self.run_hook(hook)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Chains of the bridge's hook: their devices are ports, and they see the frame as its port does.
    fn bridge_chains(&mut self, hook: Hook, chains: &[Entry]) -> Result<(), Fate> {
        let by = Cause::Step(Step::Bridge);
        let above = [Field::Iif, Field::Oif, Field::PktType].map(|f| (f, self.packet.get(f)));
        let comes_in = matches!(hook, Hook::Prerouting | Hook::Input | Hook::Forward);
        let iif = if comes_in { self.field(Field::PhysIn).unwrap_or(0) } else { 0 };
        let leaves = matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting);
        let oif = if leaves { self.field(Field::PhysOut).unwrap_or(0) } else { 0 };
        self.hook = hook;
        self.events.push(Event::Hook(hook));
        // br_netfilter calls every frame the host's while the IP layer's hooks run.
        if let (Some(kind), true) = (self.frame, hook != Hook::Input) {
            self.write(Field::PktType, kind, by);
        }
        self.set(Field::Iif, iif, by);
        self.set(Field::Oif, oif, by);
        for entry in chains {
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

    /// The bridge takes frames to its own address for the host's.
    fn pkttype_at_bridge(&self, port: Value) -> Got {
        let own = self
            .world
            .host
            .link(&device_name(self.packet.or_zero(Field::Iif)))
            .ok()
            .and_then(|l| l.mac)
            .map(Mac::value);
        match self.packet.value(Field::EtherDaddr) {
            Some(to) if Some(to) == own => self.packet.get(Field::PktType),
            _ => self.pkttype_at_port(port),
        }
    }

    /// What a frame is to the port it came in by: for another host, unless it carries the port's own address.
    pub(super) fn pkttype_at_port(&self, port: Value) -> Got {
        let kind = self.packet.get(Field::PktType);
        let mac = self.world.host.link(&device_name(port)).ok().and_then(|l| l.mac).map(Mac::value);
        match (kind, self.packet.value(Field::EtherDaddr), mac) {
            (Got::Value(0), Some(to), Some(own)) if to != own => Got::Value(3),
            _ => kind,
        }
    }

    /// The Ethernet header that a routed packet gets: from the device to its next hop, as far as chains could read it.
    pub(super) fn address_frame(&mut self) {
        if !(self.traits.bridge || self.traits.egress) {
            return;
        }
        let by = Cause::Step(Step::Bridge);
        let oif = device_name(self.known(Field::Oif));
        let known = |mac: Option<Mac>| mac.map_or(Got::Unknown, |m| Got::Value(m.value()));
        let own = self.world.host.link(&oif).ok().and_then(|l| l.mac);
        let hop = self.way.nexthop.unwrap_or(self.packet.or_zero(Field::Daddr));
        let hop = self.world.host.next_hop_mac(&oif, to_address(hop, self.packet.family())).ok();
        self.write(Field::EtherSaddr, known(own), by);
        self.write(Field::EtherDaddr, known(hop), by);
    }

    /// Behind POSTROUTING and a bridge's egress: the bridge's OUTPUT and POSTROUTING, and the port.
    pub(super) fn leave_by_port(&mut self) -> Result<(), Fate> {
        if !(self.traits.bridge || self.traits.egress) {
            return Ok(());
        }
        let oif = self.known(Field::Oif);
        if self.world.host.bridge_ports(&device_name(oif)).unwrap_or_default().is_empty() {
            return Ok(());
        }
        let by = Cause::Step(Step::Bridge);
        self.write(Field::PhysIn, Got::Absent, by);
        let out = match self.packet.value(Field::EtherDaddr).map(|mac| self.port_of_mac(oif, mac)) {
            Some(Port::Out(Some(port))) => Got::Value(port),
            _ => Got::Unknown,
        };
        self.write(Field::PhysOut, out, by);
        self.bridge_hook(Hook::Output, false)?;
        self.bridge_hook(Hook::Postrouting, false)?;
        self.egress(Field::PhysOut)
    }

    /// PREROUTING of a frame; a destination that NAT changed is looked up again.
    fn bridge_with_hooks(&mut self, port: Port, filtered: bool) -> Result<Fate, Fate> {
        let before = self.packet.get(Field::Daddr);
        self.bridge_hook(Hook::Prerouting, filtered)?;
        if before == self.packet.get(Field::Daddr) {
            return self.bridge_on(port, filtered);
        }
        // br_netfilter routes a packet with a new destination: back to the same bridge, it stays bridged.
        let bridge = self.packet.or_zero(Field::Iif);
        match self.route_input() {
            Input::Forward if self.way.oif == Some(bridge) => {
                let port = self.port_of_nexthop(bridge);
                self.show_route(Step::RouteIn);
                self.bridge_to(port, filtered)
            }
            Input::Drop(why) if !self.goes_back_to(bridge) => Err(stack_drop(Some(Hook::Prerouting), why)),
            Input::Drop(_) => {
                let port = self.port_of_nexthop(bridge);
                self.bridge_on(port, filtered)
            }
            _ => self.up_from_bridge(filtered),
        }
    }

    /// Forwarding is off: the bridge still takes the packet when its route leads back to it.
    fn goes_back_to(&mut self, bridge: Value) -> bool {
        let asker = crate::eval::Asker::new(&self.packet);
        let forwards = self.world.host.forwards(&device_name(bridge), Family::of(asker.dst), &mut Vec::new());
        if forwards || self.route_output().is_err() {
            return false;
        }
        self.way.oif == Some(bridge)
    }

    /// A frame that was not routed.
    fn bridge_on(&mut self, port: Port, filtered: bool) -> Result<Fate, Fate> {
        if filtered && matches!(port, Port::Out(_)) {
            self.show_lent(self.packet.or_zero(Field::Iif));
        }
        self.bridge_to(port, filtered)
    }

    fn bridge_to(&mut self, port: Port, filtered: bool) -> Result<Fate, Fate> {
        let by = Cause::Step(Step::Bridge);
        let bridge = self.packet.or_zero(Field::Iif);
        let out = match port {
            Port::Host => return self.up_from_bridge(filtered),
            Port::Nowhere => {
                let why = "the bridge does not send a frame back out of its own port";
                return Err(stack_drop((filtered || self.traits.bridge).then_some(Hook::Prerouting), why));
            }
            Port::Out(out) => out,
        };
        if filtered {
            self.decided(Decision::Bridged);
            self.set(Field::IsBridged, 1, by);
            self.set(Field::Oif, bridge, by);
        }
        self.write(Field::PhysOut, out.map_or(Got::Unknown, Got::Value), by);
        self.bridge_hook(Hook::Forward, filtered)?;
        if filtered {
            self.set(Field::Iif, 0, by);
        }
        self.bridge_hook(Hook::Postrouting, filtered)?;
        if let Some(kind) = self.frame {
            self.write(Field::PktType, kind, by);
        }
        self.egress(Field::PhysOut)?;
        Ok(if filtered { self.out(false) } else { Fate::Bridged { port: out } })
    }

    /// Where the bridge sends the frame by its destination MAC address.
    fn frame_port(&mut self) -> Port {
        let Some(mac) = self.packet.value(Field::EtherDaddr) else {
            return self.port_by_address();
        };
        self.port_of_mac(self.packet.or_zero(Field::Iif), mac)
    }

    fn port_of_mac(&mut self, bridge: Value, mac: Value) -> Port {
        let b = mac.to_be_bytes();
        let mac = Mac([b[10], b[11], b[12], b[13], b[14], b[15]]);
        let from = self.packet.value(Field::PhysIn).map(device_name);
        match self.world.host.bridge_port(&device_name(bridge), mac, from.as_deref()) {
            Ok(PortLookup::Host) => Port::Host,
            Ok(PortLookup::Port(dev)) => Port::Out(Some(device(&dev))),
            Ok(PortLookup::Nowhere) => Port::Nowhere,
            Ok(PortLookup::Flood(ports)) => match &ports[..] {
                [] => Port::Nowhere,
                [one] => Port::Out(Some(device(one))),
                _ => Port::Out(None),
            },
            Err(_) => Port::Out(None),
        }
    }

    /// No MAC address was given: a destination on the bridge's own subnet is bridged, anything else goes to the host.
    fn port_by_address(&mut self) -> Port {
        let bridge = self.packet.or_zero(Field::Iif);
        let dst = to_address(self.packet.or_zero(Field::Daddr), self.packet.family());
        let name = device_name(bridge);
        let family = Family::of(dst);
        let local = self.world.host.is_local(dst, &mut Vec::new());
        let Ok(addresses) = self.world.host.addresses_of(&name, family) else {
            return if self.answer(Fact::IsLocal(self.packet.family(), self.packet.or_zero(Field::Daddr))) != 0 {
                Port::Host
            } else {
                Port::Out(None)
            };
        };
        let on_link = addresses.iter().any(|a| a.covers(dst));
        if local == Ok(true) || !on_link {
            return Port::Host;
        }
        match self.world.host.next_hop_mac(&name, dst) {
            Ok(mac) => self.port_of_mac(bridge, mac.value()),
            Err(_) => Port::Out(None),
        }
    }

    /// The port behind which the next hop of a changed destination is.
    fn port_of_nexthop(&mut self, bridge: Value) -> Port {
        let family = self.packet.family();
        let hop = self.way.nexthop.unwrap_or(self.packet.or_zero(Field::Daddr));
        match self.world.host.next_hop_mac(&device_name(bridge), to_address(hop, family)) {
            Ok(mac) => {
                self.set(Field::EtherDaddr, mac.value(), Cause::Step(Step::Bridge));
                self.port_of_mac(bridge, mac.value())
            }
            Err(_) => Port::Out(None),
        }
    }
}
