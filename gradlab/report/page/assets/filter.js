// The filter above map and table: conditions such as depth>=16 or norm=none, and words that a row's texts must contain.

const { columns: FILTER_COLUMNS, settings: SETTINGS } = DATA.filter;

/** Return the value of a column for the filter: a number, a text, or null where it is empty. */
function filterValue(row, name) {
  if (name === "run") return runOf(row).name;
  if (Object.hasOwn(SETTINGS, name)) {
    const { levels, codes } = SETTINGS[name];
    return levels[codes.length ? codes[row] : 0];
  }
  return FILTER_COLUMNS[name].kind === "number" ? value(row, name) : raw(row, name);
}

/** Return the rows for which the tree of a query holds. */
const rowsWith = (tree) =>
  [...Array(SIZE).keys()].filter((row) =>
    evaluateQuery(
      tree,
      (name) => filterValue(row, name),
      () => textsOf(row),
    ),
  );

/** Return all that is written of a configuration, for a search. */
const textsOf = (row) =>
  [
    runOf(row).name,
    nameOf(row),
    ...DATA.keys.map((key) => raw(row, key)),
    lengthOf(row),
    raw(row, "verdict"),
    WORDS[raw(row, "verdict")],
  ].join(" ");

/** Return the field for the filter; `changed` is called when other rows fit. */
function filterBox(changed) {
  const message = el("p", { id: "filter-message", class: "hint", role: "status" });
  const example = DATA.counts.verdicts.vanishing ? "vanished" : "healthy";
  const apply = () => {
    let problem = null;
    try {
      state.rows = rowsWith(parseQuery(box.value, FILTER_COLUMNS));
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      problem = error;
    }
    box.setAttribute("aria-invalid", problem ? "true" : "false");
    message.classList.toggle("wrong", Boolean(problem));
    message.textContent = problem
      ? `column ${problem.at + 1}: ${problem.message}${problem.hint ? `; ${problem.hint}` : ""}`
      : box.value.trim()
        ? `${whole(state.rows.length)} of ${counted(SIZE, "configuration")}`
        : counted(SIZE, "configuration");
    if (!problem) changed();
  };
  const box = el("input", {
    id: "filter",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "filter-message",
    placeholder: `e.g. ${example} ${DATA.along.name.split(" or ")[0]}>=16`,
    input: apply,
  });
  message.textContent = counted(SIZE, "configuration");
  return el("div", { class: "filter noprint" }, el("label", { for: "filter" }, "Filter"), box, message);
}
