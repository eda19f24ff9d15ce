// The filter above heat map and table: conditions such as depth>=16, and words that must occur in the texts of a row.

const { columns: FILTER_COLUMNS, settings: SETTINGS } = DATA.filter;

/** Return the value of a column for the filter: a number, a text, or null where it is empty. */
function filterValue(row, name) {
  if (name === "run") return runOf(row).name;
  if (Object.hasOwn(SETTINGS, name)) {
    const { levels, codes } = SETTINGS[name];
    return levels[codes.length ? codes[row] : 0];
  }
  return FILTER_COLUMNS[name].kind === "number" ? numberAt(row, name) : valueAt(row, name);
}

/** Return the rows for which the tree of a query holds. */
const rowsWith = (tree) =>
  [...Array(SIZE).keys()].filter((row) =>
    evaluateQuery(
      tree,
      (name) => filterValue(row, name),
      () => searchText(row),
    ),
  );

/** Return all texts of a configuration as one. */
const searchText = (row) =>
  [
    runOf(row).name,
    nameOf(row),
    ...DATA.keys.map((key) => valueAt(row, key)),
    lengthOf(row),
    valueAt(row, "verdict"),
    verdictName(valueAt(row, "verdict")),
    valueAt(row, "verdict_name"),
  ].join(" ");

/** Return the box of the filter as `element`; `changed` is called when other rows are left. */
function filterBox(changed) {
  const message = el("p", { id: "filter-message", class: "hint", role: "status" });
  const show = (tree) => {
    state.rows = rowsWith(tree);
    box.setAttribute("aria-invalid", "false");
    message.classList.remove("wrong");
    message.textContent = box.value.trim()
      ? `${whole(state.rows.length)} of ${counted(SIZE, "configuration")}`
      : counted(SIZE, "configuration");
    changed();
  };
  const apply = () => {
    try {
      show(parseQuery(box.value, FILTER_COLUMNS));
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      box.setAttribute("aria-invalid", "true");
      message.classList.add("wrong");
      message.textContent = `column ${error.at + 1}: ${error.message}${error.hint ? `; ${error.hint}` : ""}`;
    }
  };
  const example = verdictName(DATA.counts.verdicts.vanishing ? "vanishing" : "healthy");
  const box = el("input", {
    id: "filter",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "filter-message",
    placeholder: `e.g. ${example} ${DATA.axes[0].name}>=16`,
    input: apply,
  });
  message.textContent = counted(SIZE, "configuration");
  const showSelection = ({ text, tree }) => {
    box.value = text;
    show(tree);
    box.scrollIntoView({ block: "start", behavior: reducedMotion() ? "auto" : "smooth" });
    box.focus({ preventScroll: true });
  };
  return {
    element: el("div", { class: "filter noprint" }, el("label", { for: "filter" }, "Filter"), box, message),
    showSelection,
  };
}
