// An opened row: everything that its records say.

function openRow(index, opener) {
  const row = BOARD.rows[index];
  byId("dialog-title").textContent = row.system;
  const records = row.records.filter(({ number }) => number !== null).map((entry) => ({ ...entry, ...readDetail(entry.number) }));
  byId("detail").replaceChildren(
    rowTags(row), rowFacts(row), ...scoreTable(row, records), ...costTable(row),
    ...records.map((record, at) => recordPart(record, at === 0)), ...configPart(records),
  );
  const dialog = byId("dialog");
  dialog.showModal();
  dialog.scrollTop = 0;
  byId("dialog-title").focus();
  dialog.onclose = () => opener && opener.isConnected && opener.focus();
}

function rowTags(row) {
  const badges = row.badges.map((badge) => el("span", { class: "badge" }, badge));
  return el("p", { class: "tags" }, el("span", { class: `tag ${row.status}` }, row.status), ...badges);
}

function facts(pairs) {
  const list = el("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  }
  return list;
}

function rowFacts(row) {
  const seeds = row.seeds.length ? `${row.seeds.join(", ")}${row.missing.length ? ` (missing: ${row.missing.join(", ")})` : ""}` : "";
  return facts([
    ["Data set", row.data], ["Trained on", row.trained && row.trained !== row.data ? row.trained : ""], ["Protocol", row.protocol],
    ["Track", row.track], ["Selection", row.selection], ["Seeds", seeds], ["Backbone", row.backbone],
    ["Reported by", row.cited], ["Copied from", row.source && linked(row.source)], ["Note", row.note],
  ]);
}

// Only web addresses become links: a source comes from a file that others write. "@" and "," begin a revision or place.
function linked(text) {
  const [address] = text.match(/^https?:\/\/[^\s,@]+/) || [""];
  return address ? el("span", {}, el("a", { href: address, rel: "noreferrer" }, address), text.slice(address.length)) : text;
}

function scoreTable(row, records) {
  const columns = BOARD.columns.map((name, at) => [name, at]).filter(([, at]) => row.scores[at]);
  const head = el("tr", {}, el("th", { scope: "col" }, ""), ...columns.map(([name]) => el("th", { scope: "col", class: "score" }, name)));
  const cell = (score) => {
    if (!score) return el("td", { class: "score none" }, "–");
    const spread = score[1] === null ? "" : el("small", {}, ` ±${percent(score[1])}`);
    const bounds = score[2] === null || score[2] === undefined ? [] : [el("small", { class: "bounds" }, `${percent(score[2])} – ${percent(score[3])}`), interval(score, 0, 100)];
    return el("td", { class: "score" }, el("span", {}, percent(score[0])), spread, ...bounds);
  };
  const line = (name, scores) => el("tr", {}, el("th", { scope: "row" }, name), ...scores.map(cell));
  const lines = [line(records.length > 1 ? "mean" : "score", columns.map(([, at]) => row.scores[at]))];
  for (const { seed, results } of records) {
    const { scores, heads } = results[row.protocol];
    const own = ([name]) => scores[name] && [scores[name][0], null, scores[name].length > 1 ? scores[name][1] : null, scores[name][2]];
    if (records.length > 1) lines.push(line(`seed ${seed}`, columns.map(own)));
    for (const [head, values] of Object.entries(heads)) {
      const text = records.length > 1 ? `seed ${seed}, head ${head}` : `head ${head}`;
      lines.push(line(text, columns.map(([name]) => name in values && [values[name], null, null])));
    }
  }
  const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines));
  const known = row.scores.some((score) => score && score[2] !== null);
  const text = `In percent${row.seeds.length > 1 ? ", ± sample standard deviation over seeds" : ""}${known ? "; below, the 95 % interval over identities on a scale from 0 to 100" : ""}.`;
  return [el("h3", {}, "Scores"), el("div", { class: "box", tabindex: "0", role: "region", "aria-label": "Scores" }, table), el("p", { class: "hint" }, text)];
}

function costTable(row) {
  const pairs = BOARD.costs.map(([, heading, unit], at) => [capital(heading), row.cost[at] === null || row.cost[at] === undefined ? "" : quantity(row.cost[at], unit)]);
  return pairs.some(([, value]) => value) ? [el("h3", {}, "Cost, mean over the seeds"), facts(pairs)] : [];
}

const hash = (text) => (text ? el("code", {}, text) : "");
const listing = (value) => Object.entries(value || {}).map(([key, own]) => `${key} ${own}`).join(", ");

function recordPart(record, open) {
  const { code, environment, selection, data, results } = record;
  const [config, checkpoint, evidence] = record.hashes;
  const commit = code && code.commit ? el("span", {}, hash(code.commit), code.dirty ? " with uncommitted changes" : "") : "unknown";
  const chosen = listing(selection);
  const counts = Object.entries(results).map(([name, { counts: number }]) => `${name}: ${listing(details.shared[number])}`).join("; ");
  const sources = (data.sources || []).map(({ file, sha256 }) => el("span", { class: "source" }, `${file} `, hash(sha256)));
  const plugins = (record.plugins || []).map((plugin) => (typeof plugin === "string" ? plugin : listing(plugin))).join("; ");
  const leaks = (record.leaks || []).map((leak) => (typeof leak === "string" ? leak : JSON.stringify(leak))).join("; ");
  return el("details", { open }, el("summary", {}, `Record of seed ${record.seed}`), facts([
    ["Files", recordLinks(record.folder)],
    ["Checkpoint chosen by", chosen], ["Counts", counts], ["Leaks", leaks],
    ["Code commit", commit], ["Plug-ins", plugins], ["Made", record.date],
    ["Device", environment && [environment.device, environment.cuda && `CUDA ${environment.cuda}`].filter(Boolean).join(", ")],
    ["Environment", environment && `Python ${environment.python}, ${environment.platform}, threads ${environment.threads}`],
    ["Packages", environment && listing(environment.packages)],
    ["Annotations, SHA-256", sources.length ? el("span", {}, ...sources) : ""],
    ["System, SHA-256", hash(record.system)], ["Config, SHA-256", hash(config)],
    ["Checkpoint, SHA-256", hash(checkpoint)], ["Ranks, SHA-256", hash(evidence)],
  ]));
}

function recordLinks(folder) {
  if (RECORDS_AT === null) return folder;
  const base = [RECORDS_AT.replace(/\/+$/, ""), ...folder.split("/").map(encodeURIComponent)].filter((part) => part && part !== ".").join("/");
  const link = (name) => el("a", { href: `${base || "."}/${name}` }, name);
  return el("span", {}, link("record.json"), " ", link("ranks.npz"), ` in ${folder}`);
}

// Lists of plain values on one line each.
function pretty(value) {
  return JSON.stringify(value, null, 2).replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, inner) => `[${inner.replace(/\n\s*/g, " ")}]`);
}

function configPart(records) {
  if (!records.length) return [];
  const more = records.length > 1 ? " (the same for all seeds)" : "";
  return [el("details", {}, el("summary", {}, `Config${more}`), el("pre", { tabindex: "0" }, pretty(records[0].config)))];
}
