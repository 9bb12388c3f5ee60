// The table of every result: sorted by any metric, filtered, its columns chosen, a page at a time. The state lies in the address.
"use strict";

(() => {
  const { data, rows, METRICS, make, shape, link, mark, range } = Squeezemark;
  const form = document.querySelector("form.filters");
  const place = document.querySelector("#results");
  if (!form || !place) return;

  const PAGE = 20; // laying rows out and painting them takes longer than finding and sorting them
  const MOST = 6;
  const TRUST = "grade";
  const GRADES = "ABCDEF";

  // key -> title, what stands under it, hint, cell, what is sorted by, and whether the first click sorts upwards.
  const COLUMNS = {
    rank: {
      title: say("Rank"),
      hint: say("1 + the rows of its board that are surely more accurate. = marks a tie, † what may be the best."),
      cell: rankCell,
      of: (row) => row.rank,
      up: true,
      number: true,
    },
    name: { title: say("Method · variant"), under: say("family, division"), cell: nameCell, of: (row) => row.name, up: true, fixed: true },
    model: {
      title: say("Model"),
      cell: (row) => make("a", { href: Squeezemark.boardPage(row.board) }, Squeezemark.modelTitle(row.board.model)),
      of: (row) => row.board.model,
      up: true,
    },
    target: {
      title: say("Target"),
      cell: (row) => [
        make("span", {}, Squeezemark.targetTitle(row.board.target)),
        Squeezemark.hosts.length > 1 ? make("span", { class: "under" }, row.board.host) : null,
        row.board.tier === "full" ? null : make("span", { class: "under" }, say("{tier} tier", { tier: say(row.board.tier) })),
      ],
      of: (row) => row.board.target,
      up: true,
    },
    accuracy: metric("accuracy", (row) => range(row.accuracyLow, row.accuracyHigh, METRICS.accuracy.show), say("95 % interval")),
    ties: {
      title: say("Ties"),
      under: say("letters"),
      hint: say("Two rows of a board share a letter exactly if their answers cannot be told apart"),
      cell: (row) => row.ties ?? "–",
      of: (row) => row.ties,
      up: true,
    },
    difference: metric(
      "difference",
      (row) => [" ", mark(row.verdict, say("loss"), say("gain")), range(row.differenceLow, row.differenceHigh, Squeezemark.signed)],
      say("95 % interval"),
    ),
    size: metric(
      "size",
      (row) => (row.ratio && !row.baseline ? make("span", { class: "under" }, METRICS.ratio.show(row.ratio)) : null),
      say("× smaller"),
    ),
    speed: metric("speed", speedMore, say("95 % interval")),
    latency: metric("latency", () => null, say("median")),
    [TRUST]: {
      title: say("Trust"),
      under: say("host, provenance"),
      hint: say("How well the host could be measured on, A to F, and who vouches for the row. Below C a latency is not ranked."),
      cell: trustCell,
      of: (row) => (row.grade ? GRADES.indexOf(row.grade) : null),
      up: true,
    },
    ratio: metric("ratio", () => null, say("than the baseline")),
    download: metric("download", () => null, say("zstd")),
    bits: metric("bits", () => null, ""),
    flips: metric("flips", () => null, say("lost, gained")),
    macs: metric("macs", () => null, ""),
    bitRatio: metric("bitRatio", () => null, say("fewer")),
    cost: metric("cost", () => null, say("compressing")),
  };
  COLUMNS.flips.cell = (row) =>
    row.lost === null
      ? "–"
      : [
          make("span", { title: say("lost: right before, wrong now") }, `−${row.lost}`),
          " ",
          make("span", { title: say("gained: wrong before, right now") }, `+${row.gained}`),
        ];
  const USUAL = "rank,accuracy,difference,size,speed,grade";

  const fields = form.elements;
  const defaults = {
    q: "",
    model: "",
    target: "",
    host: "",
    family: "",
    division: "",
    tier: "",
    grade: "",
    provenance: "",
    lossless: "",
    sort: "",
    columns: USUAL,
    of: "",
    page: "1",
  };
  const keys = new Map();
  let fits = false;
  const kinds = (row) => [row.method.family, row.method.division, row.status].filter(Boolean);
  const texts = rows.map((row) => [row.name, ...kinds(row), ...kinds(row).map((kind) => say(kind))].join(" ").toLowerCase());

  Squeezemark.options(
    fields.model,
    Object.keys(data.models).map((name) => [name, Squeezemark.modelTitle(name)]),
  );
  Squeezemark.options(
    fields.target,
    Object.keys(data.targets).map((name) => [name, Squeezemark.targetTitle(name)]),
  );
  for (const [name, of] of [
    ["family", (row) => row.method.family],
    ["division", (row) => row.method.division],
    ["tier", (row) => row.board.tier],
    ["host", (row) => row.board.host],
    ["grade", (row) => row.grade],
    ["provenance", (row) => row.provenance],
  ]) {
    const found = Squeezemark.each(of);
    Squeezemark.options(
      fields[name],
      found.map((value) => [value, name === "host" ? value : say(value)]),
    );
    fields[name].parentElement.hidden = found.length < 2 && name !== "family";
  }
  form.hidden = false;
  const store = Squeezemark.state(defaults, show);
  const fill = Squeezemark.bind(form, store);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    store.set({ ...defaults, columns: store.now.columns });
  });
  const chooser = columnChooser();
  show();

  function metric(key, more, under) {
    const { title, hint, show: write, of, up } = METRICS[key];
    return {
      title,
      hint,
      under,
      of,
      up: !up,
      number: true,
      cell: (row) => {
        const value = of(row);
        return value === null ? "–" : [write(value), more(row)];
      },
    };
  }

  function rankCell(row) {
    if (!row.rank) return "–";
    return [
      `${shared(row) ? "=" : ""}${row.rank}`,
      row.rank === 1 ? make("span", { class: "first", title: say("best, or tied with the best") }, "†") : null,
    ];
  }

  function shared(row) {
    row.board.ranks ??= row.board.rows.reduce((counts, other) => counts.set(other.rank, (counts.get(other.rank) ?? 0) + 1), new Map());
    return row.board.ranks.get(row.rank) > 1;
  }

  function nameCell(row) {
    const kind = [row.method.family, row.baseline ? null : row.method.division].filter(Boolean);
    return [
      make("span", { class: "name" }, link(row)),
      make("span", { class: "under" }, shape(row.method.family, row.method.shape), ` ${kind.map((word) => say(word)).join(say(", "))}`),
    ];
  }

  function speedMore(row) {
    const words = row.unranked ? make("span", { class: "noisy" }, say("not ranked")) : mark(row.speedVerdict, say("slower"), say("faster"));
    return [
      " ",
      words,
      row.speedRank === 1 && !row.baseline ? make("span", { class: "first", title: say("fastest, or tied with the fastest") }, "†") : null,
      range(row.speedLow, row.speedHigh, (value) => value.toFixed(2)),
      row.noisy ? make("span", { class: "noisy" }, say("noisy")) : null,
    ];
  }

  function trustCell(row) {
    return [
      make("span", { class: "grade", title: row.grade ? say("host grade {grade}", row) : say("not graded") }, row.grade ?? "–"),
      row.provenance ? make("span", { class: `vouched vouched-${row.provenance.replaceAll(" ", "-")}` }, say(row.provenance)) : null,
    ];
  }

  function columnChooser() {
    const box = form.querySelector(".columns");
    for (const [key, column] of Object.entries(COLUMNS)) {
      if (column.fixed) continue;
      const input = make("input", { type: "checkbox", value: key });
      input.addEventListener("input", (event) => {
        event.stopPropagation();
        store.set({ columns: [...box.querySelectorAll("input:checked")].map((found) => found.value).join(",") });
      });
      box.append(make("label", { class: "check" }, input, ` ${column.title}`));
    }
    return box;
  }

  function chosen() {
    const wanted = new Set(store.now.columns.split(","));
    for (const input of chooser.querySelectorAll("input")) input.checked = wanted.has(input.value);
    wanted.add("name");
    if (!store.now.model && Object.keys(data.models).length > 1) wanted.add("model");
    if ((!store.now.target && Object.keys(data.targets).length > 1) || (!store.now.host && Squeezemark.hosts.length > 1)) wanted.add("target");
    return Object.keys(COLUMNS).filter((key) => wanted.has(key));
  }

  // The value of a column for every row, worked out once: numbers, or the place of a text among all.
  function values(key) {
    if (!keys.has(key)) {
      const found = rows.map(COLUMNS[key].of);
      if (!found.some((value) => typeof value === "string"))
        keys.set(
          key,
          Float64Array.from(found, (value) => value ?? NaN),
        );
      else {
        const places = new Map(
          [...new Set(found)]
            .filter((value) => value !== null)
            .sort()
            .map((value, place) => [value, place]),
        );
        keys.set(
          key,
          Float64Array.from(found, (value) => places.get(value) ?? NaN),
        );
      }
    }
    return keys.get(key);
  }

  function filtered() {
    const { now } = store;
    const words = now.q.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const row of rows) {
      if (
        (now.model && row.board.model !== now.model) ||
        (now.target && row.board.target !== now.target) ||
        (now.host && row.board.host !== now.host) ||
        (now.tier && row.board.tier !== now.tier)
      )
        continue;
      if ((now.family && row.method.family !== now.family) || (now.division && row.method.division !== now.division)) continue;
      if ((now.grade && row.grade !== now.grade) || (now.provenance && row.provenance !== now.provenance)) continue;
      if (now.lossless && row.verdict !== "tie" && row.verdict !== "better") continue;
      if (words.length && !words.every((word) => texts[row.index].includes(word))) continue;
      found.push(row.index);
    }
    return found;
  }

  // What has no value comes last, whichever way the rest is sorted; equals stay in the order of their boards.
  function sorted(found) {
    const [key, order] = store.now.sort.split(":");
    if (!Object.hasOwn(COLUMNS, key)) return found;
    const known = values(key);
    const turn = order === "down" ? -1 : 1;
    return found.sort((one, other) => {
      const [first, second] = [known[one], known[other]];
      if (first === second) return one - other;
      return Number.isNaN(first) || Number.isNaN(second)
        ? Number.isNaN(first) - Number.isNaN(second) || one - other
        : turn * (first - second);
    });
  }

  function show() {
    fill();
    const columns = chosen();
    const found = sorted(filtered());
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const page = Math.min(pages, Math.max(1, Number.parseInt(store.now.page, 10) || 1));
    const part = found.slice((page - 1) * PAGE, page * PAGE).map((index) => rows[index]);
    const focused = document.activeElement?.closest?.("#results [data-focus]")?.dataset.focus;
    const table = make(
      "table",
      { class: "board wide-table" },
      make("caption", {}, caption(found.length)),
      make("thead", {}, make("tr", {}, pickHead(), columns.map(head))),
      make(
        "tbody",
        {},
        part.map((row, place) => line(row, columns, part[place - 1])),
        part.length
          ? null
          : make("tr", {}, make("td", { class: "nothing", colspan: columns.length + 1 }, say("Nothing matches. Clear a filter."))),
      ),
    );
    place.replaceChildren(
      make("div", { class: fits ? "scroller fits" : "scroller", role: "region", tabindex: "0", "aria-label": say("Results") }, table),
      pager(page, pages, found.length),
      tray(),
    );
    if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    fit();
    form.querySelector(".count").value =
      found.length === rows.length
        ? say("{n} results", { n: rows.length })
        : say("{n} of {all} results", { n: found.length, all: rows.length });
  }

  // A table that fits needs no scroll container of its own, and its head can stick to the window.
  function fit() {
    const box = place.querySelector(".scroller");
    fits = box.firstElementChild.offsetWidth <= box.clientWidth;
    box.classList.toggle("fits", fits);
  }
  addEventListener("resize", fit);

  function caption(count) {
    return say(
      "{n} results. Intervals are 95 %. A rank is within its board: one model on one target and machine; = marks a tie, † what may be the best at 95 %.",
      { n: count.toLocaleString("en") },
    );
  }

  function pickHead() {
    return make("th", { scope: "col", class: "pick" }, make("span", { class: "unseen" }, say("Compare")));
  }

  function head(key) {
    const column = COLUMNS[key];
    const [by, order] = store.now.sort.split(":");
    const turn = by === key ? ({ up: "ascending", down: "descending" }[order] ?? "none") : "none";
    const press = () =>
      store.set({ sort: `${key}:${by === key ? (order === "up" ? "down" : "up") : column.up ? "up" : "down"}`, page: "1" });
    const button = make(
      "button",
      { type: "button", class: "sort", "data-focus": `sort-${key}`, title: column.hint, onclick: press },
      column.title,
      column.under ? make("span", { class: "under" }, column.under) : null,
    );
    return make("th", { scope: "col", "data-key": key, class: column.number ? "number" : null, "aria-sort": turn }, button);
  }

  function line(row, columns, above) {
    const kind = row.baseline ? "baseline" : row.status ? "failed" : "";
    const grouped = !store.now.sort || store.now.sort === "rank:up";
    const start = grouped && above && (above.board !== row.board || above.rank !== row.rank) ? " group-start" : "";
    const cells = columns.map((key) => [key, COLUMNS[key]]);
    const made = make("tr", { class: `${kind}${start}`, "data-key": row.key }, pickCell(row));
    for (const [key, column] of cells) {
      const tag = key === "name" ? "th" : "td";
      if (row.status && column.number && key !== "rank") continue;
      made.append(
        make(
          tag,
          { scope: tag === "th" ? "row" : null, class: column.number ? "number" : key === TRUST ? "trust" : key === "target" ? "place" : null },
          column.cell(row),
        ),
      );
    }
    const rest = columns.filter((key) => COLUMNS[key].number && key !== "rank").length;
    if (row.status && rest) {
      const after = columns.findIndex((key) => COLUMNS[key].number && key !== "rank");
      made.insertBefore(
        make(
          "td",
          { class: "reason", colspan: rest },
          make("span", { class: "status" }, say(row.status.replaceAll("_", " "))),
          ` ${row.reason ?? ""}`,
        ),
        made.cells[after + 1] ?? null,
      );
    }
    return made;
  }

  function picked() {
    return store.now.of.split(",").filter(Boolean);
  }

  function pickCell(row) {
    const now = picked();
    const input = make("input", {
      type: "checkbox",
      "data-focus": `pick-${row.key}`,
      "aria-label": say("Compare {name} on {model}", { name: row.name, model: Squeezemark.modelTitle(row.board.model) }),
    });
    input.checked = now.includes(row.key);
    input.disabled = Boolean(row.status) || (!input.checked && now.length >= MOST);
    input.addEventListener("input", () =>
      store.set({ of: (input.checked ? [...now, row.key] : now.filter((key) => key !== row.key)).join(",") }),
    );
    return make("td", { class: "pick" }, input);
  }

  function tray() {
    const now = picked();
    if (!now.length) return "";
    const href = `compare.html#?of=${now.join(",")}`;
    return make(
      "p",
      { class: "tray" },
      now.length < 2
        ? say("1 of {most} chosen; one more to compare.", { most: MOST })
        : make("a", { href, class: "button" }, say("Compare {n} side by side", { n: now.length })),
      " ",
      make("button", { type: "button", onclick: () => store.set({ of: "" }) }, say("Clear choice")),
    );
  }

  function pager(page, pages, count) {
    if (pages < 2) return "";
    const go = (to, text, name) =>
      make(
        "button",
        {
          type: "button",
          disabled: to < 1 || to > pages,
          "data-focus": name,
          onclick: () => {
            store.set({ page: String(to) });
            place.scrollIntoView();
          },
        },
        text,
      );
    const from = (page - 1) * PAGE + 1;
    return make(
      "nav",
      { class: "pager", "aria-label": say("Pages of the table") },
      go(page - 1, say("← Previous"), "previous"),
      make("span", {}, say("{from} to {to} of {all}", { from, to: Math.min(count, page * PAGE), all: count.toLocaleString("en") })),
      go(page + 1, say("Next →"), "next"),
    );
  }
})();
