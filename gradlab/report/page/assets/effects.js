// Which setting matters: shares of the variance as bars, main effects as intervals round zero.

function effectsSection() {
  const found = DATA.effects;
  if (!found || !found.terms.length) return null;
  const parts = [
    el(
      "p",
      {},
      "Share of the variance that each setting explains over all cells (omega squared, sums of squares of type II), as ",
      el("code", {}, "gradlab compare"),
      " works it out.",
    ),
    shareTable(found),
    ...found.levels.filter((one) => one.rows.length).map(levelTable),
    found.notes.length
      ? details(
          "Notes on the analysis",
          el(
            "ul",
            {},
            found.notes.map((note) => el("li", {}, note)),
          ),
        )
      : null,
    el(
      "button",
      { type: "button", class: "noprint", click: () => saveText("effects.csv", effectsCsv(found)) },
      "Effects as CSV",
    ),
  ];
  return section("effects", "Which setting matters", parts);
}

const termName = (term) => term.rest || term.factors.join(" \u00d7 ");

function shareTable(found) {
  const rows = found.terms.map((term) =>
    el(
      "tr",
      { class: term.rest ? "rest" : "" },
      el("th", { scope: "row" }, termName(term)),
      term.shares.map((share) =>
        el("td", { class: "share" }, el("span", { class: "figure" }, percent(share)), bar(share)),
      ),
    ),
  );
  return scroller("Shares of the variance", plainTable({ class: "shares" }, ["setting", ...found.responses], rows));
}

function bar(share) {
  if (share === null) return null;
  const width = Math.min(Math.max(share, 0), 1) * 100;
  return svg(
    "svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "whole", width: 100, height: 10 }),
    svg("rect", { class: "part", width, height: 10 }),
  );
}

function levelTable(one) {
  const ends = finite(one.rows.flatMap((row) => [row.low, row.effect, row.high]));
  const low = Math.min(0, ...ends),
    high = Math.max(0, ...ends);
  const unit = one.log ? (effect) => `\u00d7${amount(effect)}` : (effect) => fixed(effect, 3, true);
  let before = null;
  const rows = one.rows.map((row) => {
    const first = row.factor !== before;
    before = row.factor;
    const half = row.low === null ? "" : ` \u00b1${fixed((row.high - row.low) / 2, one.log ? 2 : 3)}`;
    return el(
      "tr",
      { class: first ? "first" : "" },
      el("th", { scope: "row", class: first ? "" : "again" }, row.factor),
      el("td", {}, row.level),
      el("td", { class: "right" }, `${fixed(row.effect, one.log ? 2 : 3, true)}${half}`),
      el("td", { class: "forest" }, forest(row, low, high)),
      one.log ? el("td", { class: "right" }, unit(row.effect)) : null,
      el("td", { class: "right" }, whole(row.cells)),
    );
  });
  const heads = [
    "setting",
    "level",
    one.log ? "effect (log\u2081\u2080)" : "effect",
    "",
    ...(one.log ? ["factor"] : []),
    "cells",
  ];
  const note = one.hidden.length
    ? el("p", { class: "hint" }, `Too many levels to list: ${one.hidden.join(", ")}.`)
    : null;
  return el(
    "div",
    {},
    el("h3", {}, `Main effects on ${one.response}`),
    el("p", { class: "hint" }, "Each level against the mean over the levels of its setting, 95 % over seeds."),
    scroller(`Main effects on ${one.response}`, plainTable({ class: "levels" }, heads, rows)),
    note,
  );
}

function forest(row, low, high) {
  const at = (effect) => 6 + ((effect - low) / (high - low || 1)) * 148;
  const way = row.low > 0 ? "above" : row.high < 0 ? "below" : "";
  const x = at(row.effect);
  const shape =
    way === "above"
      ? `M${x - 4} 3L${x + 4} 8L${x - 4} 13Z`
      : way === "below"
        ? `M${x + 4} 3L${x - 4} 8L${x + 4} 13Z`
        : `M${x - 4} 8A4 4 0 1 1 ${x + 4} 8A4 4 0 1 1 ${x - 4} 8Z`;
  return svg(
    "svg",
    { class: `interval ${way}`, viewBox: "0 0 160 16", width: 160, height: 16, "aria-hidden": "true" },
    svg("line", { class: "zero", x1: at(0), x2: at(0), y1: 0, y2: 16 }),
    row.low === null ? null : svg("line", { class: "range", x1: at(row.low), x2: at(row.high), y1: 8, y2: 8 }),
    svg("path", { class: "dot", d: shape }),
  );
}

function effectsCsv(found) {
  const shares = found.terms.flatMap((term) =>
    found.responses.map((name, index) => [
      "share of the variance",
      name,
      termName(term),
      "",
      term.shares[index],
      null,
      null,
      null,
    ]),
  );
  const levels = found.levels.flatMap((one) =>
    one.rows.map((row) => [
      "main effect",
      one.response,
      row.factor,
      row.level,
      row.effect,
      row.low,
      row.high,
      row.cells,
    ]),
  );
  return csv([["kind", "response", "setting", "level", "value", "low", "high", "cells"], ...shares, ...levels]);
}
