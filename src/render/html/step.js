/* Steps through the page: one step at a time, by keys, buttons or a click on the path. Walks what the document holds;
   without it the same document is a list of all steps. */
"use strict";
(() => {
  const all = (root, what) => Array.from(root.querySelectorAll(what));
  const root = document.documentElement;

  /* A way: its steps, the links of its path, its buttons. */
  const ways = all(document, ".way").map((box) => ({
    box,
    packet: box.closest(".packet"),
    steps: all(box, ".step"),
    links: all(box, ".path a"),
    bar: box.querySelector(".bar"),
    count: box.querySelector(".count"),
    at: 0,
  }));
  let way = ways[0];
  if (!way) return;

  const changes = (step) => step.hasAttribute("data-change");
  const find = (from, by) => {
    for (let i = from + by; i >= 0 && i < way.steps.length; i += by) if (changes(way.steps[i])) return i;
    return -1;
  };
  const last = () => way.steps.length - 1;
  const targets = {
    first: () => 0,
    back: () => Math.max(0, way.at - 1),
    next: () => Math.min(last(), way.at + 1),
    last,
    "change-back": () => find(way.at, -1),
    "change-next": () => find(way.at, 1),
  };

  const mark = (links, chosen) => links.forEach((a) => {
    if (chosen(a)) a.setAttribute("aria-current", "step");
    else a.removeAttribute("aria-current");
  });

  const show = (quiet) => {
    for (const other of ways) {
      other.box.hidden = other.packet === way.packet && other !== way;
      other.packet.hidden = other.packet !== way.packet;
    }
    const step = way.steps[way.at];
    way.steps.forEach((s) => { s.hidden = s !== step; });
    all(step, "details.whole").forEach((d) => { d.open = true; });
    mark(way.links, (a) => a.hash === "#" + step.id);
    mark(all(document, ".tabs a"), (a) => a.hash === "#" + way.packet.id || a.hash === "#" + way.box.id);
    way.count.textContent = "Step " + (way.at + 1) + " of " + way.steps.length;
    all(way.bar, "button").forEach((b) => {
      const to = targets[b.dataset.go]();
      b.disabled = to < 0 || to === way.at;
    });
    const here = way.links.find((a) => a.hasAttribute("aria-current"));
    const list = here && here.closest(".path");
    if (list && list.scrollHeight > list.clientHeight) {
      const box = list.getBoundingClientRect();
      const seen = Math.min(list.clientHeight, Math.max(120, window.innerHeight - box.top));
      const top = here.getBoundingClientRect().top - box.top;
      if (top < 30 || top > seen - 60) list.scrollTop += top - seen / 2;
    }
    if (!quiet) history.replaceState(null, "", "#" + step.id);
  };

  const go = (index) => {
    if (index < 0 || index > last()) return;
    way.at = index;
    show();
  };

  /* Goes to what a fragment names: a step, a way or a packet. */
  const open = (hash, quiet) => {
    const id = hash.slice(1);
    for (const other of ways) {
      const at = other.steps.findIndex((s) => s.id === id);
      if (at >= 0 || other.box.id === id || other.packet.id === id) {
        way = other;
        if (at >= 0) way.at = at;
        show(quiet);
        return true;
      }
    }
    return false;
  };

  const keys = {
    ArrowRight: "next", ArrowDown: "next", j: "next", l: "next",
    ArrowLeft: "back", ArrowUp: "back", k: "back", h: "back",
    n: "change-next", p: "change-back", Home: "first", End: "last", g: "first", G: "last",
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = keys[event.key];
    if (!to) return;
    event.preventDefault();
    go(targets[to]());
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-go]");
    if (button) return go(targets[button.dataset.go]());
    const link = event.target.closest("a[href^='#']");
    if (link && open(link.hash)) event.preventDefault();
  });
  window.addEventListener("hashchange", () => open(location.hash, true));

  root.classList.add("js");
  ways.forEach((w) => { w.bar.hidden = false; });
  if (!open(location.hash, true)) show(true);
})();
