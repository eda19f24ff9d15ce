// What the page is about: heading, plain words, failures, provenance, and how to read it.

function fillHeader() {
  const { counts, runs } = DATA;
  const header = document.getElementById("header");
  const described = runs.length === 1 && runs[0].description;
  if (described) header.append(el("p", { class: "lead" }, runs[0].description));
  if (SEVERAL) header.append(el("p", { class: "lead" }, runs.map((run) => run.name).join(", ")));
  const chips = Object.entries(DATA.fixed).map(([key, text]) =>
    el("li", {}, el("span", { class: "quiet" }, key), " ", text),
  );
  header.append(el("ul", { class: "chips", "aria-label": "the same everywhere" }, chips));
  const verdict = (name) => counts.verdicts[name] || 0;
  const tile = (number, name, kind = "") =>
    el("div", { class: `tile ${kind}` }, el("dd", {}, number), el("dt", {}, name));
  const lost = verdict("dead") + verdict("nonfinite");
  header.append(
    el("dl", { class: "tiles" }, [
      tile(whole(counts.configurations), "configurations"),
      tile(whole(counts.cells), "cells"),
      tile(whole(counts.seeds), counts.seeds === 1 ? "seed" : "seeds"),
      tile(whole(verdict("healthy")), "healthy"),
      tile(`${whole(verdict("vanishing"))}`, "\u2717 vanished", "v"),
      tile(whole(verdict("exploding")), "\u25b2 exploded", "e"),
      lost ? tile(whole(lost), "zero or not finite") : null,
      counts.learned === null ? null : tile(whole(counts.learned), "\u2713 learned"),
      counts.diverged ? tile(whole(counts.diverged), "cells diverged", "warn") : null,
      counts.failed ? tile(whole(counts.failed), "cells failed", "warn") : null,
    ]),
  );
  for (const warning of DATA.warnings) header.append(el("p", { class: "notice" }, `\u26a0 ${warning}`));
}

/** Return a sentence with the words before its first colon in bold, where they are few, and 10^-3 as a power. */
function sentenceItem(text) {
  const clean = text.trim();
  const colon = clean.indexOf(": ");
  const lead = colon > 0 && colon < 60 ? el("b", {}, clean.slice(0, colon + 1)) : null;
  const rest = lead ? clean.slice(colon + 1) : clean;
  const pieces = rest
    .split(/10\^(-?[\d.]*\d)/)
    .map((piece, index) => (index % 2 ? ["10", el("sup", {}, signed(piece))] : [piece]));
  return el("li", {}, lead, pieces.flat());
}

function wordsSection() {
  const runs = DATA.runs.filter((run) => run.why.length);
  if (!DATA.conclusions.length && !runs.length) return null;
  const each = runs.map((run) => [
    SEVERAL ? el("h3", {}, run.name) : null,
    SEVERAL && run.description ? el("p", {}, run.description) : null,
    el("ul", { class: "words" }, run.why.map(sentenceItem)),
  ]);
  return section(
    "words",
    "In short",
    el("ul", { class: "words" }, DATA.conclusions.map(sentenceItem)),
    runs.length ? details(SEVERAL ? "Run by run" : "Configuration by configuration", ...each.flat()) : null,
  );
}

/** Return what the spec expected and what came of it. */
function expectedSection() {
  const runs = DATA.runs.filter((run) => run.expected.length);
  if (!runs.length) return null;
  const every = runs.flatMap((run) => run.expected);
  const held = every.filter((one) => one.outcome === "held").length;
  return section(
    "expected",
    "What was expected",
    el("p", {}, `${held} of ${counted(every.length, "statement")} of the spec${SEVERAL ? "s" : ""} held.`),
    runs.map((run) => [
      SEVERAL ? el("h3", {}, run.name) : null,
      el("ul", { class: "expected" }, run.expected.map(expectedItem)),
    ]),
  );
}

function expectedItem(one) {
  const [sign, shade] = { held: ["\u2713", "l3"], "did not hold": ["\u2717", "e3"] }[one.outcome] || ["?", ""];
  const [measured, against] = one.numbers;
  const numbers =
    measured === null ? "" : ` measured ${measured} against ${against}${one.where ? ` at ${one.where}` : ""}`;
  const many =
    one.failed && one.compared > 1
      ? `, not in ${one.failed} of ${one.compared}`
      : one.compared > 1
        ? `, the nearest of ${one.compared}`
        : "";
  return el(
    "li",
    {},
    el("b", { class: `badge ${shade}` }, sign),
    el("code", {}, one.that),
    ` ${one.outcome}${one.reason ? `: ${one.reason}` : ""}. `,
    el("span", { class: "hint" }, `${numbers}${numbers ? many : ""}`),
    one.because ? el("p", { class: "hint" }, one.because) : null,
  );
}

function failuresSection() {
  const rows = DATA.runs.flatMap((run) =>
    run.failures.map((failure) =>
      el(
        "tr",
        {},
        SEVERAL ? el("td", {}, run.name) : null,
        el("td", { class: "right" }, whole(failure.cells)),
        el("td", {}, el("code", {}, failure.error)),
        el("td", {}, failure.bank),
      ),
    ),
  );
  if (!rows.length) return null;
  const heads = [...(SEVERAL ? ["run"] : []), "cells", "error", "bank"];
  return section(
    "failures",
    "What failed",
    el("p", {}, "The tracebacks are in run.log of the run directory."),
    scroller("Failures", plainTable({}, heads, rows)),
  );
}

/** Return any value of run.json as a short text. */
function plainText(value) {
  if (value === null || value === undefined) return "\u2013";
  if (Array.isArray(value)) return value.map(plainText).join(" ");
  if (typeof value === "object")
    return Object.entries(value)
      .map(([key, one]) => `${key} ${plainText(one)}`)
      .join(", ");
  return String(value);
}

function sessionTable(session) {
  const own = { ...session };
  const took = duration(own.started, own.finished);
  const rows = [
    ["took", took || "it did not finish"],
    ...Object.entries(own).map(([key, one]) => [key.replaceAll("_", " "), plainText(one)]),
  ];
  return el(
    "dl",
    { class: "sheet" },
    rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
  );
}

function provenanceSection() {
  const parts = DATA.runs.map((run) => [
    SEVERAL ? el("h3", {}, run.name) : null,
    el("p", {}, "Run directory: ", el("code", {}, run.directory), `, ${counted(run.cells, "cell")}.`),
    ...run.sessions.map((session, index) =>
      index === run.sessions.length - 1
        ? sessionTable(session)
        : details(`Earlier session of ${plainText(session.started)}`, sessionTable(session)),
    ),
    run.sessions.length ? null : el("p", { class: "hint" }, "run.json is missing or is not as gradlab writes it."),
    run.spec ? details("The spec, with everything resolved", el("pre", {}, run.spec)) : null,
  ]);
  return section("provenance", "Where the numbers come from", parts.flat());
}

function readingSection() {
  const { unit } = DATA.along;
  const rows = [
    [
      "gradient norm",
      `the norm of \u2202loss/\u2202x of the output x of a ${unit}, over one fixed probe batch, in float64. It is the gradient of the activations, not of the weights.`,
    ],
    [
      "survival",
      `the gradient norm at the first ${unit} over that at the last. Means over seeds are geometric, intervals are 95 % of Student's t over seeds.`,
    ],
    [
      "decay",
      `the factor per ${unit} on the way down from the loss, fitted to the logarithm; below 1 the gradient vanishes, above 1 it explodes.`,
    ],
    ["reach", `how many ${unit}s until a thousandth is left, or until it has grown a thousandfold.`],
    [
      "theory, z",
      "mean-field theory of wide networks with its scatter at this width; z is measured less predicted, in standard deviations of the mean. Beyond \u00b13.5 theory does not explain it.",
    ],
    ["learned", "the task's own criterion, apart from the verdict on the gradient."],
    ["keys", "Tab goes from part to part; in the heat map and in charts the arrow keys move, Home and End jump."],
  ];
  return section(
    "reading",
    "How to read this page",
    el(
      "dl",
      { class: "sheet" },
      rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
    ),
  );
}
