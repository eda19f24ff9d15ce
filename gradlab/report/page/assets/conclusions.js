// The sentences of the page: conclusions, causes run by run, expectations with what came of them, and failures.

/** Return a text with 10^-3 as a power. */
const withPowers = (text) =>
  text
    .split(/10\^(-?[\d.]*\d)/)
    .flatMap((piece, index) => (index % 2 ? ["10", el("sup", {}, signed(piece))] : [piece]));

/** Return a sentence with the words before its first colon in bold, where they are few. */
function sentenceItem(text) {
  const clean = text.trim();
  const colon = clean.indexOf(": ");
  const lead = colon > 0 && colon < 60;
  const bold = lead ? el("b", {}, withPowers(clean.slice(0, colon + 1))) : null;
  return el("li", {}, bold, withPowers(lead ? clean.slice(colon + 1) : clean));
}

const sentenceList = (sentences) => el("ul", { class: "sentences" }, sentences.map(sentenceItem));

/** Sentences that stand at the top; the others behind a click. */
const MOST_CONCLUSIONS = 6;

function conclusionsSection() {
  const runs = DATA.runs.filter((run) => run.causes.length);
  if (!DATA.conclusions.length && !runs.length) return null;
  const causes = runs.map((run) => [
    SEVERAL ? el("h3", {}, run.name) : null,
    SEVERAL && run.description ? el("p", {}, run.description) : null,
    sentenceList(run.causes),
  ]);
  return section(
    "conclusions",
    "Conclusions",
    sentenceList(DATA.conclusions.slice(0, MOST_CONCLUSIONS)),
    DATA.conclusions.length > MOST_CONCLUSIONS
      ? details("remarks", "More remarks", sentenceList(DATA.conclusions.slice(MOST_CONCLUSIONS)))
      : null,
    runs.length ? details("causes", SEVERAL ? "Run by run" : "Configuration by configuration", ...causes.flat()) : null,
  );
}

/** Return the statements of the specs with what came of them; `showSelection` filters by a selection of one. */
function expectationsSection(showSelection) {
  const runs = DATA.runs.filter((run) => run.expected.length);
  if (!runs.length) return null;
  const every = runs.flatMap((run) => run.expected);
  const held = every.filter((judgement) => judgement.outcome === "held").length;
  return section(
    "expected",
    "Expectations",
    el("p", {}, `${held} of ${counted(every.length, "statement")} of the spec${SEVERAL ? "s" : ""} held.`),
    runs.map((run) => expectationList(run, (judgement) => judgement.outcome !== "held", showSelection)),
    held
      ? details(
          "held",
          "What held",
          ...runs.flatMap((run) => expectationList(run, (judgement) => judgement.outcome === "held", showSelection)),
        )
      : null,
  );
}

/** Return the statements of a run that fit, below its name where there are several runs; nothing without any. */
function expectationList(run, fits, showSelection) {
  const chosen = run.expected.filter(fits);
  if (!chosen.length) return [];
  return [
    SEVERAL ? el("h3", {}, run.name) : null,
    el(
      "ul",
      { class: "expected" },
      chosen.map((judgement) => expectationItem(judgement, showSelection)),
    ),
  ];
}

function expectationItem(judgement, showSelection) {
  const [sign, shade] = { held: ["\u2713", "l3"], "did not hold": ["\u2717", "e3"] }[judgement.outcome] || ["?", ""];
  const { selection } = judgement;
  return el(
    "li",
    {},
    el("b", { class: `badge ${shade}` }, sign),
    el("code", {}, judgement.that),
    ` ${judgement.outcome}. `,
    el("span", { class: "hint" }, judgement.detail),
    selection
      ? [" ", el("button", { type: "button", class: "noprint link", click: () => showSelection(selection) }, "show")]
      : null,
    judgement.because ? el("p", { class: "hint" }, judgement.because) : null,
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
    "Failures",
    el("p", {}, "The tracebacks are in run.log of the run directory."),
    scroller("Failures", plainTable({}, heads, rows)),
  );
}
