// The rules of `squeezemark recommend` (suite/recommend.py, suite/ranks.py): the same question has the same answer. A test compares them.
"use strict";

const Advice = (() => {
  const MARGIN = 0.01;
  const SAME_SIZE = 0.01;
  const ERROR = 0.05;
  const CELLS = 20_000;
  const tables = new Map();

  // Student's t within sqrt(freedom) tan(a) on both sides: a has the density cos(a)^(freedom - 1).
  function quantile(freedom, confidence) {
    if (!tables.has(freedom)) {
      const area = new Float64Array(CELLS + 1);
      const step = Math.PI / 2 / CELLS;
      for (let cell = 1; cell <= CELLS; cell += 1) {
        area[cell] = area[cell - 1] + Math.cos((cell - 1) * step) ** (freedom - 1) + Math.max(0, Math.cos(cell * step)) ** (freedom - 1);
      }
      tables.set(freedom, area);
    }
    const area = tables.get(freedom);
    const wanted = confidence * area[CELLS];
    let [low, high] = [0, CELLS];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (area[middle] <= wanted) low = middle;
      else high = middle;
    }
    const share = (wanted - area[low]) / (area[high] - area[low]);
    return Math.sqrt(freedom) * Math.tan(((low + share) * Math.PI) / 2 / CELLS);
  }

  // 1 + the rows that are surely faster, corrected for how many there are: Welch's t of two independent samples of launches.
  function speedRanks(rows) {
    if (rows.length < 2) return rows.map(() => 1);
    const known = rows.map((row) => {
      const error = (Math.log(row.speedHigh) - Math.log(row.speedLow)) / 2 / (row.stretch * quantile(row.launches - 1, 0.95));
      return { log: Math.log(row.speed), part: error * error, freedom: row.launches - 1, stretch: row.stretch };
    });
    const confidence = 1 - (2 * ERROR) / (rows.length - 1);
    return known.map(
      (mine) =>
        1 +
        known.filter((other) => {
          const variance = other.part + mine.part;
          const weight = other.part ** 2 / other.freedom + mine.part ** 2 / mine.freedom;
          const freedom = Math.max(1, weight > 0 ? Math.floor(variance ** 2 / weight + 1e-12) : 1);
          const bound = other.log - mine.log - quantile(freedom, confidence) * Math.sqrt(variance) * Math.max(other.stretch, mine.stretch);
          return bound > Math.log1p(MARGIN);
        }).length,
    );
  }

  function sizeRanks(rows) {
    const near = [1 - SAME_SIZE / 2, 1 + SAME_SIZE / 2];
    return rows.map((row) => 1 + rows.filter((other) => (other.ratio ?? 0) * near[0] > (row.ratio ?? 0) * near[1]).length);
  }

  const faster = (wish) => wish.latency !== null || wish.prefer === "faster";

  // Why a variant falls out -> whether it does, by the first that holds.
  const TESTS = [
    ["of another division", (row, wish) => wish.divisions.length && !wish.divisions.includes(row.method.division)],
    ["under another licence", (row, wish) => wish.licences.length && !wish.licences.includes(row.method.licence)],
    ["too large", (row, wish) => wish.bytes !== null && row.bytes > wish.bytes],
    ["timed on a host below grade C, so that its speed is not ranked", (row, wish) => faster(wish) && row.unranked],
    ["not surely fast enough", (row, wish) => wish.latency !== null && (row.latencyHigh === null || row.latencyHigh > wish.latency)],
    ["may lose more than that", (row, wish) => wish.loss !== null && row.differenceLow < -wish.loss],
  ];

  // What a board advises: picks [{row, rank}] from the first, and why the others fell out.
  function recommend(board, wish) {
    const good = [];
    const fallen = new Map();
    for (const row of board.rows) {
      if (row.baseline || row.status || row.difference === null) continue;
      const reason = TESTS.find(([, misses]) => misses(row, wish));
      if (reason) fallen.set(reason[0], (fallen.get(reason[0]) ?? 0) + 1);
      else good.push(row);
    }
    return { board, picks: ranked(good, wish.prefer), fallen: [...fallen].sort((one, other) => other[1] - one[1]) };
  }

  function ranked(rows, prefer) {
    const timed = prefer === "faster" ? rows.filter((row) => row.speed !== null && !row.unranked) : rows;
    const ranks = new Map((prefer === "faster" ? speedRanks : sizeRanks)(timed).map((rank, place) => [timed[place], rank]));
    const picks = rows.map((row) => ({ row, rank: ranks.get(row) ?? timed.length + 1 }));
    return picks.sort(
      (one, other) => one.rank - other.rank || other.row.difference - one.row.difference || (one.row.name < other.row.name ? -1 : 1),
    );
  }

  return { recommend, speedRanks, quantile };
})();
