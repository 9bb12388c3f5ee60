// Two to six results side by side. The address names them by the start of their content keys: compare.html#?of=1a2b…,3c4d…
"use strict";

(() => {
  const { data, rows, METRICS, make, shape, range, mark } = Squeezemark;
  const form = document.querySelector("form.picker");
  const place = document.querySelector("#side-by-side");
  if (!form || !place) return;

  const MOST = 6;
  const LINES = [
    ["accuracy", (row) => range(row.accuracyLow, row.accuracyHigh, METRICS.accuracy.show)],
    ["difference", (row) => [" ", mark(row.verdict, say("loss"), say("gain")), range(row.differenceLow, row.differenceHigh, Squeezemark.signed)]],
    ["flips", (row) => make("span", { class: "under" }, row.lost === null ? "" : say("{lost} lost, {gained} gained", row))],
    ["size"],
    ["ratio"],
    ["download"],
    ["bits"],
    [
      "speed",
      (row) => [
        " ",
        row.unranked ? make("span", { class: "noisy" }, say("not ranked")) : mark(row.speedVerdict, say("slower"), say("faster")),
        range(row.speedLow, row.speedHigh, (value) => value.toFixed(2)),
      ],
    ],
    ["latency", (row) => range(row.latencyLow, row.latencyHigh, Squeezemark.compact)],
    ["macs"],
    ["bitRatio"],
    ["cost"],
  ];
  const fields = form.elements;
  const good = rows.filter((row) => !row.status);
  const byKey = new Map(good.map((row) => [row.key, row]));
  const titles = (board) => [Squeezemark.modelTitle(board.model), Squeezemark.targetTitle(board.target), say("{tier} tier", { tier: say(board.tier) })].join(say(", "));

  data.boards.forEach((board, index) => fields.board.add(new Option(titles(board) + (twins(board) ? `, ${board.host}` : ""), index)));
  form.hidden = false;
  fields.board.addEventListener("input", fillRows);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (fields.row.value) set([...keysNow(), fields.row.value]);
  });
  const store = Squeezemark.state({ of: "" }, show);
  startBoard();
  show();

  function twins(board) {
    return data.boards.filter((other) => titles(other) === titles(board)).length > 1;
  }

  function keysNow() {
    return store.now.of.split(",").filter(Boolean);
  }

  function set(keys) {
    store.set({ of: [...new Set(keys)].slice(0, MOST).join(",") });
  }

  function startBoard() {
    const first = byKey.get(keysNow()[0])?.board ?? data.boards.find((board) => board.target === Squeezemark.usual()) ?? data.boards[0];
    fields.board.value = data.boards.indexOf(first);
    fillRows();
  }

  function fillRows() {
    const board = data.boards[fields.board.value];
    const found = good.filter((row) => row.board === board && !keysNow().includes(row.key));
    fields.row.replaceChildren(...found.map((row) => new Option(row.name, row.key)));
  }

  function show() {
    const keys = keysNow();
    const found = keys
      .map((key) => byKey.get(key))
      .filter(Boolean)
      .slice(0, MOST);
    form.querySelector("button").disabled = found.length >= MOST;
    const lost = keys.filter((key) => !byKey.has(key));
    place.replaceChildren(
      ...(lost.length
        ? [make("p", { class: "note" }, say("Not here, or without a result: {names}. A newer record may have taken its place.", { names: lost.join(say(", ")) }))]
        : []),
      ...(found.length
        ? [table(found), ...told(found)]
        : [
            make(
              "p",
              { class: "note" },
              say("Nothing is chosen yet. Add results above, or tick them in the table:"),
              " ",
              make("a", { href: "table.html" }, say("Table")),
            ),
          ]),
    );
    fillRows();
  }

  function table(found) {
    const head = found.map((row) =>
      make(
        "th",
        { scope: "col" },
        make("a", { href: Squeezemark.methodPage(row.method) }, row.method.name),
        make("br"),
        make("a", { href: Squeezemark.recordPage(row) }, row.variant),
        make("span", { class: "under" }, shape(row.method.family, row.method.shape), ` ${say(row.method.family)}`),
        make(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": say("Take {name} away", row),
            onclick: () => set(keysNow().filter((key) => key !== row.key)),
          },
          say("Take away"),
        ),
      ),
    );
    const where = line(
      say("Model"),
      (row) => make("a", { href: Squeezemark.boardPage(row.board) }, Squeezemark.modelTitle(row.board.model)),
      found,
    );
    const target = line(
      say("Target"),
      (row) => [Squeezemark.targetTitle(row.board.target), make("span", { class: "under" }, `${row.board.host}, ${say("{tier} tier", { tier: say(row.board.tier) })}`)],
      found,
    );
    const rank = line(say("Rank by accuracy"), (row) => row.rank ?? "–", found);
    const trust = line(
      say("Host grade"),
      (row) => [row.grade ?? "–", row.provenance ? make("span", { class: "under" }, say(row.provenance)) : null],
      found,
    );
    const body = LINES.map(([key, more]) => {
      const { title, of, show: write, hint } = METRICS[key];
      return line(
        [title, make("span", { class: "under" }, hint)],
        (row) => (of(row) === null ? "–" : [write(of(row)), more?.(row) ?? null]),
        found,
      );
    });
    return make(
      "div",
      { class: "scroller", role: "region", tabindex: "0", "aria-label": say("Side by side") },
      make(
        "table",
        { class: "compare" },
        make("caption", {}, say("{n} results side by side. Intervals are 95 %; marks are against each one's own baseline.", { n: found.length })),
        make("thead", {}, make("tr", {}, make("td", {}), head)),
        make("tbody", {}, where, target, rank, body, trust),
      ),
    );
  }

  function line(title, cell, found) {
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, title),
      found.map((row) => make("td", {}, cell(row))),
    );
  }

  // What may be said of them together: accuracies by the tie letters of their board, speeds by Welch's t among those that are shown.
  function told(found) {
    if (found.length < 2) return [];
    if (found.some((row) => row.board !== found[0].board)) {
      return [
        make(
          "p",
          { class: "note" },
          say(
            "They are of different boards. Accuracy, milliseconds and megabytes of different models or targets do not compare; differences and speed-ups, each against its own baseline, do.",
          ),
        ),
      ];
    }
    return [
      make("h2", {}, say("Who is better")),
      make(
        "ul",
        { class: "said" },
        accuracies(found),
        speeds(found).map((text) => make("li", {}, text)),
      ),
    ];
  }

  function accuracies(found) {
    if (!found.every((row) => row.ties)) return null;
    const pairs = found.flatMap((one, place) =>
      found.slice(place + 1).map((other) => (one.accuracy >= other.accuracy ? [one, other] : [other, one])),
    );
    const sure = pairs.filter(([high, low]) => ![...high.ties].some((letter) => low.ties.includes(letter)));
    const said = sure.map(([high, low]) => make("li", {}, say("Accuracy: {high} is surely better than {low}.", { high: high.name, low: low.name })));
    if (sure.length < pairs.length)
      said.push(
        make(
          "li",
          {},
          sure.length
            ? say("Accuracy: all other pairs cannot be told apart.")
            : say("Accuracy: none of them can be told apart from another."),
        ),
      );
    return said;
  }

  function speeds(found) {
    const timed = found.filter((row) => row.speed !== null && !row.unranked && !row.baseline);
    if (timed.length < 2) return [];
    const ranks = Advice.speedRanks(timed);
    const first = timed.filter((_, place) => ranks[place] === 1).map((row) => row.name);
    const told = { n: timed.length, names: first.join(say(", ")) };
    if (first.length === 1) return [say("Speed: {names} is surely the fastest of {n} (Welch's t, corrected for their number).", told)];
    return [
      timed.length > first.length
        ? say("Speed: {names} cannot be told apart; the others are surely slower than one of them.", told)
        : say("Speed: {names} cannot be told apart; none is surely faster.", told),
    ];
  }
})();
