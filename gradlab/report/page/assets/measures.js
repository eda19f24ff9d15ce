// What a field of the heat map can say: as a text, as a shade, and to a screen reader.

const MEASURES = [
  {
    key: "before",
    name: "before training",
    text: (row) => signedMark(row, "log10_survival", "verdict", "mark"),
    shade: (row) => raw(row, "shade"),
    say: (row) => sentence(row),
  },
  ...(TRAINED
    ? [
        {
          key: "after",
          name: "after training",
          text: (row) => signedMark(row, "log10_survival_final", "verdict_final", "mark_final"),
          shade: (row) => raw(row, "shade_final"),
          say: (row) => `after training ${leftText(row, "log10_survival_final") || "nothing measurable"}`,
        },
        {
          key: "learned",
          name: "learned",
          text: (row) =>
            `${learnedText(row)}${value(row, "learned") > 0.5 ? " \u2713" : ""}${value(row, "diverged") ? " \u2020" : ""}`,
          shade: (row) => (value(row, "n") ? `l${Math.round(4 * value(row, "learned"))}` : "lost"),
          say: (row) => `${learnedText(row)} seeds learned`,
        },
      ]
    : []),
  ...(COLUMNS.theory_z
    ? [
        {
          key: "z",
          name: "against theory (z)",
          text: (row) => fixed(value(row, "theory_z"), 1, true) || "\u2013",
          shade: (row) => (Math.abs(value(row, "theory_z")) > 3.5 ? "off" : ""),
          say: (row) => `z = ${fixed(value(row, "theory_z"), 1, true) || "no prediction"}`,
        },
      ]
    : []),
];

function signedMark(row, name, verdict, mark) {
  const shown = fixed(value(row, name), 1, true) || { dead: "zero", nonfinite: "nan" }[raw(row, verdict)] || "";
  return `${shown} ${raw(row, mark)}`.trim();
}

function explanation(measure) {
  const { vanish, explode } = DATA.limits;
  const piece = (shade, text) =>
    el("span", { class: "key" }, el("b", { class: `badge ${shade}` }, text[0]), text.slice(1));
  if (measure.key === "learned")
    return [
      "Seeds that learned, of those measured. ",
      piece("l4", "\u2713 most of them"),
      piece("", "\u2020 some diverged"),
    ];
  if (measure.key === "z")
    return [
      "Records less predicted log survival, in standard deviations of the mean: beyond \u00b13.5 theory does not explain it. ",
      piece("off", "z beyond 3.5"),
    ];
  const all = Object.keys(DATA.counts.verdicts);
  return [
    measure.key === "before"
      ? `log\u2081\u2080 of the gradient norm left at the first ${DATA.along.unit}, geometric mean over the seeds. `
      : "The same after training. ",
    piece("v2", "\u25be fading"),
    piece("v4", `\u2717 vanished${vanish ? ` (below ${significant(vanish, 3, true)})` : ""}`),
    piece("e2", "\u25b4 growing"),
    piece("e4", `\u25b2 exploded${explode ? ` (above ${significant(explode, 3, true)})` : ""}`),
    ...(all.includes("dead") ? [piece("lost", "\u2205 exactly zero")] : []),
    ...(all.includes("nonfinite") || measure.key === "after" ? [piece("lost", "! not finite")] : []),
    ...(all.includes("failed") ? [piece("lost", "\u00d7 failed")] : []),
  ];
}
