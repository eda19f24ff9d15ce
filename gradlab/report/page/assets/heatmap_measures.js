// What a field of the heat map can show: its text, its shade, and what a screen reader says.

const MEASURES = [
  {
    key: "before",
    name: "before training",
    text: (row) => `${signed(valueAt(row, "text"))} ${valueAt(row, "mark")}`.trim(),
    shade: (row) => valueAt(row, "shade"),
    label: survivalSentence,
    legend: () => [
      `log\u2081\u2080 of the gradient norm at the first ${UNIT} over that at the last, geometric mean over the seeds. `,
      ...DATA.legend.before.map(badgeEntry),
    ],
  },
  ...(TRAINED
    ? [
        {
          key: "after",
          name: "after training",
          text: (row) => `${signed(valueAt(row, "text_final"))} ${valueAt(row, "mark_final")}`.trim(),
          shade: (row) => valueAt(row, "shade_final"),
          label: (row) => `after training ${survivalPhrase(row, "log10_survival_final") || "nothing measurable"}`,
          legend: () => ["The same after training. ", ...DATA.legend.after.map(badgeEntry)],
        },
        {
          key: "learned",
          name: "learned",
          text: (row) =>
            `${learnedText(row)}${numberAt(row, "learned") > DATA.thresholds.learned ? " \u2713" : ""}${numberAt(row, "diverged") ? " \u2020" : ""}`,
          shade: (row) => (numberAt(row, "n") ? `l${Math.round(4 * numberAt(row, "learned"))}` : "lost"),
          label: (row) => `${learnedText(row)} seeds learned`,
          legend: () => [
            "Seeds that learned, of those measured. ",
            badgeEntry({ shade: "l4", sign: "\u2713", name: "most of them" }),
            badgeEntry({ shade: "", sign: "\u2020", name: "some diverged" }),
          ],
        },
      ]
    : []),
  ...(CONFIGURATIONS.theory_z
    ? [
        {
          key: "z",
          name: "against theory (z)",
          text: (row) => fixed(numberAt(row, "theory_z"), 1, true) || "\u2013",
          shade: (row) => (isUnexplained(row) ? "off" : ""),
          label: (row) => `z = ${fixed(numberAt(row, "theory_z"), 1, true) || "no prediction"}`,
          legend: () => [
            `Measured less predicted log survival, in standard deviations of the mean: beyond \u00b1${DATA.thresholds.unexplained} theory does not explain it. `,
            badgeEntry({ shade: "off", sign: "z", name: `beyond ${DATA.thresholds.unexplained}` }),
          ],
        },
      ]
    : []),
];

/** Say whether a mean lies further from its prediction than theory explains. */
const isUnexplained = (row) => Math.abs(numberAt(row, "theory_z")) > DATA.thresholds.unexplained;

/** Return an entry of a legend: a sign on its shade, and its name. */
const badgeEntry = ({ shade, sign, name }) =>
  el("span", { class: "key" }, el("b", { class: `badge ${shade}` }, sign), ` ${name}`);
