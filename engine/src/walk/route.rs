//! Routing decisions: of an arriving packet, of one made here, and again inside OUTPUT (semantics.md 5).

use super::Machine;
use super::options::OTHER_DEVICE;
use crate::eval::Asker;
use crate::fact::Fact;
use crate::field::{DeviceName, Field, Value, address, device, device_name};
use crate::host::{
    Assumed, By, DropReason, Errno, Host, InputRoute, Known, Missing, OutputKind, OutputRoute, Way as HostWay,
};
use crate::packet::Got;
use crate::trace::{Cause, Decision, Event, Step};

/// How many addresses one lookup may ask for: source, destination, and some to spare.
const ADDRESSES: usize = 8;

/// The route that a packet has.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// Outgoing device; `None` when the inputs don't tell.
    pub oif: Option<Value>,
    /// Next hop.
    pub nexthop: Option<Value>,
    /// It comes back in over loopback.
    pub local: bool,
    /// A copy comes back in.
    pub loops_back: bool,
    /// Realm of the destination.
    pub realm: u32,
}

/// What routing of an arriving packet says.
pub(super) enum Input {
    /// Deliver it.
    Local,
    /// Forward it by [`Machine::way`].
    Forward,
    /// The stack drops it, for this reason.
    Drop(String),
}

impl<'a> Machine<'a> {
    /// A lookup; whether an address is the host's own is asked where it needs that, and what it takes as given is listed.
    fn seeded<T>(&mut self, look: impl Fn(&'a Host, &mut Vec<Assumed>) -> Known<T>) -> Known<T> {
        let mut asked = Vec::new();
        loop {
            let mut assumed = asked.clone();
            match look(self.world.host, &mut assumed) {
                Err(Missing::Local(ip)) if asked.len() < ADDRESSES => {
                    let family = if ip.is_ipv4() { 2 } else { 10 };
                    let own = self.answer(Fact::IsLocal(family, address(ip))) != 0;
                    asked.push(Assumed::Local(ip, own));
                }
                found => {
                    assumed.drain(..asked.len().min(assumed.len()));
                    self.note_assumed(assumed);
                    return found;
                }
            }
        }
    }

    /// The incoming device as routing knows it: none while the inputs do not tell.
    fn known_iif(&mut self) -> DeviceName {
        let rules = self.world.host.parts();
        let by_rule = rules.rules4.iter().chain(&rules.rules6).flatten().any(|r| r.iif.is_some());
        let iif = if by_rule { self.field(Field::Iif).unwrap_or(0) } else { self.known(Field::Iif) };
        if iif == device(OTHER_DEVICE) { DeviceName::default() } else { device_name(iif) }
    }

    /// Routes an arriving packet as PREROUTING left it.
    pub(super) fn route_input(&mut self) -> Input {
        if self.packet.get(Field::Daddr) == Got::Unknown {
            // REDIRECT took an address of this host that the inputs do not tell.
            return Input::Local;
        }
        let mut asker = Asker::new(&self.packet);
        asker.iif = self.known_iif();
        let found = self.seeded(|host, assumed| host.input_route(&asker.input(), assumed));
        match found {
            Ok(InputRoute::Local { .. }) => Input::Local,
            Ok(InputRoute::Forward { ways, realm, .. }) => {
                self.take_way(&ways, realm);
                Input::Forward
            }
            Ok(InputRoute::Elsewhere(missing)) => self.unknown_forward(&missing),
            Ok(InputRoute::Drop(DropReason::MaybeJoined)) if self.answer(Fact::Other("joined")) != 0 => Input::Local,
            Ok(InputRoute::Drop(reason)) => Input::Drop(drop_words(reason).to_string()),
            Ok(InputRoute::Blackhole(by)) => Input::Drop(refused(&by)),
            Ok(InputRoute::Error { icmp_type, icmp_code, by }) => {
                Input::Drop(format!("{}, and the sender is told (ICMP {icmp_type}/{icmp_code})", refused(&by)))
            }
            Err(missing) => self.input_by_facts(&missing),
        }
    }

    /// The source cannot be checked without routes: whether there is one back to it is a fact.
    fn input_by_facts(&mut self, missing: &Missing) -> Input {
        if self.answer(Fact::Route(self.packet.or_zero(Field::Saddr))) == 0 {
            return Input::Drop(drop_words(DropReason::WayBack).to_string());
        }
        let asker = Asker::new(&self.packet);
        if self.seeded(|host, assumed| host.is_local(asker.dst, assumed)) == Ok(true) {
            return Input::Local;
        }
        self.unknown_forward(missing)
    }

    fn unknown_forward(&mut self, missing: &Missing) -> Input {
        // A table that was not given may deliver it here: a VRF's has the VRF's addresses, a transparent proxy's has all.
        let hidden = matches!(missing, Missing::Table(_) | Missing::Kind(_));
        if hidden && self.answer(Fact::Other("delivered")) != 0 {
            return Input::Local;
        }
        self.note(Step::RouteIn, format!("forwarded; where to would need {missing}"));
        self.way = Way::default();
        Input::Forward
    }

    /// Takes one of a route's ways; among several the kernel chooses by a hash.
    fn take_way(&mut self, ways: &[HostWay], realm: Option<u32>) {
        let index =
            if ways.len() > 1 { self.answer(Fact::NextHop(self.packet.or_zero(Field::Daddr))) as usize } else { 0 };
        let Some(way) = ways.get(index.min(ways.len().saturating_sub(1))) else {
            self.way = Way::default();
            return;
        };
        let asker = Asker::new(&self.packet);
        self.way = Way {
            oif: Some(device(&way.dev)),
            nexthop: Some(address(way.next_hop(asker.dst))),
            realm: realm.unwrap_or(0),
            ..Way::default()
        };
    }

    /// Routes a packet of this host. `Err`: the send call fails.
    pub(super) fn route_output(&mut self) -> Result<(), (&'static str, String)> {
        let asker = Asker::new(&self.packet);
        let uid = self.packet.value(Field::SkUid).unwrap_or(0) as u32;
        let query = crate::host::FibQuery { uid, ..asker.output() };
        let found = self.seeded(|host, assumed| host.output_route(&query, assumed));
        match found {
            Ok(OutputRoute::Send { kind, ways, loops_back, realm, .. }) => {
                self.take_way(&ways, realm);
                self.way.local = kind == OutputKind::Local;
                self.way.loops_back = loops_back;
                if self.way.local {
                    self.way.oif = Some(device("lo"));
                }
                Ok(())
            }
            Ok(OutputRoute::Elsewhere(missing)) => {
                self.note(Step::RouteOut, format!("sent out; by which device would need {missing}"));
                self.way = Way::default();
                Ok(())
            }
            Ok(OutputRoute::Error { errno: Errno::Einval, by: By::NoRoute }) => {
                Err((Errno::Einval.name(), "its source address cannot be one".to_string()))
            }
            Ok(OutputRoute::Error { errno, by }) => Err((errno.name(), refused(&by))),
            Err(missing) => {
                self.output_by_facts(&missing);
                Ok(())
            }
        }
    }

    fn output_by_facts(&mut self, missing: &Missing) {
        let asker = Asker::new(&self.packet);
        self.way = Way::default();
        if self.seeded(|host, assumed| host.is_local(asker.dst, assumed)) == Ok(true) {
            self.way.local = true;
            self.way.oif = Some(device("lo"));
        } else {
            self.note(Step::RouteOut, format!("sent out; by which device would need {missing}"));
        }
    }

    /// A delivered packet has a route too: without realm, its next hop itself.
    pub(super) fn show_local(&mut self) {
        let by = Cause::Step(Step::RouteIn);
        self.set(Field::Realm, 0, by);
        self.set(Field::RtNexthop, self.packet.or_zero(Field::Daddr), by);
    }

    /// Puts the route's device into the packet, as the next hook sees it.
    pub(super) fn show_way(&mut self, step: Step) {
        let oif = self.way.oif.map_or(Got::Unknown, Got::Value);
        self.write(Field::Oif, oif, Cause::Step(step));
        self.show_route(step);
    }

    /// Puts what the route says besides its device into the packet: rules see that at once.
    pub(super) fn show_route(&mut self, step: Step) {
        let by = Cause::Step(step);
        self.write(Field::RtNexthop, self.way.nexthop.map_or(Got::Unknown, Got::Value), by);
        self.set(Field::Realm, self.way.realm.into(), by);
        self.write(Field::RtMtu, self.way.oif.map_or(Got::Unknown, |oif| self.segment(oif)), by);
    }

    /// A frame that is not routed: the bridge lends it a route of its own, without realm and gateway.
    pub(super) fn show_lent(&mut self, bridge: Value) {
        let by = Cause::Step(Step::Bridge);
        self.set(Field::Realm, 0, by);
        self.set(Field::RtNexthop, self.packet.or_zero(Field::Daddr), by);
        self.write(Field::RtMtu, self.segment(bridge), by);
    }

    /// How much of TCP a packet of a device holds.
    fn segment(&self, dev: Value) -> Got {
        let mtu = self.world.host.link(&device_name(dev)).ok().and_then(|l| l.mtu);
        let headers = if self.packet.family() == 10 { 60 } else { 40 };
        mtu.map_or(Got::Unknown, |m| Got::Value(Value::from(m.saturating_sub(headers).min(65535))))
    }

    /// Writes the decision down.
    pub(super) fn decided(&mut self, decision: Decision) {
        self.events.push(Event::Route(decision));
    }
}

/// What keeps a packet from having a way.
fn refused(by: &By) -> String {
    match by {
        By::NoRoute => "no route leads to its destination".to_string(),
        by => format!("{by} takes it"),
    }
}

fn drop_words(reason: DropReason) -> &'static str {
    match reason {
        DropReason::MartianSource => "its source address cannot be one (martian source)",
        DropReason::MartianDestination => "its destination address cannot be one here (martian destination)",
        DropReason::OwnSource => "its source is an address of this host",
        DropReason::WayBack => "the way back to its source is by another device, or there is none (rp_filter)",
        DropReason::ForwardingOff => "it is for somewhere else, and forwarding is off",
        DropReason::NotJoined | DropReason::MaybeJoined => "this host is not in the multicast group",
    }
}
