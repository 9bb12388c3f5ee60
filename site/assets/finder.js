// The answer finder: a wish in, for each model what meets it, by the rules of advice.js. Without this file the default answers stand there.
"use strict";

(() => {
  const { data, make, shape, link, mark, METRICS, rows } = Squeezemark;
  const form = document.querySelector("form.finder");
  const place = document.querySelector("#advice");
  if (!form || !place || !rows.length) return;

  const SHOWN = 3;
  const DEPTH = 0.85; // of the best accuracy: below, the differences that matter could not be seen
  const UNITS = { "": 1e6, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
  const defaults = { target: Squeezemark.usual(), host: "", model: "", loss: "1", size: "", latency: "", division: "", licence: "", prefer: "" };
  const fields = form.elements;

  Squeezemark.options(
    fields.target,
    Object.keys(data.targets).map((name) => [name, Squeezemark.targetTitle(name)]),
  );
  Squeezemark.options(
    fields.host,
    Squeezemark.hosts.map((name) => [name, name]),
  );
  fields.host.parentElement.hidden = Squeezemark.hosts.length < 2;
  Squeezemark.options(
    fields.model,
    Object.keys(data.models).map((name) => [name, Squeezemark.modelTitle(name)]),
  );
  Squeezemark.options(
    fields.licence,
    Squeezemark.each((row) => row.method.licence).map((name) => [name, name]),
  );
  form.hidden = false;
  const store = Squeezemark.state(defaults, show);
  const fill = Squeezemark.bind(form, store);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    store.set(defaults);
  });
  show();

  function wishOf(now) {
    const size = /^\s*(\d*\.?\d+)\s*([a-z]*)\s*$/i.exec(now.size.replace(",", "."));
    const unit = size && UNITS[size[2].toLowerCase()];
    const bytes = size && unit && Number(size[1]) > 0 ? Number(size[1]) * unit : null;
    const positive = (text) => (Number(text) > 0 ? Number(text) : null);
    return {
      bytes,
      badSize: Boolean(now.size.trim()) && bytes === null,
      loss: now.loss === "any" || !(Number(now.loss) >= 0) ? null : Number(now.loss) / 100,
      latency: positive(now.latency),
      divisions: now.division ? now.division.split(",") : [],
      licences: now.licence ? [now.licence] : [],
      prefer: now.prefer || (bytes === null ? "smaller" : "faster"),
    };
  }

  function show() {
    fill();
    const { now } = store;
    const wish = wishOf(now);
    const asked = (board) => board.target === now.target && board.baseline && (!now.model || board.model === now.model);
    const there = { "": (board) => !board.alone, any: () => true }[now.host] ?? ((board) => board.host === now.host);
    const here = data.boards.filter((board) => asked(board) && there(board));
    const tier = here.some((board) => board.tier === "full") ? "full" : "quick";
    const timed = data.targets[now.target]?.ranked !== false;
    const mute = !timed && (wish.latency !== null || wish.prefer === "faster");
    form.querySelector(".finder-note").textContent = wish.badSize
      ? say("Write a size like 5MB, 800kB or 1.5GiB.")
      : mute
        ? say("{target} is emulated: its times mean nothing, so that neither a latency nor speed can be asked for there.", {
            target: Squeezemark.targetTitle(now.target),
          })
        : "";
    const boards = here.filter((board) => board.tier === tier).sort((a, b) => (a.model === b.model ? b.rows.length - a.rows.length : a.model < b.model ? -1 : 1));
    const found = mute || wish.badSize ? [] : boards.map((board) => Advice.recommend(board, wish));
    place.replaceChildren(...found.map((advice) => card(advice, wish)));
    if (!found.length && !mute && !wish.badSize) place.append(make("p", { class: "note" }, say("Nothing has been measured there yet.")));
    place.dataset.ready = "";
    const fit = found.reduce((sum, advice) => sum + advice.picks.length, 0);
    form.querySelector(".count").value = found.length
      ? sayCount(fit, "{n} result fits", "{n} results fit") + say(", ") + sayCount(found.length, "on {n} board", "on {n} boards")
      : "";
  }

  function card(advice, wish) {
    const { board, picks } = advice;
    const title = make(
      "h3",
      {},
      make("a", { href: Squeezemark.boardPage(board) }, Squeezemark.modelTitle(board.model)),
      make(
        "span",
        { class: "under" },
        say("uncompressed: {metric} {accuracy}, {size} MB", {
          metric: say(board.metric),
          accuracy: METRICS.accuracy.show(board.baseline.accuracy),
          size: METRICS.size.show(board.baseline.bytes / 1e6),
        }) +
          (board.baseline.latency ? `${say(", ")}${Squeezemark.compact(board.baseline.latency)} ms` : ""),
      ),
      Squeezemark.hosts.length > 1 ? make("span", { class: "under" }, board.host) : "",
    );
    const made = make("article", { class: "advice", "data-board": board.anchor }, title, elsewhere(board));
    if (!picks.length) made.append(make("p", { class: "headline" }, make("span", { class: "quiet" }, say("Nothing fits."))));
    else made.append(...told(advice, wish));
    made.append(fallenWords(advice));
    const chart = picture(advice, wish);
    if (chart) made.append(chart);
    if (picks.length) made.append(command(picks[0].row), links(advice));
    return made;
  }

  function elsewhere(board) {
    const same = (other) => ["model", "target", "tier", "seed"].every((name) => other[name] === board[name]);
    const others = data.boards.filter((other) => other !== board && same(other));
    if (!others.length) return "";
    const links = others.map((other, index) => [index ? say(", ") : "", make("a", { href: Squeezemark.boardPage(other) }, other.host)]);
    return make("span", { class: "under" }, say("Also measured on"), " ", links);
  }

  function told({ picks }, wish) {
    const tied = picks.filter((pick) => pick.rank === 1);
    const first = tied[0].row;
    const counts = { n: picks.length, tied: tied.length };
    const fast = wish.prefer === "faster";
    const reason = picks.length === 1
      ? say("The only one that fits.")
      : tied.length === 1
        ? fast
          ? say("The fastest of {n} that fit.", counts)
          : say("The smallest of {n} that fit.", counts)
        : fast
          ? say("The fastest of {n} that fit: {tied} cannot be told apart, the most accurate of them is shown first.", counts)
          : say("The smallest of {n} that fit: {tied} cannot be told apart, the most accurate of them is shown first.", counts);
    const list = make(
      "ol",
      { class: "picks" },
      picks
        .slice(0, SHOWN)
        .map(({ row, rank }) =>
          make(
            "li",
            { "data-key": row.key, "data-rank": rank },
            make("span", { class: "pick-rank" }, `${picks.filter((pick) => pick.rank === rank).length > 1 ? "=" : ""}${rank}`),
            shape(row.method.family, row.method.shape),
            make("span", {}, link(row), make("span", { class: "under" }, figures(row))),
          ),
        ),
    );
    return [
      make("p", { class: "headline" }, make("span", { class: "figure" }, headline(first, wish)), make("span", { class: "under" }, reason)),
      list,
    ];
  }

  function headline(row, wish) {
    return wish.prefer === "faster" && row.speed !== null
      ? say("{times} as fast", { times: METRICS.speed.show(row.speed) })
      : row.ratio >= 1.02
        ? say("{times} smaller", { times: METRICS.ratio.show(row.ratio) })
        : say("no smaller");
  }

  function figures(row) {
    return [
      `${METRICS.size.show(row.bytes / 1e6)} MB`,
      row.speed === null ? null : [say(", "), say("{times} as fast", { times: METRICS.speed.show(row.speed) }), row.unranked ? ` (${say("not ranked")})` : ""],
      say(", "),
      say("accuracy {value} ({low} to {high})", {
        value: Squeezemark.signed(row.difference),
        low: Squeezemark.signed(row.differenceLow),
        high: Squeezemark.signed(row.differenceHigh),
      }),
      " ",
      mark(row.verdict, say("loss"), say("gain")),
    ];
  }

  function fallenWords({ picks, fallen }) {
    const all = picks.length + fallen.reduce((sum, [, count]) => sum + count, 0);
    const words = fallen.map(([reason, count]) => `${count} ${say(reason)}`).join(say(", "));
    return make("p", { class: "under" }, words ? say("{n} of {all} variants fit: {words}.", { n: picks.length, all, words }) : say("{n} of {all} variants fit.", { n: picks.length, all }));
  }

  function command(row) {
    const text = `squeezemark compress --model ${row.board.given ?? row.board.model} --recipe ${row.method.name}/${row.variant} --out deployed`;
    return make("pre", { class: "command", tabindex: "0", "aria-label": say("Command to reproduce the first") }, make("code", {}, text));
  }

  function links({ board, picks }) {
    const keys = [board.baseline, ...picks.slice(0, SHOWN).map((pick) => pick.row)].map((row) => row.key).join(",");
    const where = Object.entries({ model: board.model, target: board.target, ...(Squeezemark.hosts.length > 1 ? { host: board.host } : {}) })
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join("&");
    return make(
      "p",
      { class: "onward" },
      make("a", { href: `compare.html#?of=${keys}` }, say("Compare these")),
      " ",
      make("a", { href: `table.html#?${where}` }, say("All in the table")),
      " ",
      make("a", { href: `explore.html#?${where}` }, say("Explore")),
    );
  }

  // The trade-off: what fits is filled, what fell out is faint; dashed lines are the limits that were asked for.
  function picture({ board, picks }, wish) {
    const fast = wish.prefer === "faster" && board.rows.some((row) => row.speed !== null);
    const of = (row) => (fast ? row.speed : METRICS.size.of(row));
    const drawn = board.rows.filter((row) => row.accuracy !== null && of(row) !== null && (!fast || !row.baseline));
    if (drawn.length < 2) return null;
    const best = Math.max(...drawn.map((row) => row.accuracy));
    const above = drawn.filter((row) => row.accuracy >= best * DEPTH);
    const frame = { width: 520, height: 210, left: 40, right: 14, top: 20, bottom: 36 };
    const x = axis(above.map(of), frame.left, frame.width - frame.right, !fast, true);
    const y = axis([...above.map((row) => row.accuracy), best * 1.01], frame.height - frame.bottom, frame.top, false, false);
    const floor = frame.height - frame.bottom;
    const rank = new Map(picks.map((pick) => [pick.row, pick.rank]));
    const svg = make("svg", {
      class: "plot finder-plot",
      viewBox: `0 0 ${frame.width} ${frame.height}`,
      role: "group",
      "aria-label": fast
        ? say("Accuracy against speed-up of {model}; the same results are in the table", { model: Squeezemark.modelTitle(board.model) })
        : say("Accuracy against size of {model}; the same results are in the table", { model: Squeezemark.modelTitle(board.model) }),
    });
    const grid = make(
      "g",
      { class: "grid" },
      y
        .ticks(4)
        .map((tick) => [
          make("path", { d: `M${frame.left} ${y.at(tick)}H${frame.width - frame.right}` }),
          make("text", { x: frame.left - 7, y: y.at(tick) + 4, "text-anchor": "end" }, Squeezemark.compact(tick)),
        ]),
      x
        .ticks(7)
        .map((tick) => [
          make("path", { d: `M${x.at(tick)} ${floor}v5` }),
          make("text", { x: x.at(tick), y: floor + 17, "text-anchor": "middle" }, Squeezemark.compact(tick)),
        ]),
      make("path", { class: "axis", d: `M${frame.left} ${floor}H${frame.width - frame.right}` }),
      make(
        "text",
        { class: "axis-title", x: frame.width - frame.right, y: frame.height - 4, "text-anchor": "end" },
        fast ? say("speed-up →") : say("MB, smaller →"),
      ),
      make("text", { class: "axis-title", x: frame.left, y: 11 }, `↑ ${say(board.metric)}`),
    );
    svg.append(grid, ...limits(board, wish, fast, x, y, frame));
    for (const row of [...above].sort((one, other) => rank.has(one) - rank.has(other) || (rank.get(other) ?? 9) - (rank.get(one) ?? 9)))
      svg.append(point(row, rank.get(row), x.at(of(row)), y.at(row.accuracy)));
    const hidden = drawn.length - above.length;
    return make(
      "figure",
      { class: "finder-chart" },
      svg,
      hidden ? make("figcaption", { class: "under" }, say("{n} far below are in the table only.", { n: hidden })) : null,
    );
  }

  function limits(board, wish, fast, x, y, frame) {
    const lines = [];
    if (wish.loss !== null) lines.push(`M${frame.left} ${y.at(board.baseline.accuracy - wish.loss)}H${frame.width - frame.right}`);
    if (wish.bytes !== null && !fast) lines.push(`M${x.at(wish.bytes / 1e6)} ${frame.top}V${frame.height - frame.bottom}`);
    return lines.map((d) => make("path", { class: "reference", d }));
  }

  function point(row, rank, x, y) {
    const path = Squeezemark.SHAPES[row.method.shape] ?? Squeezemark.SHAPES.cross;
    const made = document.createElementNS("http://www.w3.org/2000/svg", "a");
    made.setAttribute("href", Squeezemark.recordPage(row));
    made.setAttribute(
      "class",
      `${Squeezemark.familyClass(row.method.family)}${rank || row.baseline ? "" : " faint"}${row.verdict === "worse" ? " open" : ""}`,
    );
    if (rank !== 1) made.setAttribute("tabindex", "-1");
    made.append(
      make(
        "title",
        {},
        [
          say("{name}: accuracy {accuracy}, {size} MB", {
            name: row.name,
            accuracy: METRICS.accuracy.show(row.accuracy),
            size: METRICS.size.show(row.bytes / 1e6),
          }),
          row.speed === null ? "" : say("{times} as fast", { times: METRICS.speed.show(row.speed) }),
        ]
          .filter(Boolean)
          .join(say(", ")),
      ),
    );
    if (rank === 1)
      made.append(make("path", { class: "ring", transform: `translate(${x} ${y})`, d: "M-9.5 0a9.5 9.5 0 1 0 19 0a9.5 9.5 0 1 0-19 0Z" }));
    made.append(make("path", { class: "point", transform: `translate(${x} ${y})`, d: path }));
    return made;
  }

  function axis(values, start, end, flipped, log) {
    const warp = log ? Math.log : (value) => value;
    let [low, high] = [Math.min(...values), Math.max(...values)];
    [low, high] = log ? [low / 1.06, high * 1.06] : [low - (high - low) * 0.05, high];
    const span = warp(high) - warp(low) || 1;
    const at = (value) => {
      const share = Math.min(1, Math.max(0, (warp(value) - warp(low)) / span));
      return Math.round((start + (flipped ? 1 - share : share) * (end - start)) * 10) / 10;
    };
    return { at, ticks: (most) => (log ? logTicks(low, high, most) : linearTicks(low, high, most)) };
  }

  function linearTicks(low, high, most) {
    const unit = 10 ** Math.floor(Math.log10((high - low) / most));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((wide) => (high - low) / wide <= most) ?? unit * 20;
    const found = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9; index += 1) found.push(index * step);
    return found;
  }

  function logTicks(low, high, most) {
    let found = [];
    for (const digits of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]]) {
      const next = [];
      for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade += 1)
        next.push(...digits.map((digit) => digit * 10 ** decade));
      const inside = next.filter((value) => value >= low && value <= high);
      if (inside.length > most) break;
      found = inside;
    }
    return found;
  }
})();
