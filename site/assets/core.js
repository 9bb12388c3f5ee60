// What the interactive pages share: the rows of `data/rows.js`, the metrics, the state in the address, elements without markup.
"use strict";

const Squeezemark = (() => {
  const root = document.currentScript.dataset.root;
  const data = self.squeezemark ?? { models: {}, targets: {}, methods: [], boards: [], rows: { board: [] } };

  const compact = (value, digits = 3) =>
    Number(value.toPrecision(digits)).toLocaleString("en", { maximumSignificantDigits: digits, useGrouping: false });
  const fixed = (digits) => (value) => value.toFixed(digits).replace("-", "−");
  const signed = (value) => (Number(value.toFixed(3)) === 0 ? "0.000" : (value > 0 ? "+" : "") + fixed(3)(value));
  const times = (digits) => (value) => `${value.toFixed(digits)}×`;

  // key -> title, unit, how it is written, whether more is better, whether a logarithmic axis suits it.
  const METRICS = {
    accuracy: { title: say("Accuracy"), hint: say("share of the test items"), show: fixed(3), up: true },
    difference: { title: say("Against baseline"), hint: say("paired difference of accuracy"), show: signed, up: true },
    size: { title: say("Size, MB"), hint: say("bytes on disk of all files"), show: fixed(2), of: (row) => mega(row.bytes), log: true },
    ratio: { title: say("Times smaller"), hint: say("the baseline's bytes / its own"), show: times(1), up: true, log: true },
    download: { title: say("Download, MB"), hint: say("the same files under zstd"), show: fixed(2), of: (row) => mega(row.download), log: true },
    bits: { title: say("Bits / parameter"), hint: say("8 × bytes / parameters of the uncompressed model"), show: fixed(1), log: true },
    speed: { title: say("Speed-up"), hint: say("latency of the baseline / its own"), show: times(2), up: true, log: true },
    latency: { title: say("Latency, ms"), hint: say("median of a request on the machine that measured"), show: (value) => compact(value), log: true },
    flips: {
      title: say("Flips"),
      hint: say("items that changed sides"),
      show: String,
      of: (row) => (row.lost === null ? null : row.lost + row.gained),
    },
    macs: { title: say("MACs, M"), hint: say("multiply-accumulates"), show: fixed(1), of: (row) => mega(row.macs), log: true },
    bitRatio: { title: say("Bit-operations ×"), hint: say("times fewer than the baseline's"), show: times(1), up: true, log: true },
    cost: { title: say("Cost, s"), hint: say("wall time of compressing"), show: (value) => compact(value), log: true },
  };
  for (const [key, metric] of Object.entries(METRICS)) metric.of ??= (row) => row[key];

  function mega(value) {
    return value === null ? null : value / 1e6;
  }

  const NAMES = [
    "board",
    "method",
    "status",
    "reason",
    "page",
    "variant",
    "key",
    "rank",
    "ties",
    "speedRank",
    "accuracy",
    "accuracyLow",
    "accuracyHigh",
    "difference",
    "differenceLow",
    "differenceHigh",
    "lost",
    "gained",
    "bytes",
    "download",
    "bits",
    "macs",
    "bitRatio",
    "cost",
    "speed",
    "speedLow",
    "speedHigh",
    "speedVerdict",
    "latency",
    "latencyLow",
    "latencyHigh",
    "launches",
    "stretch",
    "noisy",
    "grade",
    "unranked",
    "provenance",
  ];

  const rows = read();

  function read() {
    const columns = NAMES.map((name) => [name, data.rows[name]]).filter(([, column]) => column);
    const blank = Object.fromEntries(NAMES.map((name) => [name, null]));
    const found = data.rows.board.map((_, index) => {
      const row = { ...blank, index };
      for (const [name, column] of columns) row[name] = column[index];
      row.board = data.boards[row.board];
      row.method = data.methods[row.method];
      row.baseline = row.method.name === data.baseline;
      row.name = `${row.method.name} · ${row.variant}`;
      return row;
    });
    for (const board of data.boards) board.rows = [];
    for (const row of found) {
      row.board.rows.push(row);
      if (row.baseline && !row.status) row.board.baseline = row;
    }
    for (const row of found) {
      const old = row.board.baseline;
      row.ratio = old && row.bytes && row.difference !== null ? old.bytes / row.bytes : null;
      row.verdict = row.difference === null || row.baseline ? null : side(row.differenceLow, row.differenceHigh);
      if (row.baseline) row.speedVerdict = null;
    }
    return found;
  }

  function side(low, high) {
    if (low > 0) return "better";
    return high < 0 ? "worse" : "tie";
  }

  // An element from a tag, attributes and children. Text stays text: nothing here is ever parsed as markup.
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "path", "text", "title"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  }

  const SHAPES = JSON.parse(document.currentScript.dataset.shapes);

  function shape(family, name) {
    const attributes = { class: `shape ${familyClass(family)}`, viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" };
    return make("svg", attributes, make("path", { d: SHAPES[name] ?? SHAPES.cross }));
  }

  function familyClass(family) {
    return `family-${/^[a-z-]+$/.test(family) ? family : family === "token reduction" ? "token-reduction" : "unknown"}`;
  }

  const recordPage = (row) =>
    `${root}record/${row.page ?? `${row.board.model}--${row.method.name}--${row.variant}--${row.board.target}--${row.key}`}.html`;
  const methodPage = (method) => `${root}method/${method.page}.html`;
  const boardPage = (board) => root + (board.alone ? `board/${board.anchor}.html` : `model/${data.models[board.model].page}.html#${board.anchor}`);
  const modelTitle = (name) => data.models[name]?.title ?? name;
  const targetTitle = (name) => data.targets[name]?.title ?? name;

  function link(row) {
    return [
      make("a", { href: methodPage(row.method) }, row.method.name),
      " ",
      make("span", { class: "dot" }, "·"),
      " ",
      make("a", { href: recordPage(row) }, row.variant),
    ];
  }

  function mark(verdict, worse, better) {
    if (!verdict) return null;
    const text = { tie: say("≈ tie"), worse: `▼ ${worse}`, better: `▲ ${better}` }[verdict];
    return make("span", { class: `mark-${verdict}` }, text);
  }

  function range(low, high, show) {
    return low === null || low === undefined ? null : make("span", { class: "under" }, say("{low} to {high}", { low: show(low), high: show(high) }));
  }

  // The target and tier that most was measured on, as `squeezemark recommend` takes them.
  function usual() {
    const counts = new Map();
    for (const board of data.boards) counts.set(board.target, (counts.get(board.target) ?? 0) + board.rows.length);
    return [...counts].sort(([one, first], [other, second]) => second - first || (one < other ? -1 : 1))[0]?.[0] ?? "";
  }

  // The state lies in the address after "#?", readable, defaults left out. What is typed replaces the entry of the history, what is
  // chosen adds one, so that back and forward go from view to view.
  function state(defaults, changed) {
    const now = { ...defaults };
    const text = () =>
      Object.entries(now)
        .filter(([name, value]) => name in defaults && String(value) !== String(defaults[name]))
        .map(
          ([name, value]) =>
            `${name}=${encodeURIComponent(value)
              .replace(/%(2C|3A|2F|20|C2%B7)/g, decodeURIComponent)
              .replaceAll(" ", "+")}`,
        )
        .join("&");
    function load() {
      if (location.hash && !location.hash.startsWith("#?")) return;
      const given = new URLSearchParams(location.hash.slice(2));
      for (const name of Object.keys(defaults)) now[name] = given.get(name) ?? defaults[name];
    }
    function set(changes, typed = false) {
      Object.assign(now, changes);
      const kept = text();
      const url = kept ? `#?${kept}` : location.pathname + location.search;
      if ((kept ? `#?${kept}` : "") !== location.hash) history[typed ? "replaceState" : "pushState"](null, "", url);
      changed();
    }
    const back = () => {
      load();
      changed();
    };
    addEventListener("popstate", back);
    addEventListener("hashchange", back);
    load();
    return { now, set, defaults };
  }

  // Fields of a form stand for names of the state. Returns what puts the state into the form.
  function bind(form, store) {
    const read = (field) => (field.type === "checkbox" ? (field.checked ? field.value : "") : field.value);
    form.addEventListener("input", (event) => {
      const field = event.target;
      if (field.name in store.now)
        store.set({ [field.name]: read(field), ...("page" in store.now ? { page: "1" } : {}) }, ["search", "text"].includes(field.type));
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    return () => {
      for (const field of form.elements) {
        if (!(field.name in store.now) || (field === document.activeElement && ["search", "text"].includes(field.type))) continue;
        if (field.type === "checkbox") field.checked = store.now[field.name] === field.value;
        else field.value = store.now[field.name];
        if (field.selectedIndex === -1) {
          // the address names what is not there
          field.value = store.defaults[field.name];
          store.now[field.name] = field.value;
        }
      }
    };
  }

  function options(select, pairs) {
    for (const [value, text] of pairs) select.add(new Option(text, value));
  }

  const hosts = [...new Set(data.boards.map((board) => board.host))].sort();

  const each = (of) => [...new Set(rows.map(of).filter(Boolean))].sort();

  return {
    root,
    data,
    rows,
    METRICS,
    SHAPES,
    make,
    shape,
    familyClass,
    recordPage,
    methodPage,
    boardPage,
    modelTitle,
    targetTitle,
    link,
    mark,
    range,
    usual,
    state,
    bind,
    options,
    each,
    hosts,
    compact,
    signed,
  };
})();
