// The numbers of one configuration: its survival as a sentence, and all of them as a list.

function survivalSentence(row) {
  if (valueAt(row, "verdict") === "failed") return "failed: see below";
  const survival = survivalPhrase(row, "log10_survival");
  return `${survival}${survival && ", "}${valueAt(row, "verdict_name")}`;
}

/** Return a survival as a phrase; empty where there is none. */
function survivalPhrase(row, name) {
  const log10 = numberAt(row, name);
  return Number.isNaN(log10) ? "" : `survival ${amount(log10)}`;
}

/** Return the 95 % interval of a column in parentheses; empty where there is none. */
function intervalText(row, name, format) {
  const [low, high] = [numberAt(row, `${name}_lo`), numberAt(row, `${name}_hi`)];
  return Number.isNaN(low) ? "" : ` (95 %: ${format(low)} to ${format(high)})`;
}

/** Return the list of the numbers that there are. */
function numberList(row) {
  const log = (name) => fixed(numberAt(row, name), 2, true);
  const four = (name) => significant(numberAt(row, name), 4);
  const [theory, z] = [log("theory_log10_survival"), fixed(numberAt(row, "theory_z"), 1, true)];
  const [state, stateTheory] = [log("log10_cell_survival"), log("theory_log10_cell_survival")];
  const interval = intervalText(row, "log10_survival", (end) => fixed(end, 2, true));
  const underflow = numberAt(row, "underflow");
  const count = (name) => (numberAt(row, name) ? counted(numberAt(row, name), "seed") : "");
  const entries = [
    ["log\u2081\u2080 survival", (log("log10_survival") || valueAt(row, "text")) + interval],
    ["theory\u2019s log\u2081\u2080 survival", theory && `${theory}${z && ` (z = ${z})`}`],
    [`decay per ${unitOf(row)}`, four("decay") + intervalText(row, "decay", (end) => significant(end, 4))],
    ["theory\u2019s decay", four("theory_decay")],
    ["cell state\u2019s log\u2081\u2080 survival", state && state + (stateTheory && ` (theory ${stateTheory})`)],
    ["lost to the precision", underflow > 0 ? `${significant(100 * underflow, 2)} % of the gradient` : ""],
    ["reach", valueAt(row, "reach_text") && `${valueAt(row, "reach_text")} ${unitOf(row)}s`],
    ...(TRAINED
      ? [
          ["training", valueAt(row, "training")],
          [DATA.metric, significant(numberAt(row, "metric"), 3)],
          ["learned", learnedText(row) && `${learnedText(row)} seeds`],
          ["loss", significant(numberAt(row, "loss"), 3)],
          ["after training", log("log10_survival_final") || valueAt(row, "text_final")],
        ]
      : []),
    ["diverged", count("diverged")],
    ["failed", count("failed")],
  ];
  return el(
    "dl",
    { class: "number-list" },
    entries.filter(([, text]) => text).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
  );
}
