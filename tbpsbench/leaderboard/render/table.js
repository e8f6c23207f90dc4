// The table: which rows are shown, in which order, and the one page of them that is drawn.

const PAGE = 50;
const PRINTED = 1000;
const FILTERS = ["data", "protocol", "track", "selection", "status", "seeds"];
const state = { search: "", sort: BOARD.columns[0] || "system", direction: BOARD.columns.length ? -1 : 1, page: 0, all: false };
let shown = [];
let drawn = PAGE;

const SEEDS = { complete: "All of the suite", 2: "At least 2", 3: "At least 3", 5: "At least 5" };
const enoughSeeds = (row, wanted) => (wanted === "complete" ? row.complete : row.seeds.length >= Number(wanted));

function select() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.filter((key) => key !== "seeds" && state[key]);
  const rows = BOARD.rows.filter((row) => wanted.every((key) => row[key] === state[key])
    && (!state.seeds || enoughSeeds(row, state.seeds)) && words.every((word) => row.search.includes(word)));
  const column = COLUMNS.find(({ key }) => key === state.sort);
  const keys = new Float64Array(BOARD.rows.length);
  for (const row of rows) keys[row.index] = column.sort(row);
  // Rows arrive in the board's own order, which decides between equals.
  return rows.sort((a, b) => {
    const x = keys[a.index];
    const y = keys[b.index];
    if (x === y || (x !== x && y !== y)) return a.index - b.index;
    if (x !== x || y !== y) return x !== x ? 1 : -1;
    return state.direction * (x - y);
  });
}

// The two highest printed scores per group and column, over all rows shown; as board.py (marks_of).
function bestTwo(rows) {
  const found = new Map();
  for (const row of rows) {
    if (!row.competes) continue;
    if (!found.has(row.group)) found.set(row.group, BOARD.columns.map(() => [-Infinity, -Infinity, 0]));
    const group = found.get(row.group);
    for (let at = 0; at < group.length; at += 1) {
      const score = row.scores[at];
      if (!score) continue;
      const top = group[at];
      top[2] += 1;
      if (score[0] > top[0]) [top[0], top[1]] = [score[0], top[0]];
      else if (score[0] < top[0] && score[0] > top[1]) top[1] = score[0];
    }
  }
  return found;
}

function scales(rows) {
  return BOARD.columns.map((_, at) => {
    let [from, to] = [Infinity, -Infinity];
    for (const { scores } of rows) {
      const score = scores[at];
      if (!score || score[2] === null) continue;
      from = Math.min(from, score[2]);
      to = Math.max(to, score[3]);
    }
    return [from, to];
  });
}

// On a phone the scores stand beside the names, before what they are about.
const narrow = matchMedia("(max-width: 40rem)");
const beside = ({ key, kind }) => (key === "system" ? 0 : kind === "score" ? 1 : 2);

function visibleColumns(rows) {
  const transfer = rows.some((row) => row.trained && row.trained !== row.data);
  const columns = narrow.matches ? [...COLUMNS].sort((a, b) => beside(a) - beside(b)) : COLUMNS;
  return columns.filter(({ key, kind, at, more }) => {
    if (key === "data" || key === "protocol") return !state[key];
    if (key === "trained") return transfer || state.all;
    if (kind === "score") return rows.some((row) => row.scores[at]);
    if (kind === "cost") return (!more || state.all) && rows.some((row) => row.cost[at] !== null);
    return !more || state.all;
  });
}

function drawHead(columns) {
  const cells = columns.map((column) => {
    const sorted = column.key === state.sort;
    const order = sorted ? (state.direction > 0 ? "ascending" : "descending") : "none";
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (state.direction > 0 ? "▲" : "▼") : "");
    const full = column.kind === "cost" ? capital(BOARD.costs[column.at][1]) : null;
    const button = el("button", { type: "button", "data-sort": column.key, title: full }, column.label, arrow);
    return el("th", { scope: "col", "aria-sort": order, class: column.kind }, button);
  });
  byId("board").tHead.replaceChildren(el("tr", {}, ...cells));
}

function drawCell(column, row, top, scale) {
  if (column.kind === "score") {
    const score = row.scores[column.at];
    if (!score) return el("td", { class: "score none" }, "–");
    const best = row.competes && top && top[column.at][2] > 1 ? top[column.at] : [NaN, NaN];
    const mark = score[0] === best[0] ? "best" : score[0] === best[1] ? "second" : null;
    const value = el("span", { class: mark }, percent(score[0]));
    if (mark) value.append(el("span", { class: "sr" }, mark === "best" ? " (best)" : " (second best)"));
    const spread = score[1] === null ? "" : el("small", {}, ` ±${percent(score[1])}`);
    return el("td", { class: "score" }, value, spread, score[2] === null ? "" : interval(score, ...scale[column.at]));
  }
  if (column.kind === "cost") {
    const value = row.cost[column.at];
    return el("td", { class: value === null ? "cost none" : "cost" }, value === null ? "–" : quantity(value, column.unit));
  }
  if (column.key === "seeds") return el("td", { class: row.missing.length ? "number warn" : "number" }, seedsText(row));
  if (column.key === "year") return el("td", { class: "number" }, row.year === null ? "–" : String(row.year));
  if (column.key === "trained" && row.trained === row.data) return el("td", { class: "none" }, "same");
  return el("td", {}, row[column.key] || "–");
}

function drawRow(row, columns, best, scale) {
  const about = [row.cited, row.backbone, row.source].filter(Boolean).map((text) => ` · ${text}`).join("");
  const badges = row.badges.map((badge) => el("span", { class: "badge" }, badge));
  const name = el("th", { scope: "row" }, el("button", { type: "button", class: "open", "data-row": row.index, "aria-haspopup": "dialog" }, row.system));
  name.append(el("span", { class: "about" }, el("span", { class: row.status }, row.status), about));
  if (badges.length) name.append(el("span", { class: "badges" }, ...badges));
  const cells = columns.slice(1).map((column) => drawCell(column, row, best.get(row.group), scale));
  return el("tr", { "data-row": row.index }, name, ...cells);
}

function draw() {
  const [best, scale, columns] = [bestTwo(shown), scales(shown), visibleColumns(shown)];
  const start = state.page * drawn;
  const rows = shown.slice(start, start + drawn);
  drawHead(columns);
  const body = byId("board").tBodies[0];
  body.replaceChildren(...rows.map((row) => drawRow(row, columns, best, scale)));
  if (!rows.length) {
    const text = BOARD.rows.length ? "No row matches. Clear the search or reset the filters." : "No rows yet.";
    body.append(el("tr", {}, el("td", { class: "empty", colspan: columns.length }, text)));
  }
  const pages = Math.max(1, Math.ceil(shown.length / drawn));
  const count = shown.length.toLocaleString("en");
  byId("count").textContent = `${count} of ${BOARD.rows.length.toLocaleString("en")} rows`;
  // On paper the filters are left out, so their values are said.
  byId("view").textContent = FILTERS.map((key) => state[key] && byId(key).selectedOptions[0].text).filter(Boolean).map((text) => `, ${text}`).join("");
  byId("place").textContent = `${start + 1}–${start + rows.length} of ${count}`;
  byId("pager").hidden = pages === 1;
  byId("previous").disabled = state.page === 0;
  byId("next").disabled = state.page === pages - 1;
}

function update(page = 0) {
  state.page = page;
  shown = select();
  draw();
  drawChart();
}
