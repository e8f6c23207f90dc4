// Data of the page: rows as objects, numbers as text, keys to sort by. The layout is that of payload.py.

const byId = (id) => document.getElementById(id);
const readJson = (id) => JSON.parse(byId(id).textContent);

const BOARD = readBoard(readJson("board-data"));
const RECORDS_AT = readJson("records-at");
let details = null;

function readBoard(raw) {
  const text = (number) => raw.texts[number];
  const groups = new Map();
  const rows = raw.rows.map((packed, index) => {
    const names = packed.slice(0, 11).map(text);
    const [system, data, trained, protocol, track, selection, status, backbone, cited, source, note] = names;
    const [year, badges, seeds, missing, complete, competes, scores, cost, records] = packed.slice(11);
    const row = {
      index, system, data, trained, protocol, track, selection, status, backbone, cited, source, note, year,
      badges: badges.map(text).filter((badge) => badge !== status), // "external" is both
      seeds, missing, complete, competes, scores, cost,
      records: records.map(([number, folder]) => ({ number, folder: text(folder) })),
      texts: packed.slice(0, 11),
    };
    // Rows of one group are compared with each other, as in board.py (marks_of).
    const group = JSON.stringify([data, protocol, track, trained || data]);
    if (!groups.has(group)) groups.set(group, groups.size);
    row.group = groups.get(group);
    const searched = [system, data, trained, protocol, track, selection, status, backbone, cited, source, note, ...row.badges];
    row.search = searched.join("\n").toLowerCase();
    return row;
  });
  const collator = new Intl.Collator("en", { numeric: true });
  const order = raw.texts.map((_, number) => number).sort((a, b) => collator.compare(text(a), text(b)));
  const ranks = new Float64Array(order.length);
  order.forEach((number, rank) => { ranks[number] = text(number) === "" ? NaN : rank; });
  return { ...raw, rows, ranks };
}

function readDetail(number) {
  details = details || readJson("detail-data");
  const packed = details.records[number];
  const shared = (index) => details.shared[index];
  const [[environment, code, plugins], [data], [leaks]] = packed.shared.map(shared);
  const config = Object.fromEntries(details.configs[packed.system].map((pair) => pair.map(shared)));
  return { ...packed, environment, code, plugins, data, leaks, config, selection: shared(packed.selection) };
}

// Numbers, as numbers.py prints them; costs arrive rounded to three digits.
const percent = (value) => value.toFixed(2);
const threeDigits = (value) => Number(value.toPrecision(3));
const short = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

function quantity(value, unit) {
  value = threeDigits(value);
  if (unit === "s") {
    const [scale, name] = value < 100 ? [1, "s"] : value < 6000 ? [60, "min"] : [3600, "h"];
    return `${short(threeDigits(value / scale))} ${name}`;
  }
  const scales = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [-Infinity, ""]];
  const [size, prefix] = scales.find(([least]) => value >= least);
  const number = short(size > 0 ? value / size : value);
  if (unit === "1/s") return `${number}${prefix && ` ${prefix}`}/s`;
  return `${number} ${prefix}${unit === "bytes" ? "B" : unit}`.trim();
}

function seedsText(row) {
  if (!row.seeds.length) return "–";
  const all = row.seeds.length + row.missing.length;
  return row.missing.length ? `${row.seeds.length} of ${all}` : String(all);
}

// Columns of the table: what each is called, what it sorts by (NaN: no value, always last) and which end comes first.
const TEXTS = [
  ["system", "System", 0], ["data", "Data set", 1], ["trained", "Trained on", 2], ["protocol", "Protocol", 3],
  ["track", "Track", 4], ["selection", "Selection", 5], ["status", "Status", 6], ["backbone", "Backbone", 7],
];
const textColumn = ([key, label, at]) => ({ key, label, kind: "text", sort: (row) => BOARD.ranks[row.texts[at]], first: 1 });
const COST_LABELS = { parameters: "Parameters", image_flops: "FLOPs" };
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const COLUMNS = [
  ...TEXTS.slice(0, 6).map(textColumn),
  { key: "seeds", label: "Seeds", kind: "number", sort: (row) => row.seeds.length || NaN, first: -1 },
  ...BOARD.columns.map((label, at) => ({
    key: label, label, kind: "score", at, first: -1, sort: (row) => (row.scores[at] ? row.scores[at][0] : NaN),
  })),
  ...BOARD.costs.map(([key, heading, unit], at) => ({
    key, label: COST_LABELS[key] || capital(heading), kind: "cost", at, unit, first: unit === "1/s" ? -1 : 1,
    sort: (row) => (row.cost[at] === null ? NaN : row.cost[at]), more: !(key in COST_LABELS),
  })),
  { ...textColumn(TEXTS[6]), more: true },
  { ...textColumn(TEXTS[7]), more: true },
  { key: "year", label: "Year", kind: "number", first: -1, more: true, sort: (row) => (row.year === null ? NaN : row.year) },
];

// Elements are built, never parsed: no text of a record can become markup.
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

// An interval as a bar from `low` to `high` with a tick at `mean`, on a scale from `from` to `to`.
function interval([mean, , low, high], from, to) {
  const at = (value) => (to > from ? (100 * (value - from)) / (to - from) : 50);
  const bar = el("span", { class: "interval", title: `95 % interval ${percent(low)} to ${percent(high)}` }, el("i"), el("b"));
  bar.firstChild.style.left = `${at(low)}%`;
  bar.firstChild.style.width = `${at(high) - at(low)}%`;
  bar.lastChild.style.left = `${at(mean)}%`;
  return bar;
}
