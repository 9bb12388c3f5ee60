// Any two metrics against each other, with the frontier of what is shown. plotly.js is a local file of 5 MB, loaded when it is asked for.
"use strict";

(() => {
  const script = document.currentScript;
  const { data, rows, METRICS, make, shape, link } = Squeezemark;
  const form = document.querySelector("form.filters");
  const plot = document.querySelector("#plot");
  const place = document.querySelector("#points");
  if (!form || !plot) return;

  const SYMBOLS = {
    baseline: "star",
    quantization: "circle",
    pruning: "triangle-up",
    distillation: "square",
    "low-rank": "diamond",
    structure: "triangle-down",
    "token reduction": "cross",
    runtime: "hexagon",
    recipe: "line-ew",
    unknown: "x",
  };
  const LISTED = 100;
  const TICKS = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((decade) => [1, 1.5, 2, 3, 5, 7].map((digit) => Number(`${digit}e${decade}`)));
  const WORDS = { on: say("on the frontier"), may: say("possibly"), "": "" };
  const order = (point) => ["on", "may", ""].indexOf(point.state);
  const fields = form.elements;
  const first = data.boards.find((board) => board.target === Squeezemark.usual());
  const defaults = {
    x: "size",
    y: "accuracy",
    xlog: "auto",
    ylog: "auto",
    model: first?.model ?? "",
    target: first?.target ?? "",
    host: Squeezemark.hosts.length > 1 ? (first?.host ?? "") : "",
    family: "",
    division: "",
    grade: "",
    lossless: "",
    q: "",
  };
  let library;

  for (const name of ["x", "y"])
    Squeezemark.options(
      fields[name],
      Object.entries(METRICS).map(([key, metric]) => [key, metric.title]),
    );
  Squeezemark.options(
    fields.model,
    Object.keys(data.models).map((name) => [name, Squeezemark.modelTitle(name)]),
  );
  Squeezemark.options(
    fields.target,
    Object.keys(data.targets).map((name) => [name, Squeezemark.targetTitle(name)]),
  );
  Squeezemark.options(
    fields.host,
    Squeezemark.hosts.map((name) => [name, name]),
  );
  fields.host.parentElement.hidden = Squeezemark.hosts.length < 2;
  for (const [name, of] of [
    ["family", (row) => row.method.family],
    ["division", (row) => row.method.division],
    ["grade", (row) => row.grade],
  ])
    Squeezemark.options(
      fields[name],
      Squeezemark.each(of).map((value) => [value, say(value)]),
    );
  form.hidden = false;
  const store = Squeezemark.state(defaults, show);
  const fill = Squeezemark.bind(form, store);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    store.set(defaults);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  document.querySelector("#ask").hidden = false;
  document.querySelector("#draw").addEventListener("click", start);
  show();

  async function start(event) {
    event.currentTarget.parentElement.hidden = true;
    plot.hidden = false;
    plot.textContent = say("Loading…");
    await load();
    plot.textContent = "";
    await draw();
    plot.on("plotly_click", (clicked) => {
      location.href = clicked.points[0].data.links[clicked.points[0].pointIndex];
    });
    plot.dataset.ready = "";
  }

  // plotly.js inserts style elements unless elements with their ids are there already; the content security policy forbids them.
  function load() {
    library ??= new Promise((resolve, reject) => {
      for (const id of script.dataset.plotlyStyles.split(" ").filter(Boolean)) document.head.append(make("meta", { id }));
      document.head.append(make("script", { src: script.dataset.plotly, onload: resolve, onerror: reject }));
    });
    return library;
  }

  function chosen() {
    const { now } = store;
    const words = now.q.toLowerCase().split(/\s+/).filter(Boolean);
    const [x, y] = [METRICS[now.x] ?? METRICS.size, METRICS[now.y] ?? METRICS.accuracy];
    return rows.filter(
      (row) =>
        !row.status &&
        x.of(row) !== null &&
        y.of(row) !== null &&
        !(row.baseline && [now.x, now.y].some((key) => ["speed", "difference", "flips"].includes(key))) &&
        (!now.model || row.board.model === now.model) &&
        (!now.target || row.board.target === now.target) &&
        (!now.host || row.board.host === now.host) &&
        (!now.family || row.method.family === now.family) &&
        (!now.division || row.method.division === now.division) &&
        (!now.grade || row.grade === now.grade) &&
        (!now.lossless || row.baseline || row.verdict === "tie" || row.verdict === "better") &&
        words.every((word) => row.name.toLowerCase().includes(word)),
    );
  }

  // The ends of a metric's interval, the worse first; a metric without one is exact.
  function ends(row, key) {
    const metric = METRICS[key];
    const value = metric.of(row);
    const [low, high] = [row[`${key}Low`] ?? value, row[`${key}High`] ?? value];
    return metric.up ? { worst: low, value, best: high } : { worst: -high, value: -value, best: -low };
  }

  // "on": nothing is at least as good on both axes and better on one. "may": nothing is surely so, by whole intervals (which is careful:
  // two results of the same items differ by less than their intervals say). "": surely beaten.
  function frontier(found, x, y) {
    const points = found.map((row) => ({ row, x: ends(row, x), y: ends(row, y) }));
    return points.map((mine) => {
      const beats = (end, other) =>
        points.some(
          (one) =>
            one !== mine &&
            one.x[end] >= mine.x[other] &&
            one.y[end] >= mine.y[other] &&
            (one.x[end] > mine.x[other] || one.y[end] > mine.y[other]),
        );
      return { ...mine, state: !beats("value", "value") ? "on" : beats("worst", "best") ? "" : "may" };
    });
  }

  // A machine that has no such board gives way to all machines, so that a model or target can be chosen without thinking of it.
  function show() {
    const { now } = store;
    const there = ({ model, target, host }) => host === now.host && (!now.model || model === now.model) && (!now.target || target === now.target);
    if (now.host && !data.boards.some(there)) now.host = "";
    fill();
    if (!METRICS[now.x]) now.x = "size";
    if (!METRICS[now.y]) now.y = "accuracy";
    const found = frontier(chosen(), now.x, now.y);
    form.querySelector(".count").value =
      say("{n} results, {on} on the frontier, {may} possibly", { n: found.length, on: many(found, "on"), may: many(found, "may") });
    place.replaceChildren(...listed(found));
    if (plot.dataset.ready !== undefined) draw(found);
  }

  function many(found, state) {
    return found.filter((point) => point.state === state).length;
  }

  function listed(found) {
    const { now } = store;
    const shown = [...found]
      .sort((one, other) => order(one) - order(other) || other.y.value - one.y.value || one.row.index - other.row.index)
      .slice(0, LISTED);
    const several = new Set(found.map((point) => point.row.board)).size > 1;
    const hosts = new Set(found.map((point) => point.row.board.host)).size > 1;
    const note =
      several &&
      make(
        "p",
        { class: "note" },
        say(
          "More than one board is shown. Accuracy, size and milliseconds of different models, targets or machines do not compare; ratios against each one's own baseline do. Choose one model, one target and one machine for a frontier that means something.",
        ),
      );
    const table = make(
      "table",
      {},
      make(
        "caption",
        {},
        found.length > LISTED
          ? say("What the chart shows, as a table: the first {most} of {n}.", { most: LISTED, n: found.length })
          : say("What the chart shows, as a table."),
        " ",
        say("Possibly: nothing shown is surely at least as good on both axes, by whole 95 % intervals."),
      ),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", { scope: "col" }, say("Method · variant")),
          ...["x", "y"].map((axis) => make("th", { scope: "col", class: "number" }, METRICS[now[axis]].title)),
          make("th", { scope: "col" }, say("Frontier")),
        ),
      ),
      make(
        "tbody",
        {},
        shown.map((point) =>
          make(
            "tr",
            { "data-state": point.state, "data-key": point.row.key },
            make(
              "th",
              { scope: "row" },
              shape(point.row.method.family, point.row.method.shape),
              " ",
              link(point.row),
              several
                ? make(
                    "span",
                    { class: "under" },
                    Squeezemark.modelTitle(point.row.board.model),
                    ", ",
                    Squeezemark.targetTitle(point.row.board.target),
                    hosts ? [", ", point.row.board.host] : "",
                  )
                : null,
            ),
            ["x", "y"].map((axis) => make("td", { class: "number" }, written(point.row, now[axis]))),
            make("td", {}, WORDS[point.state]),
          ),
        ),
      ),
    );
    return [note || "", make("div", { class: "scroller", role: "region", tabindex: "0", "aria-label": say("The chart as a table") }, table)];
  }

  function written(row, key) {
    const { of, show: write } = METRICS[key];
    return [write(of(row)), Squeezemark.range(row[`${key}Low`], row[`${key}High`], write)];
  }

  function draw(found = frontier(chosen(), store.now.x, store.now.y)) {
    const groups = new Map();
    for (const point of found) groups.set(point.row.method.family, [...(groups.get(point.row.method.family) ?? []), point]);
    const traces = [curve(found), ...[...groups].sort().map(([family, points]) => trace(family, points))];
    return window.Plotly.react(plot, traces, layout(), { displayModeBar: false, responsive: true, showTips: false });
  }

  function curve(found) {
    const on = found
      .filter((point) => point.state === "on")
      .sort((one, other) => METRICS[store.now.x].of(one.row) - METRICS[store.now.x].of(other.row));
    return {
      type: "scatter",
      mode: "lines",
      name: say("frontier"),
      x: on.map((point) => METRICS[store.now.x].of(point.row)),
      y: on.map((point) => METRICS[store.now.y].of(point.row)),
      line: { color: style("--accent"), width: 1.6 },
      hoverinfo: "skip",
    };
  }

  // Filled: on the frontier. Ringed in ink: possibly. Open: surely beaten. The shape and the colour are the family's.
  function trace(family, points) {
    const { now } = store;
    const colour = colourOf(family);
    const open = family === "unknown" || family === "recipe" ? "" : "-open";
    return {
      type: "scatter",
      mode: "markers",
      name: say(family),
      x: points.map((point) => METRICS[now.x].of(point.row)),
      y: points.map((point) => METRICS[now.y].of(point.row)),
      error_x: whiskers(points, now.x, colour),
      error_y: whiskers(points, now.y, colour),
      text: points.map((point) => hover(point)),
      hoverinfo: "text",
      links: points.map((point) => Squeezemark.recordPage(point.row)),
      marker: {
        color: colour,
        symbol: points.map((point) => (SYMBOLS[family] ?? "x") + (point.state ? "" : open)),
        size: points.map((point) => (point.state === "on" ? 13 : 10)),
        opacity: points.map((point) => (point.state ? 1 : 0.65)),
        line: {
          color: points.map((point) => (point.state === "may" ? style("--ink") : colour)),
          width: points.map((point) => (family === "recipe" ? 4 : point.state === "may" ? 2 : 1.2)),
        },
      },
    };
  }

  function whiskers(points, key, color) {
    const known = points
      .map(({ row }) => [METRICS[key].of(row), row[`${key}Low`], row[`${key}High`]])
      .map(([value, low, high]) => [value, low ?? value, high ?? value]);
    return {
      type: "data",
      symmetric: false,
      color,
      thickness: 1,
      width: 0,
      array: known.map(([value, , high]) => high - value),
      arrayminus: known.map(([value, low]) => value - low),
    };
  }

  function hover({ row, state }) {
    const { now } = store;
    const told = [...new Set([now.x, now.y, "accuracy", "size", "speed"])]
      .filter((key) => METRICS[key].of(row) !== null)
      .map((key) => {
        const [low, high] = [row[`${key}Low`], row[`${key}High`]];
        return `${METRICS[key].title}: ${METRICS[key].show(METRICS[key].of(row))}${low === undefined || low === null ? "" : ` (${say("{low} to {high}", { low: METRICS[key].show(low), high: METRICS[key].show(high) })})`}`;
      });
    return [inert(row.name), ...told, WORDS[state]].filter(Boolean).join("<br>");
  }

  // plotly.js reads a little HTML in texts, and would set inline styles for most of it.
  function inert(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  }

  function style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function colourOf(family) {
    return family === "baseline" ? style("--ink") : style(`--${family.replaceAll(" ", "-")}`) || style("--muted");
  }

  function layout() {
    const { now } = store;
    const axis = (key, scale) => ({
      title: { text: METRICS[key].title },
      ...((scale === "auto" ? METRICS[key].log : scale === "log")
        ? { type: "log", tickmode: "array", tickvals: TICKS, ticktext: TICKS.map(String) }
        : { type: "linear", tickmode: "auto" }),
      autorange: METRICS[key].up || key === now.y ? true : "reversed",
      gridcolor: style("--line"),
      zerolinecolor: style("--strong-line"),
      automargin: true,
      exponentformat: "none",
    });
    return {
      xaxis: axis(now.x, now.xlog),
      yaxis: axis(now.y, now.ylog),
      hovermode: "closest",
      dragmode: "zoom",
      margin: { l: 60, r: 16, t: 10, b: 50 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "inherit", size: 13, color: style("--ink") },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: style("--raised"), bordercolor: style("--strong-line"), font: { color: style("--ink") }, align: "left" },
    };
  }
})();
