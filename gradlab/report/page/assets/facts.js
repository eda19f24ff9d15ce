// The numbers of one configuration, in words and as a list.

function sentence(row) {
  const verdict = raw(row, "verdict");
  if (verdict === "failed") return "failed: see below";
  const left = leftText(row, "log10_survival");
  return left ? `${left}, ${WORDS[verdict]}` : WORDS[verdict] || verdict;
}

/** Return how much of the gradient is left at the bottom, in words; empty where that is not to be measured. */
function leftText(row, name) {
  const log10 = value(row, name);
  if (Number.isNaN(log10)) return "";
  if (log10 <= 0.005) return `${amount(log10)} of the gradient left`;
  return `the gradient is ${amount(log10)} times as large at the first ${unitOf(row)}`;
}

const between = (row, name, text) => {
  const [low, high] = [value(row, `${name}_lo`), value(row, `${name}_hi`)];
  return Number.isNaN(low) ? "" : ` (95 %: ${text(low)} to ${text(high)})`;
};

function stateText(row) {
  const theory = fixed(value(row, "theory_log10_cell_survival"), 2, true);
  const shown = fixed(value(row, "log10_cell_survival"), 2, true);
  return shown && shown + (theory && ` (theory ${theory})`);
}

function facts(row) {
  const log = (one) => fixed(one, 2, true),
    four = (one) => significant(one, 4);
  const theory = fixed(value(row, "theory_log10_survival"), 2, true);
  const z = fixed(value(row, "theory_z"), 1, true);
  const rows = [
    ["log\u2081\u2080 survival", log10Text(row, "log10_survival", "verdict") + between(row, "log10_survival", log)],
    ["theory\u2019s log\u2081\u2080 survival", theory && `${theory}${z && ` (z = ${z})`}`],
    [`decay per ${unitOf(row)}`, `${four(value(row, "decay"))}${between(row, "decay", four)}`],
    ["theory\u2019s decay", four(value(row, "theory_decay"))],
    ["cell state\u2019s log\u2081\u2080 survival", stateText(row)],
    [
      "lost to the precision",
      value(row, "underflow") > 0 ? `${significant(100 * value(row, "underflow"), 2)} % of the gradient` : "",
    ],
    ["reach", significant(value(row, "reach"), 3) && `${significant(value(row, "reach"), 3)} ${unitOf(row)}s`],
    ...(TRAINED
      ? [
          [DATA.metric, significant(value(row, "metric"), 3)],
          ["learned", learnedText(row) && `${learnedText(row)} seeds`],
          ["loss", significant(value(row, "loss"), 3)],
          ["after training", log10Text(row, "log10_survival_final", "verdict_final")],
        ]
      : []),
    ["diverged", value(row, "diverged") ? counted(value(row, "diverged"), "seed") : ""],
    ["failed", value(row, "failed") ? counted(value(row, "failed"), "seed") : ""],
  ];
  return el(
    "dl",
    { class: "facts" },
    rows.filter(([, text]) => text).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
  );
}
