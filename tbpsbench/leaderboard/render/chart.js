// Accuracy against cost: one point per row shown, as an SVG that is drawn again when anything changes.

const CHART = { height: 380, left: 46, right: 24, top: 18, bottom: 44, points: 300, labels: 40 };
const SHAPES = {
  "dual-encoder": ["t0", "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0"],
  "gallery-text": ["t1", "M-4.6,-4.6h9.2v9.2h-9.2z"],
  rerank: ["t2", "M0,-6L5.6,4.4H-5.6z"],
  interactive: ["t3", "M0,-6.4L6.4,0L0,6.4L-6.4,0z"],
};
const OTHER = ["t4", "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z"];

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// One data set and protocol, so that points can be compared; says what is missing otherwise.
function chartRows(cost, accuracy) {
  const pairs = new Set(shown.map((row) => `${row.data}\n${row.protocol}`));
  if (pairs.size > 1) return [[], "Choose one data set and one protocol to compare systems here."];
  const rows = shown.filter((row) => row.cost[cost] !== null && row.cost[cost] !== undefined && row.scores[accuracy]);
  if (!rows.length) return [[], "No row shown has this cost; publications seldom report it."];
  const best = [...rows].sort((a, b) => b.scores[accuracy][0] - a.scores[accuracy][0]).slice(0, CHART.points);
  const cut = best.length < rows.length ? `The ${best.length} most accurate of ${rows.length} rows` : `${rows.length} of ${shown.length} rows shown`;
  return [best, `${cut} ${rows.length === 1 && best.length === 1 ? "has" : "have"} this cost. Open a point for its record.`];
}

function ticks(from, to, log) {
  if (log) {
    const all = [];
    const steps = to / from > 300 ? [1] : to / from > 12 ? [1, 3] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power += 1) {
      for (const step of steps) all.push(step * 10 ** power);
    }
    return all.filter((value) => value >= from * 0.999 && value <= to * 1.001);
  }
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, n) => (first + n) * step);
}

function spanOf(values, log) {
  let [from, to] = [Math.min(...values), Math.max(...values)];
  if (log) return from === to ? [from / 2, to * 2] : [from / (to / from) ** 0.08, to * (to / from) ** 0.08];
  const margin = from === to ? Math.max(1, Math.abs(from) * 0.1) : (to - from) * 0.1;
  [from, to] = [from - margin, to + margin];
  return [from, to];
}

function drawChart() {
  const [accuracy, cost] = [Number(byId("accuracy").value), Number(byId("cost").value)];
  byId("chart").hidden = !BOARD.costs.length;
  if (!BOARD.costs.length) return;
  const [rows, note] = chartRows(cost, accuracy);
  byId("chart-note").textContent = note;
  const plot = byId("plot");
  plot.replaceChildren();
  if (!rows.length) return;
  const [, heading, unit] = BOARD.costs[cost];
  const width = Math.max(280, plot.clientWidth);
  const height = width < 520 ? 320 : CHART.height;
  const costs = rows.map((row) => row.cost[cost]);
  const log = Math.min(...costs) > 0 && Math.max(...costs) / Math.min(...costs) > 3;
  const [x0, x1] = spanOf(costs, log);
  const [y0, y1] = spanOf(rows.map((row) => row.scores[accuracy][0]), false);
  const share = (value) => (log ? Math.log(value / x0) / Math.log(x1 / x0) : (value - x0) / (x1 - x0));
  const x = (value) => CHART.left + (width - CHART.left - CHART.right) * share(value);
  const y = (value) => height - CHART.bottom - ((height - CHART.top - CHART.bottom) * (value - y0)) / (y1 - y0);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `${BOARD.columns[accuracy]} against ${heading}. Arrow keys move between points.` });
  drawAxes(root, { x, y, x0, x1, y0, y1, width, height, log, unit, heading, name: BOARD.columns[accuracy] });
  const places = rows.map((row) => ({ row, x: x(row.cost[cost]), y: y(row.scores[accuracy][0]) }));
  root.append(frontier(places.filter(({ row }) => row.competes), unit === "1/s"));
  const tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
  for (const place of [...places].sort((a, b) => a.x - b.x)) root.append(drawPoint(place, accuracy, cost, tip, width));
  drawLabels(root, places, width, height);
  const first = root.querySelector(".point");
  first.setAttribute("tabindex", "0");
  plot.append(root, tip, chartKey(rows));
}

function drawAxes(root, { x, y, x0, x1, y0, y1, width, height, log, unit, heading, name }) {
  const bottom = height - CHART.bottom;
  for (const value of ticks(y0, y1, false)) {
    root.append(svg("line", { class: "grid", x1: CHART.left, x2: width - CHART.right, y1: y(value), y2: y(value) }));
    root.append(svg("text", { class: "tick", x: CHART.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(Number(value.toFixed(6)))));
  }
  const most = Math.floor((width - CHART.left) / 80);
  let found = ticks(x0, x1, log);
  if (found.length > most) found = found.filter((_, at) => at % Math.ceil(found.length / most) === 0);
  for (const value of found) {
    root.append(svg("line", { class: "axis", x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4 }));
    root.append(svg("text", { class: "tick", x: x(value), y: bottom + 18, "text-anchor": "middle" }, tickText(value, unit)));
  }
  root.append(svg("line", { class: "axis", x1: CHART.left, x2: width - CHART.right, y1: bottom, y2: bottom }));
  root.append(svg("text", { class: "name", x: width - CHART.right, y: height - 6, "text-anchor": "end" }, `${heading}${log ? " (log scale)" : ""} →`));
  root.append(svg("text", { class: "name", x: 4, y: 11 }, `↑ ${name}, %`));
}

// "500 k" rather than "500.00 k".
const tickText = (value, unit) => quantity(value, unit).replace(/\.0+(?= |\/|$)/, "").replace(/(\.\d*[1-9])0+(?= |\/|$)/, "$1");

// The best accuracy to be had at each cost.
function frontier(places, more) {
  const sign = more ? -1 : 1;
  let path = "";
  let best = Infinity;
  for (const place of [...places].sort((a, b) => sign * (a.x - b.x) || a.y - b.y)) {
    if (place.y >= best) continue;
    path += path ? `H${place.x}V${place.y}` : `M${place.x},${place.y}`;
    best = place.y;
  }
  return svg("path", { class: "frontier", d: path });
}

function drawPoint({ row, x, y }, accuracy, cost, tip, width) {
  const [colour, shape] = SHAPES[row.track] || OTHER;
  const [, heading, unit] = BOARD.costs[cost];
  const value = `${BOARD.columns[accuracy]} ${percent(row.scores[accuracy][0])}, ${heading} ${quantity(row.cost[cost], unit)}`;
  const label = `${row.system}, ${row.track}${row.trained === row.data ? "" : `, trained on ${row.trained}`}: ${value}`;
  const point = svg("g", { class: `point ${colour}${row.competes ? "" : " out"}`, role: "button", tabindex: "-1", "aria-label": label, "aria-haspopup": "dialog", "data-row": row.index, transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` },
    svg("circle", { class: "hit", r: 14 }), svg("path", { d: shape }));
  const show = () => {
    tip.replaceChildren(el("strong", {}, row.system), el("span", {}, value));
    tip.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(x - tip.offsetWidth / 2, width - tip.offsetWidth))}px`;
    tip.style.top = `${y - tip.offsetHeight - 14 < 0 ? y + 16 : y - tip.offsetHeight - 14}px`;
  };
  for (const kind of ["pointerenter", "focus"]) point.addEventListener(kind, show);
  for (const kind of ["pointerleave", "blur"]) point.addEventListener(kind, () => { tip.hidden = true; });
  return point;
}

// Names beside their points, where there is room, rather above the line than on it; the most accurate first.
function drawLabels(root, places, width, height) {
  const taken = places.map(({ x, y }) => [x - 6, y - 4, x + 6, y + 6]);
  const free = (box) => box[0] >= 2 && box[2] <= width - 2 && box[1] >= 12 && box[3] <= height - CHART.bottom
    && taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
  for (const { row, x, y } of places.slice(0, CHART.labels)) {
    const text = row.system.length > 28 ? `${row.system.slice(0, 27)}…` : row.system;
    const long = 6.6 * text.length;
    const choices = [[x + 7, y - 18, "start"], [x - 7 - long, y - 18, "end"], [x + 9, y + 4, "start"], [x - 9 - long, y - 6, "end"], [x - long / 2, y + 9, "middle"]];
    const found = choices.map(([left, top, anchor]) => [[left, top, left + long, top + 13], anchor]).find(([box]) => free(box));
    if (!found) continue;
    const [box, anchor] = found;
    taken.push(box);
    const at = { start: box[0], end: box[2], middle: x }[anchor];
    root.append(svg("text", { class: "label", x: at.toFixed(1), y: (box[1] + 10).toFixed(1), "text-anchor": anchor }, text));
  }
}

function chartKey(rows) {
  const names = [...new Set(rows.map((row) => row.track))].sort();
  const entries = names.map((name) => {
    const [colour, shape] = SHAPES[name] || OTHER;
    const mark = svg("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, class: colour, "aria-hidden": "true" }, svg("path", { d: shape }));
    return el("span", {}, mark, name);
  });
  const line = svg("svg", { viewBox: "0 0 22 10", width: 22, height: 10, "aria-hidden": "true" }, svg("path", { class: "frontier", d: "M0,5H22" }));
  const out = svg("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, class: "t4 out", "aria-hidden": "true" }, svg("path", { d: SHAPES["dual-encoder"][1] }));
  const outside = rows.every((row) => row.competes) ? [] : [el("span", {}, out, "out of competition (leak or partial data)")];
  return el("p", { class: "chart-key" }, ...entries, ...outside, el("span", {}, line, "best accuracy at its cost"));
}
