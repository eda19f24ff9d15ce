// The columns of the overview table: heading, help, the text of a field and the value that it is sorted by.

/** How a field is written, by the format of its column. */
const FORMATS = {
  log10: (row, key) =>
    fixed(numberAt(row, key), 2, true) || valueAt(row, key.endsWith("_final") ? "text_final" : "text"),
  "4 digits": (row, key) => significant(numberAt(row, key), 4),
  "3 digits": (row, key) => significant(numberAt(row, key), 3),
  z: (row, key) => fixed(numberAt(row, key), 1, true),
  count: (row, key) => whole(numberAt(row, key)),
  seeds: learnedText,
  reach: (row) => valueAt(row, "reach_text"),
  verdict: (row) => `${valueAt(row, "mark")} ${valueAt(row, "verdict_name")}`.trim(),
  run: (row) => runOf(row).name,
  label: (row, key) => String(valueAt(row, key)),
  outcome: (row, key) => valueAt(row, key),
};
/** What a field says that has neither a number nor a word. */
const EMPTY_FIELD = "none";

const OVERVIEW = DATA.overview.map(({ key, heading, help, format }) => {
  const text = (row) => FORMATS[format](row, key);
  const labels = format === "label" && CONFIGURATIONS[key].some((label) => Number.isNaN(num(label)));
  const isText = labels || ["verdict", "run", "outcome"].includes(format);
  return {
    key,
    heading,
    help,
    right: !isText,
    text,
    sort: (row) => (isText ? text(row) : numberAt(row, key)),
    shade: (row) =>
      format === "outcome"
        ? "outcome"
        : format === "verdict"
          ? `verdict ${valueAt(row, key)}`
          : format === "z" && isUnexplained(row)
            ? "strong"
            : "",
  };
});
