// Controls, address and start.

function fill(id, values, all) {
  const options = values.map(([value, label]) => el("option", { value }, label));
  byId(id).replaceChildren(...(all ? [el("option", { value: "" }, all)] : []), ...options);
}

function fillControls() {
  const distinct = (key) => [...new Set(BOARD.rows.map((row) => row[key]))].map((value) => [value, value]);
  fill("data", distinct("data"), "All");
  fill("protocol", distinct("protocol"), "All");
  for (const key of ["track", "selection", "status"]) fill(key, distinct(key).sort(), "All");
  const useful = Object.entries(SEEDS).filter(([wanted]) => BOARD.rows.some((row) => enoughSeeds(row, wanted)));
  fill("seeds", useful.sort(([a], [b]) => (a === "complete" ? -1 : b === "complete" ? 1 : a - b)), "Any");
  fill("accuracy", BOARD.columns.map((name, at) => [at, name]));
  fill("cost", BOARD.costs.map(([, heading], at) => [at, capital(heading)]));
  const map = BOARD.columns.indexOf("mAP");
  if (map > 0 && !BOARD.columns.includes("R@1")) byId("accuracy").value = map;
}

function reset() {
  Object.assign(state, { search: "", track: "", selection: "", status: "", seeds: "", all: false });
  [state.data, state.protocol] = BOARD.start;
  [state.sort, state.direction] = BOARD.columns.length ? [BOARD.columns[0], -1] : ["system", 1];
}

// The view is kept in the address, so that it can be shared. Unknown values are left out.
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of FILTERS) {
    const known = [...byId(key).options].map((option) => option.value);
    if (given.has(key) && known.includes(given.get(key))) state[key] = given.get(key);
  }
  state.search = given.get("search") || "";
  state.all = given.get("all") === "1";
  const [sort, direction] = (given.get("sort") || "").split(/ (?=-?1$)/);
  if (COLUMNS.some(({ key }) => key === sort)) [state.sort, state.direction] = [sort, direction === "1" ? 1 : -1];
}

function writeAddress() {
  const kept = new URLSearchParams(FILTERS.filter((key) => state[key] !== undefined).map((key) => [key, state[key]]));
  if (state.search) kept.set("search", state.search);
  if (state.all) kept.set("all", "1");
  kept.set("sort", `${state.sort} ${state.direction}`);
  history.replaceState(null, "", `#${kept}`);
}

function showState() {
  for (const key of FILTERS) byId(key).value = state[key];
  byId("search").value = state.search;
  byId("all").checked = state.all;
}

function changed(page = 0) {
  update(page);
  clearTimeout(changed.timer);
  changed.timer = setTimeout(writeAddress, 300);
}

function sortBy(key) {
  const column = COLUMNS.find((each) => each.key === key);
  state.direction = state.sort === key ? -state.direction : column.first;
  state.sort = key;
  changed();
  // The heading was drawn anew: the keyboard stays on it.
  document.querySelector(`#board button[data-sort="${CSS.escape(key)}"]`).focus({ preventScroll: true });
}

function onFilter(key) {
  state[key] = byId(key).value;
  const exists = BOARD.rows.some((row) => (!state.data || row.data === state.data) && (!state.protocol || row.protocol === state.protocol));
  if (!exists) {
    const other = key === "data" ? "protocol" : "data";
    state[other] = "";
    byId(other).value = "";
  }
  changed();
}

function onPlotKey(event) {
  const points = [...byId("plot").querySelectorAll(".point")];
  const at = points.indexOf(document.activeElement);
  if (at < 0) return;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? points.length - 1 : step && at + step;
  if (event.key === "Enter" || event.key === " ") openRow(Number(points[at].dataset.row), points[at]);
  else if (to === undefined) return;
  else if (points[to]) {
    points[at].setAttribute("tabindex", "-1");
    points[to].setAttribute("tabindex", "0");
    points[to].focus();
  }
  event.preventDefault();
}

function listen() {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", () => { state.search = byId("search").value; changed(); });
  for (const key of FILTERS) byId(key).addEventListener("change", () => onFilter(key));
  byId("all").addEventListener("change", () => { state.all = byId("all").checked; changed(); });
  byId("reset").addEventListener("click", () => { reset(); showState(); changed(); });
  byId("previous").addEventListener("click", () => turnTo(state.page - 1));
  byId("next").addEventListener("click", () => turnTo(state.page + 1));
  for (const id of ["accuracy", "cost"]) byId(id).addEventListener("change", drawChart);
  byId("board").tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-sort]");
    if (button) sortBy(button.dataset.sort);
  });
  byId("board").tBodies[0].addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    // Marking text with the mouse is no click.
    if (line && getSelection().isCollapsed) openRow(Number(line.dataset.row), line.querySelector("button.open"));
  });
  byId("plot").addEventListener("click", (event) => {
    const point = event.target.closest(".point");
    if (point) openRow(Number(point.dataset.row), point);
  });
  byId("plot").addEventListener("keydown", onPlotKey);
  byId("close").addEventListener("click", () => byId("dialog").close());
  byId("dialog").addEventListener("click", (event) => { if (event.target === byId("dialog")) byId("dialog").close(); });
  let width = byId("plot").clientWidth;
  new ResizeObserver(() => {
    if (byId("plot").clientWidth === width) return;
    width = byId("plot").clientWidth;
    drawChart();
  }).observe(byId("plot"));
  narrow.addEventListener("change", draw);
  // On paper there are no pages to turn: all rows, as far as that is sensible.
  addEventListener("beforeprint", () => { [drawn, state.page] = [PRINTED, 0]; draw(); });
  addEventListener("afterprint", () => { drawn = PAGE; draw(); });
  addEventListener("hashchange", () => { reset(); readAddress(); showState(); update(); });
}

function turnTo(page) {
  state.page = page;
  draw();
  byId("box").scrollTop = 0;
  byId("box").scrollIntoView({ block: "nearest" });
}

fillControls();
reset();
readAddress();
byId("app").hidden = false;
showState();
listen();
update();
