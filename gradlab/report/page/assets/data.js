// What the page is about: the document that gradlab put into it, and the columns of the overview table.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COLUMNS = DATA.configurations;
const SIZE = COLUMNS.run.length;
const SEVERAL = DATA.runs.length > 1;
const TRAINED = DATA.counts.learned !== null;
const WORDS = {
  vanishing: "vanished",
  exploding: "exploded",
  healthy: "healthy",
  dead: "exactly zero",
  nonfinite: "not finite",
  failed: "failed",
};

/** Return a value of a configuration as it is in the data: a text, a number, or null. */
function raw(row, name) {
  const column = COLUMNS[name];
  if (column === undefined) return null;
  return column.levels ? column.levels[column.codes[row]] : column[row];
}

/** Return a number of a configuration; NaN where there is none. */
const value = (row, name) => num(raw(row, name));

const runOf = (row) => DATA.runs[raw(row, "run")];

/** Return what tells a configuration from the others of its run and length, in words that stand alone. */
function nameOf(row) {
  const { keys, fixed } = runOf(row);
  const words = keys.map((key) => worded(key, String(raw(row, key)))).filter((text) => text);
  const same = ["activation", "init"].map((key) => DATA.fixed[key] || fixed[key]).filter((text) => text);
  return (words.length ? words : same).join(" ") || runOf(row).name;
}

const BARE = new Set(["model", "task", "activation", "init", "optimizer", "precision", "train.lr_schedule"]);

/** Return a setting in words that stand alone: no norm, lr 0.1, batch norm. */
function worded(key, label) {
  if (label === "") return "";
  const name = key.split(".").pop().replaceAll("_", " ");
  if (BARE.has(key)) return label;
  return label === "none" ? `no ${name}` : /^[a-z]/i.test(label) ? `${label} ${name}` : `${name} ${label}`;
}

const lengthWord = (along) => (along.name.includes(" or ") ? "length" : along.name);
const lengthOf = (row) => `${lengthWord(runOf(row).along)} ${raw(row, "along")}`;
const unitOf = (row) => runOf(row).along.unit;

/** Return the name with run and length: sigmoid he_normal, depth 32. */
const fullName = (row) => `${SEVERAL ? `${runOf(row).name}: ` : ""}${nameOf(row)}, ${lengthOf(row)}`;

/** Return how many seeds learned, as a text like 3/5. */
function learnedText(row) {
  const n = value(row, "n");
  return n ? `${Math.round(value(row, "learned") * n)}/${n}` : "";
}

const log10Text = (row, name, verdict) => {
  const shown = fixed(value(row, name), 2, true);
  return shown || { dead: "zero", nonfinite: "nan", failed: "failed" }[raw(row, verdict)] || "";
};

function settingColumn(key) {
  const label = key === "along" ? DATA.along.name : key;
  const numbers = !COLUMNS[key].some((one) => Number.isNaN(num(one)));
  return {
    key,
    label,
    text: (row) => String(raw(row, key)),
    sort: (row) => (numbers ? value(row, key) : String(raw(row, key))),
    right: numbers,
  };
}

const number = (key, label, help, text) => ({ key, label, help, text, sort: (row) => value(row, key), right: true });

/** The columns of the overview: key in summary.csv, heading, explanation, the text of a field and its sorting value. */
const OVERVIEW = [
  ...(SEVERAL
    ? [
        {
          key: "run",
          label: "run",
          text: (row) => DATA.runs[raw(row, "run")].name,
          sort: (row) => DATA.runs[raw(row, "run")].name,
        },
      ]
    : []),
  ...DATA.keys.map(settingColumn),
  settingColumn("along"),
  {
    key: "verdict",
    label: "verdict",
    help: "of the geometric mean over the seeds, before training",
    text: (row) => `${raw(row, "mark")} ${WORDS[raw(row, "verdict")] || raw(row, "verdict")}`.trim(),
    sort: (row) => raw(row, "verdict"),
  },
  number(
    "log10_survival",
    "log\u2081\u2080 survival",
    `gradient norm at the first ${DATA.along.unit} over that at the last, before training`,
    (row) => log10Text(row, "log10_survival", "verdict"),
  ),
  number("decay", `decay/${DATA.along.unit}`, "factor on the way down from the loss; below 1 it vanishes", (row) =>
    significant(value(row, "decay"), 4),
  ),
  number("theory_decay", "theory", "the decay that mean-field theory predicts", (row) =>
    significant(value(row, "theory_decay"), 4),
  ),
  number("theory_z", "z", "measured less predicted log survival, in standard deviations of the mean", (row) =>
    fixed(value(row, "theory_z"), 1, true),
  ),
  number("reach", "reach", `${DATA.along.unit}s until a thousandth is left, or a thousandfold`, (row) =>
    significant(value(row, "reach"), 3),
  ),
  ...(TRAINED
    ? [
        number("metric", DATA.metric, "after training, on held-out samples, mean over the seeds", (row) =>
          significant(value(row, "metric"), 3),
        ),
        number("learned", "learned", "seeds that met the task's own criterion", learnedText),
        number("loss", "loss", "after training", (row) => significant(value(row, "loss"), 3)),
        number("log10_survival_final", "after training", "log\u2081\u2080 survival after training", (row) =>
          log10Text(row, "log10_survival_final", "verdict_final"),
        ),
      ]
    : []),
  ...["diverged", "dead", "nonfinite", "failed"]
    .filter((key) => COLUMNS[key].some((one) => one))
    .map((key) => number(key, key, "seeds", (row) => whole(value(row, key)))),
  number("n", "seeds", "seeds that were measured", (row) => whole(value(row, "n"))),
].filter((column) => (column.key !== "theory_decay" && column.key !== "theory_z") || COLUMNS[column.key]);

/** The configuration that is looked at; `select` tells everyone who asked. */
const state = { selected: -1, rows: [...Array(SIZE).keys()], listeners: [] };

/** Look at a configuration. A glance (the mouse passes over) changes the profile only and is taken back by `select`. */
function select(row, glance = false) {
  if (row < 0) return;
  if (!glance) state.selected = row;
  for (const listener of state.listeners) listener(row, glance);
}

/** Return the configuration to begin with: the deepest that lost most of its gradient, otherwise the last one. */
function firstChoice() {
  let best = SIZE - 1;
  for (let row = 0; row < SIZE; row += 1) {
    const [one, other] = [row, best].map((index) =>
      DATA.profiles[index] ? Math.abs(value(index, "log10_survival")) || 0 : -1,
    );
    if (one > other) best = row;
  }
  return best;
}
