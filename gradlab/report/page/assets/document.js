// The document that gradlab put into the page, and the names of its configurations.

const DATA = JSON.parse(document.getElementById("data").textContent);
const CONFIGURATIONS = DATA.configurations;
const SIZE = CONFIGURATIONS.run.length;
const SEVERAL = DATA.runs.length > 1;
const TRAINED = DATA.counts.learned !== null;
const [LENGTH, UNIT] = ["name", "unit"].map((key) => DATA.axes.map((axis) => axis[key]).join(" or "));

/** Return the value of a column for a configuration, as it is in the document: a text, a number, or null. */
function valueAt(row, name) {
  const column = CONFIGURATIONS[name];
  if (column === undefined) return null;
  return column.levels ? column.levels[column.codes[row]] : column[row];
}

/** Return a number of a configuration; NaN where there is none. */
const numberAt = (row, name) => num(valueAt(row, name));

const runOf = (row) => DATA.runs[valueAt(row, "run")];
const axisOf = (row) => DATA.axes[valueAt(row, "axis")];
const unitOf = (row) => axisOf(row).unit;
const verdictName = (verdict) => DATA.verdicts[verdict] || verdict;

/** Return the name of a configuration: the settings that tell it from the others of its run and length. */
function nameOf(row) {
  const { keys, fixed } = runOf(row);
  const varying = keys.map((key) => settingText(key, String(valueAt(row, key)))).filter((text) => text);
  const shared = ["activation", "init"].map((key) => DATA.fixed[key] || fixed[key]).filter((text) => text);
  return (varying.length ? varying : shared).join(" ") || runOf(row).name;
}

const SELF_EXPLANATORY = new Set([
  "model",
  "task",
  "activation",
  "init",
  "optimizer",
  "precision",
  "train.lr_schedule",
]);

/** Return a value of a setting, with its name where the value does not say it: no norm, lr 0.1, batch norm. */
function settingText(key, label) {
  if (label === "") return "";
  const name = key.split(".").pop().replaceAll("_", " ");
  if (SELF_EXPLANATORY.has(key)) return label;
  return label === "none" ? `no ${name}` : /^[a-z]/i.test(label) ? `${label} ${name}` : `${name} ${label}`;
}

/** Return the length of a configuration with its name: depth 32. */
const lengthOf = (row) => `${axisOf(row).name} ${valueAt(row, "length")}`;

/** Return the name with run and length: sigmoid he_normal, depth 32. */
const fullName = (row) => `${SEVERAL ? `${runOf(row).name}: ` : ""}${nameOf(row)}, ${lengthOf(row)}`;

/** Return the identity of a configuration, which links have: that of its first cell, and its run where that tells more. */
const idOf = (row) => CONFIGURATIONS.id[row];
const IDS = new Map(Array.from({ length: SIZE }, (_, row) => [idOf(row), row]));

/** Return how many seeds learned, as a text like 3/5. */
function learnedText(row) {
  const seeds = numberAt(row, "n");
  return seeds ? `${Math.round(numberAt(row, "learned") * seeds)}/${seeds}` : "";
}
