// What a field of the heat map can show: its text, its sign where there is no room for a text, its shade, and what a
// screen reader says. No field is without a text and none without a sign.

/** Survival at the step of the slider. */
const atStep = {
  key: "step",
  name: "at step",
  text: (row) => `${signed(markAtStep(row)[0])} ${markAtStep(row)[1]}`.trim() || NOTHING_THERE,
  sign: (row) => markAtStep(row)[1] || (markAtStep(row)[0] ? INSIDE : NOTHING_THERE),
  shade: (row) => markAtStep(row)[2],
  label: (row) => `log survival ${markAtStep(row)[0] || "nothing measurable"} after step ${STEPS[stepPlace(STEPS)]}`,
  legend: () => [
    `Survival after training step ${whole(STEPS[stepPlace(STEPS)])}, as log\u2081\u2080. `,
    ...DATA.legend.after.map(badgeEntry),
  ],
};

const survivalMeasure = (key, name, ending, label, legend) => ({
  key,
  name,
  text: (row) => `${signed(valueAt(row, `text${ending}`))} ${valueAt(row, `mark${ending}`)}`.trim() || NOTHING_THERE,
  sign: (row) => valueAt(row, `mark${ending}`) || (valueAt(row, `text${ending}`) ? INSIDE : NOTHING_THERE),
  shade: (row) => valueAt(row, `shade${ending}`),
  label,
  legend,
});

const NOTHING_THERE = "\u2013";
const INSIDE = "\u00b7";

const MEASURES = [
  survivalMeasure("before", "before training", "", survivalSentence, () => [
    `log\u2081\u2080 of the gradient norm at the first ${UNIT} over that at the last, geometric mean over the seeds. `,
    ...DATA.legend.before.map(badgeEntry),
  ]),
  ...(TRAINED
    ? [
        survivalMeasure(
          "after",
          "after training",
          "_final",
          (row) => `after training ${survivalPhrase(row, "log10_survival_final") || "nothing measurable"}`,
          () => ["The same after training. ", ...DATA.legend.after.map(badgeEntry)],
        ),
        ...(STEPS.length > 1 ? [atStep] : []),
        {
          key: "learned",
          name: "learned",
          text: (row) =>
            `${learnedText(row) || NOTHING_THERE}${learnedSign(row)}${numberAt(row, "diverged") ? " \u2020" : ""}`,
          sign: (row) =>
            numberAt(row, "n")
              ? learnedSign(row).trim() || (numberAt(row, "diverged") ? "\u2020" : INSIDE)
              : NOTHING_THERE,
          shade: (row) => (numberAt(row, "n") ? `l${Math.round(4 * numberAt(row, "learned"))}` : "lost"),
          label: (row) => (numberAt(row, "n") ? `${learnedText(row)} seeds learned` : "nothing measured"),
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
          text: (row) => fixed(numberAt(row, "theory_z"), 1, true) || NOTHING_THERE,
          sign: (row) => {
            const z = numberAt(row, "theory_z");
            return Number.isNaN(z) ? NOTHING_THERE : !isUnexplained(row) ? INSIDE : z > 0 ? "\u2191" : "\u2193";
          },
          shade: (row) => (isUnexplained(row) ? "off" : ""),
          label: (row) => `z = ${fixed(numberAt(row, "theory_z"), 1, true) || "no prediction"}`,
          legend: () => [
            `Measured less predicted log survival, in standard deviations of the mean: beyond \u00b1${DATA.thresholds.unexplained} theory does not explain it. `,
            badgeEntry({
              shade: "off",
              sign: "\u2191 \u2193",
              name: `above, below by more than ${DATA.thresholds.unexplained}`,
            }),
            badgeEntry({ shade: "", sign: INSIDE, name: "explained" }),
            badgeEntry({ shade: "", sign: NOTHING_THERE, name: "no prediction" }),
          ],
        },
      ]
    : []),
];

const learnedSign = (row) => (numberAt(row, "learned") > DATA.thresholds.learned ? " \u2713" : "");

/** Say whether a mean lies further from its prediction than theory explains. */
const isUnexplained = (row) => Math.abs(numberAt(row, "theory_z")) > DATA.thresholds.unexplained;

/** Return the legend of a measure as one text. */
const legendText = (measure) =>
  measure
    .legend()
    .map((part) => (typeof part === "string" ? part : `${part.textContent};`))
    .join(" ")
    .replace(/;$/, ".");

/** Return an entry of a legend: a sign on its shade, and its name. */
const badgeEntry = ({ shade, sign, name }) =>
  el("span", { class: "key" }, el("b", { class: `badge ${shade}` }, sign), ` ${name}`);
