// Draws the rows of a table as an interactive chart. plotly.js is a local file of 5 MB, loaded when somebody asks for it.
"use strict";

(() => {
  const script = document.currentScript;
  const AXES = {
    size: "size, MB", download: "download, MB", speed: "speed-up", latency: "latency, ms",
    accuracy: "accuracy", difference: "difference to the baseline", cost: "cost of compressing, s", flips: "flips",
  };
  const SYMBOLS = {
    baseline: "star", quantization: "circle", pruning: "triangle-up", distillation: "square", "low-rank": "diamond",
    structure: "triangle-down", "token reduction": "cross", runtime: "hexagon", recipe: "line-ew-open", unknown: "x",
  };
  let library;

  for (const box of document.querySelectorAll(".explorer")) {
    const table = box.parentElement.querySelector("table.board");
    if (!table) continue;
    box.hidden = false;
    box.querySelector(".explore").addEventListener("click", (event) => toggle(event.currentTarget, box.querySelector(".explorer-panel"), table));
  }

  async function toggle(button, panel, table) {
    const open = panel.hidden;
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Close the explorer" : "Explore";
    if (!open || panel.childElementCount) return;
    const choices = { x: chooser(panel, "Across", "size"), y: chooser(panel, "Up", "accuracy") };
    const plot = document.createElement("div");
    plot.className = "explorer-plot";
    plot.textContent = "Loading…";
    panel.append(plot);
    await load();
    plot.textContent = "";
    const redraw = () => { if (!panel.hidden) draw(plot, table, choices.x.value, choices.y.value); };
    panel.addEventListener("input", redraw);
    document.addEventListener("board:change", redraw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    await draw(plot, table, choices.x.value, choices.y.value);
    plot.on("plotly_click", (event) => { location.href = event.points[0].data.links[event.points[0].pointIndex]; });
    panel.dataset.ready = "";
  }

  function chooser(panel, title, chosen) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    for (const [key, text] of Object.entries(AXES)) select.add(new Option(text, key, key === chosen, key === chosen));
    label.append(title, select);
    panel.append(label);
    return select;
  }

  // plotly.js inserts style elements unless elements with their ids are there already; the content security policy forbids them.
  function load() {
    library ??= new Promise((resolve, reject) => {
      for (const id of script.dataset.plotlyStyles.split(" ").filter(Boolean)) {
        const place = document.createElement("meta");
        place.id = id;
        document.head.append(place);
      }
      const element = document.createElement("script");
      element.src = script.dataset.plotly;
      element.onload = resolve;
      element.onerror = reject;
      document.head.append(element);
    });
    return library;
  }

  function rows(table) {
    const keys = [...table.tHead.rows[0].cells].map((head) => head.dataset.key);
    return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => {
      const found = { family: row.dataset.family, link: row.cells[1].querySelector("a:last-of-type").href };
      let start = 0;
      for (const cell of row.cells) {
        found[keys[start]] = cell.dataset;
        start += cell.colSpan;
      }
      return found;
    });
  }

  function draw(plot, table, x, y) {
    const groups = new Map();
    for (const row of rows(table)) {
      if (row[x]?.value === undefined || row[y]?.value === undefined) continue;
      groups.set(row.family, [...(groups.get(row.family) ?? []), row]);
    }
    const traces = [...groups].sort().map(([family, found]) => trace(family, found, x, y));
    return window.Plotly.react(plot, traces, layout(x, y), { displayModeBar: false, responsive: true, showTips: false });
  }

  function trace(family, found, x, y) {
    const colour = colourOf(family);
    return {
      type: "scatter", mode: "markers", name: family,
      x: found.map((row) => Number(row[x].value)), y: found.map((row) => Number(row[y].value)),
      error_x: whiskers(found, x, colour), error_y: whiskers(found, y, colour),
      text: found.map((row) => hover(row, x, y)), hoverinfo: "text", links: found.map((row) => row.link),
      marker: { color: colour, symbol: SYMBOLS[family] ?? "x", size: 11, line: { color: colour, width: family === "recipe" ? 4 : 1 } },
    };
  }

  function whiskers(found, key, colour) {
    const ends = found.map(({ [key]: cell }) => [cell.value, cell.low ?? cell.value, cell.high ?? cell.value].map(Number));
    return {
      type: "data", symmetric: false, color: colour, thickness: 1, width: 0,
      array: ends.map(([value, , high]) => high - value), arrayminus: ends.map(([value, low]) => value - low),
    };
  }

  function hover(row, x, y) {
    const lines = [...new Set([x, y, "accuracy", "size", "speed"])].map((key) => [AXES[key], row[key]]);
    const told = lines.filter(([, cell]) => cell?.value !== undefined).map(([title, cell]) => {
      const range = cell.low === undefined ? "" : ` (${round(cell.low)} to ${round(cell.high)})`;
      return `${title}: ${round(cell.value)}${range}`;
    });
    return [inert(row.method.value), ...told].join("<br>");
  }

  function round(text) {
    return String(Number(Number(text).toPrecision(4)));
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

  function layout(x, y) {
    const axis = (key) => ({
      title: { text: AXES[key] }, type: ["size", "download", "speed", "latency"].includes(key) ? "log" : "linear",
      gridcolor: style("--line"), zerolinecolor: style("--strong-line"), automargin: true, exponentformat: "none",
    });
    return {
      xaxis: axis(x), yaxis: axis(y), hovermode: "closest", dragmode: "zoom", margin: { l: 60, r: 16, t: 10, b: 50 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "inherit", size: 13, color: style("--ink") },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: style("--raised"), bordercolor: style("--strong-line"), font: { color: style("--ink") }, align: "left" },
    };
  }
})();
