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
      (name) => columnValue(FILTER_COLUMNS, name, (column) => filterValue(row, column)),
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

/** Return the box of the filter as `element`, and `showSelection`, which has it hold an expression. */
function filterBox() {
  const message = el("p", { id: "filter-message", class: "hint", role: "status" });
  let typing = false;

  const say = (error) => {
    box.setAttribute("aria-invalid", String(Boolean(error)));
    message.classList.toggle("wrong", Boolean(error));
    message.textContent = error
      ? `column ${error.at + 1}: ${error.message}${error.hint ? `; ${error.hint}` : ""}`
      : box.value.trim()
        ? `${whole(state.rows.length)} of ${counted(SIZE, "configuration")}`
        : counted(SIZE, "configuration");
  };
  const apply = (history) => {
    try {
      const rows = rowsWith(parseQuery(box.value, FILTER_COLUMNS));
      setState({ filter: box.value, rows }, history);
      say(null);
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      say(error);
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
    // all that is typed at once is one entry of the history
    input: () => {
      apply(typing ? "replace" : "push");
      typing = true;
    },
    change: () => {
      typing = false;
    },
    blur: () => {
      typing = false;
    },
  });
  message.textContent = counted(SIZE, "configuration");
  subscribe(["filter"], () => {
    if (box.value === state.filter) return;
    box.value = state.filter;
    apply("");
  });
  const showSelection = ({ text, tree }) => {
    box.value = text;
    setState({ filter: text, rows: rowsWith(tree) });
    say(null);
    scrollToPart(box);
    box.focus({ preventScroll: true });
  };
  return {
    element: el("div", { class: "filter noprint" }, el("label", { for: "filter" }, "Filter"), box, message),
    showSelection,
  };
}
