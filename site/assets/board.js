// Sorts and filters the tables. The state lies in the address after "#?", so that a view can be shared. Without this file the
// tables are complete and sorted by accuracy.
"use strict";

(() => {
  const form = document.querySelector("form.filters");
  const tables = [...document.querySelectorAll("table.board")];
  if (!form || !tables.length) return;

  const FIRST_ASCENDING = new Set(["rank", "method", "ties", "size", "download", "latency", "grade"]);
  const WORDS = new Set(["method", "ties"]);
  const FILTERS = ["q", "family", "division", "tier", "grade", "provenance", "lossless"];
  const ranges = document.querySelectorAll("[data-tier]");
  const state = { sort: "", descending: false };

  for (const table of tables) {
    [...table.tBodies[0].rows].forEach((row, index) => { row.dataset.index = index; });
    for (const head of table.tHead.rows[0].cells) head.replaceChildren(sortButton(head));
  }
  fill("family", rowValues("family"));
  fill("division", rowValues("division"));
  fill("grade", rowValues("grade"));
  fill("provenance", rowValues("provenance"));
  fill("tier", [...ranges].map((element) => element.dataset.tier));
  form.hidden = false;
  form.addEventListener("input", () => show(true));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { state.sort = ""; setTimeout(() => show(true)); });
  window.addEventListener("hashchange", () => { if (read()) show(false); });
  window.addEventListener("resize", fit);
  read();
  show(false);
  fit();

  // A table that fits needs no scroll container of its own, and its head can stick to the window.
  function fit() {
    for (const table of tables) table.parentElement.classList.toggle("fits", table.offsetWidth <= table.parentElement.offsetWidth);
  }

  function sortButton(head) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const key = head.dataset.key;
      const ascends = FIRST_ASCENDING.has(key);
      state.descending = state.sort === key ? !state.descending : !ascends;
      state.sort = key;
      show(true);
    });
    return button;
  }

  function rowValues(name) {
    return tables.flatMap((table) => [...table.tBodies[0].rows].map((row) => row.dataset[name]));
  }

  function fill(name, values) {
    for (const value of [...new Set(values)].sort()) form.elements[name].add(new Option(say(value), value));
  }

  function read() {
    if (location.hash && !location.hash.startsWith("#?")) return false;
    const given = new URLSearchParams(location.hash.slice(2));
    for (const name of FILTERS) {
      const input = form.elements[name];
      if (input.type === "checkbox") input.checked = given.has(name);
      else input.value = given.get(name) ?? "";
      if (input.selectedIndex === -1) input.value = "";
    }
    const [key, order] = (given.get("sort") ?? "").split(":");
    const keys = [...tables[0].tHead.rows[0].cells].map((head) => head.dataset.key);
    state.sort = keys.includes(key) ? key : "";
    state.descending = order === "down";
    return true;
  }

  function write(filters) {
    const kept = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
    if (state.sort) kept.set("sort", `${state.sort}:${state.descending ? "down" : "up"}`);
    const text = kept.toString();
    history.replaceState(null, "", text ? `#?${text}` : location.pathname + location.search);
  }

  function show(changed) {
    const filters = Object.fromEntries(new FormData(form));
    if (changed) write(filters);
    for (const element of ranges) element.hidden = Boolean(filters.tier) && element.dataset.tier !== filters.tier;
    let shown = 0;
    let all = 0;
    for (const table of tables) {
      order(table);
      for (const row of table.tBodies[0].rows) {
        row.hidden = !fits(row, table, filters);
        shown += row.hidden ? 0 : 1;
        all += 1;
      }
    }
    form.querySelector(".count").value = shown === all ? say("{n} results", { n: all }) : say("{n} of {all} results", { n: shown, all });
    document.dispatchEvent(new CustomEvent("board:change"));
  }

  function fits(row, table, filters) {
    const words = (filters.q || "").toLowerCase().split(/\s+/).filter(Boolean);
    const text = words.length ? row.textContent.toLowerCase() : "";
    return words.every((word) => text.includes(word))
      && (!filters.family || row.dataset.family === filters.family)
      && (!filters.division || row.dataset.division === filters.division)
      && (!filters.grade || row.dataset.grade === filters.grade)
      && (!filters.provenance || row.dataset.provenance === filters.provenance)
      && (!filters.tier || table.dataset.tier === filters.tier)
      && (!filters.lossless || ["tie", "better"].includes(row.dataset.verdict));
  }

  function order(table) {
    const heads = [...table.tHead.rows[0].cells];
    const column = heads.findIndex((head) => head.dataset.key === state.sort);
    for (const head of heads) {
      const direction = state.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", head.dataset.key === state.sort ? direction : "none");
    }
    const rows = [...table.tBodies[0].rows].map((row) => [value(row, heads[column]), row]);
    rows.sort(([one, first], [other, second]) => compare(one, other) || first.dataset.index - second.dataset.index);
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  // A cell may span columns, so it is found by where it starts.
  function value(row, head) {
    if (!head) return undefined;
    let start = 0;
    for (const cell of row.cells) {
      if (start === head.cellIndex) return WORDS.has(head.dataset.key) ? cell.dataset.value : number(cell.dataset.value);
      start += cell.colSpan;
    }
    return undefined;
  }

  function number(text) {
    return text === undefined ? undefined : Number(text);
  }

  // What has no value comes last, whichever way the rest is sorted.
  function compare(one, other) {
    if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
    const found = typeof one === "string" ? one.localeCompare(other, "en") : one - other;
    return state.descending ? -found : found;
  }
})();
