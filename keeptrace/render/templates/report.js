"use strict";
(() => {
  const most = 500; // hits that are opened and marked
  const byId = (id) => document.getElementById(id);
  const search = byId("search"), found = byId("found");
  let hits = [], current = -1, waiting = 0;

  const reveal = (element) => {
    for (let above = element.parentElement; above; above = above.parentElement) {
      if (above.tagName === "DETAILS") above.open = true;
    }
  };
  const go = (step) => {
    if (!hits.length) return;
    if (hits[current]) hits[current].classList.remove("current");
    current = (current + step + hits.length) % hits.length;
    hits[current].classList.add("current");
    hits[current].scrollIntoView({ block: "center" });
    found.textContent = `${current + 1} of ${hits.length === most ? most + " or more" : hits.length}`;
  };
  const look = () => {
    for (const hit of hits) hit.classList.remove("hit", "current");
    hits = [];
    current = -1;
    const wanted = search.value.trim().toLowerCase();
    if (!wanted) { found.textContent = ""; return; }
    for (const element of document.querySelectorAll("summary, .line, td code, pre, h2, nav li")) {
      if (hits.length === most) break;
      if (element.textContent.toLowerCase().includes(wanted)) hits.push(element);
    }
    for (const hit of hits) { hit.classList.add("hit"); reveal(hit); }
    found.textContent = hits.length ? "" : "nothing found";
    go(1);
  };
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(look, 150); });
  byId("tools").addEventListener("submit", (event) => { event.preventDefault(); go(1); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); if (current < 0) { clearTimeout(waiting); look(); } else go(event.shiftKey ? -1 : 1); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });

  byId("open").addEventListener("click", (event) => {
    const frames = [...document.querySelectorAll("details.frame")];
    const open = frames.some((frame) => !frame.open);
    for (const frame of frames) frame.open = open;
    event.target.textContent = open ? "Close all frames" : "Open all frames";
  });
  byId("mine").addEventListener("click", (event) => {
    const mine = document.body.classList.toggle("mine");
    event.target.setAttribute("aria-pressed", String(mine));
  });
  byId("copy").addEventListener("click", async (event) => {
    const text = byId("text");
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch { // a page of a file may not: select the text and let the browser copy
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    event.target.textContent = "Copied";
  });
  document.addEventListener("click", (event) => { // "the same as above" opens in place
    const link = event.target.closest("a.same");
    if (!link) return;
    const target = byId(decodeURIComponent(link.hash.slice(1)));
    const parts = target && target.querySelector(":scope > .parts");
    if (!parts) return;
    event.preventDefault();
    const line = link.closest(".line"), after = line.nextElementSibling;
    if (after && after.classList.contains("again")) { after.remove(); return; }
    const copy = parts.cloneNode(true);
    copy.classList.add("again");
    for (const element of copy.querySelectorAll("[id]")) element.removeAttribute("id");
    line.after(copy);
  });
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const follow = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (target) { if (target.tagName === "DETAILS") target.open = true; reveal(target); target.scrollIntoView({ block: "center" }); }
  };
  addEventListener("hashchange", follow);
  follow();
})();
