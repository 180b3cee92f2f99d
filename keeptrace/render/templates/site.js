"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const groups = [...document.querySelectorAll("article.group")];
  const search = byId("search"), type = byId("type"), host = byId("host"), found = byId("found");
  const look = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of groups) {
      const text = group.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word))
        && (!type.value || group.dataset.type === type.value)
        && (!host || !host.value || group.dataset.host === host.value);
      group.hidden = !fits;
      count += fits;
    }
    found.textContent = count === groups.length ? "" : `${count} of ${groups.length}`;
  };
  for (const control of [search, type, host]) if (control) control.addEventListener("input", look);
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
})();
