// Which setting matters: shares of the variance as bars, main effects as intervals round zero.

function effectsSection() {
  const analysis = DATA.effects;
  if (!analysis || !(analysis.terms.length || analysis.levels.length)) return null;
  const parts = [
    el(
      "p",
      {},
      "Share of the variance that each setting explains (omega squared, of a complete grid) and its main effects (of configurations alike in all else), as ",
      el("code", {}, "gradlab compare"),
      " works it out.",
    ),
    analysis.terms.length ? shareTable(analysis) : null,
    ...analysis.levels.filter((table) => table.rows.length).map(levelTable),
    analysis.notes.length
      ? details(
          "notes",
          "Notes on the analysis",
          el(
            "ul",
            {},
            analysis.notes.map((note) => el("li", {}, note)),
          ),
        )
      : null,
    el(
      "button",
      { type: "button", class: "noprint", click: () => saveText("effects.csv", effectsCsv(analysis)) },
      "Effects as CSV",
    ),
  ];
  return section("effects", "Effects of the settings", parts);
}

function shareTable(analysis) {
  const rows = analysis.terms.map((term) =>
    el(
      "tr",
      { class: term.factors.length ? "" : "rest" },
      el("th", { scope: "row" }, term.name),
      term.shares.map((share) =>
        el("td", { class: "share" }, el("span", { class: "figure" }, percent(share)), bar(share)),
      ),
    ),
  );
  const table = plainTable({ class: "shares" }, ["setting", ...analysis.responses], rows);
  const save = saveButtons("Shares of the variance", "shares", () =>
    tablePicture("Shares of the variance", () => table.cloneNode(true)),
  );
  return el(
    "div",
    {},
    el("div", { class: "figure-head" }, el("span", {}), save),
    scroller("Shares of the variance", table),
  );
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

function levelTable(table) {
  const ends = finite(table.rows.flatMap((row) => [row.low, row.effect, row.high]));
  const low = Math.min(0, ...ends),
    high = Math.max(0, ...ends);
  const unit = table.log ? (effect) => `\u00d7${amount(effect)}` : (effect) => fixed(effect, 3, true);
  let before = null;
  const rows = table.rows.map((row) => {
    const first = row.factor !== before;
    before = row.factor;
    const half = row.low === null ? "" : ` \u00b1${fixed((row.high - row.low) / 2, table.log ? 2 : 3)}`;
    return el(
      "tr",
      { class: first ? "first" : "" },
      el("th", { scope: "row", class: first ? "" : "again" }, row.factor),
      el("td", {}, row.level),
      el("td", { class: "right" }, `${fixed(row.effect, table.log ? 2 : 3, true)}${half}`),
      el("td", { class: "effect-interval" }, intervalDrawing(row, low, high)),
      table.log ? el("td", { class: "right" }, unit(row.effect)) : null,
      el("td", { class: "right" }, whole(row.matched)),
      el("td", { class: "right" }, whole(row.cells)),
    );
  });
  const heads = [
    "setting",
    "level",
    table.log ? "effect (log\u2081\u2080)" : "effect",
    "",
    ...(table.log ? ["factor"] : []),
    "matched",
    "cells",
  ];
  const hints = [
    ...(table.hidden.length ? [`Too many levels to list: ${table.hidden.join(", ")}.`] : []),
    ...table.notes,
  ].map((text) => el("p", { class: "hint" }, text));
  const title = `Main effects on ${table.response}`;
  const drawn = plainTable({ class: "levels" }, heads, rows);
  const save = saveButtons(title, `effects_${table.response}`.replace(/[^\w.+-]+/g, "_"), () =>
    tablePicture(title, () => drawn.cloneNode(true)),
  );
  return el(
    "div",
    {},
    el("div", { class: "figure-head" }, el("h3", {}, title), save),
    el(
      "p",
      { class: "hint" },
      "Each level against the mean over the levels of its setting, all else equal, 95 % over seeds.",
    ),
    scroller(title, drawn),
    hints,
  );
}

function intervalDrawing(row, low, high) {
  const at = (effect) => 6 + ((effect - low) / (high - low || 1)) * 148;
  const side = row.low > 0 ? "above" : row.high < 0 ? "below" : "";
  const x = at(row.effect);
  const shape =
    side === "above"
      ? `M${x - 4} 3L${x + 4} 8L${x - 4} 13Z`
      : side === "below"
        ? `M${x + 4} 3L${x - 4} 8L${x + 4} 13Z`
        : `M${x - 4} 8A4 4 0 1 1 ${x + 4} 8A4 4 0 1 1 ${x - 4} 8Z`;
  return svg(
    "svg",
    { class: `interval ${side}`, viewBox: "0 0 160 16", width: 160, height: 16, "aria-hidden": "true" },
    svg("line", { class: "zero", x1: at(0), x2: at(0), y1: 0, y2: 16 }),
    row.low === null ? null : svg("line", { class: "range", x1: at(row.low), x2: at(row.high), y1: 8, y2: 8 }),
    svg("path", { class: "dot", d: shape }),
  );
}

function effectsCsv(analysis) {
  const shares = analysis.terms.flatMap((term) =>
    analysis.responses.map((name, index) => [
      "share of the variance",
      name,
      term.name,
      "",
      term.shares[index],
      null,
      null,
      null,
    ]),
  );
  const levels = analysis.levels.flatMap((table) =>
    table.rows.map((row) => [
      "main effect",
      table.response,
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
