// The overview: every configuration in a table that sorts by any column.

/** Return the table as an element. */
function overview() {
  const body = el("tbody", { keydown: (event) => moveInTable(event) });
  const heads = OVERVIEW.map((column) =>
    el(
      "th",
      { scope: "col", class: column.right ? "right" : "", "aria-sort": "none", "data-key": column.key },
      el(
        "button",
        { type: "button", title: column.help || null, click: () => sortBy(column) },
        column.heading,
        el("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    ),
  );
  const every = [...Array(SIZE).keys()];
  const sizer = columnSizer(
    OVERVIEW.map((column) => every.map((row) => [column.text(row) || EMPTY_FIELD, column.shade(row)])),
  );
  const table = el(
    "table",
    { class: "overview", id: "overview-table" },
    el("thead", {}, el("tr", {}, heads)),
    body,
    sizer,
  );
  const box = scroller("Overview table", table);
  box.classList.add("tall");
  let order = [];
  let current = -1;
  const drawRow = (index) => tableRow(order[index]);
  const rows = virtualRows({ box, body, draw: drawRow, columns: OVERVIEW.length });
  const left = el("p", { class: "hint printonly" });

  const sortBy = (column) => {
    // the first click on a number shows the largest first, on a word the first of the alphabet
    const down = state.sort.replace(/^-/, "") === column.key ? !state.sort.startsWith("-") : column.right;
    setState({ sort: `${down ? "-" : ""}${column.key}` });
    announce(`sorted by ${column.heading}, ${down ? "largest first" : "smallest first"}`);
  };
  const update = () => {
    const down = state.sort.startsWith("-");
    const key = state.sort.replace(/^-/, "");
    for (const head of heads)
      head.setAttribute("aria-sort", head.dataset.key !== key ? "none" : down ? "descending" : "ascending");
    order = sorted(
      state.rows,
      OVERVIEW.find((column) => column.key === key),
      down,
    );
    rows.update(order.length);
    mark(false);
  };
  const mark = (reveal) => {
    const previous = current < 0 ? null : rows.at(order.indexOf(current));
    if (previous) markRow(previous, false);
    current = state.chosen;
    const place = order.indexOf(current);
    const line = place < 0 ? null : reveal ? rows.reveal(place) : rows.at(place);
    if (line) markRow(line, true);
    else if (!body.querySelector('button[tabindex="0"]')) body.querySelector("button")?.setAttribute("tabindex", "0");
  };
  const markRow = (line, chosen) => {
    line.classList.toggle("selected", chosen);
    setAttributes(line.querySelector("button"), { "aria-pressed": String(chosen), tabindex: chosen ? "0" : "-1" });
    if (!chosen) return;
    for (const other of body.querySelectorAll('button[tabindex="0"]'))
      if (!line.contains(other)) other.setAttribute("tabindex", "-1");
  };
  /** Arrow keys go from row to row; Tab leaves the table. */
  const moveInTable = (event) => {
    const place = Number(event.target.closest("tr").getAttribute("aria-rowindex")) - 2;
    const last = order.length - 1;
    const target = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + 10,
      PageUp: place - 10,
      Home: 0,
      End: last,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    const line = rows.reveal(Math.min(Math.max(target, 0), last));
    for (const other of body.querySelectorAll('button[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    const button = line.querySelector("button");
    button.setAttribute("tabindex", "0");
    button.focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
  };
  subscribe(["rows", "sort"], update);
  subscribe(["chosen"], () => mark(true));
  update();
  const save = el(
    "button",
    { type: "button", class: "noprint", click: () => saveText("overview.csv", overviewCsv(order)) },
    "These rows as CSV",
  );
  onPaper(
    () => {
      const hidden = rows.onPaper();
      left.textContent = hidden ? `${whole(hidden)} more rows are not printed.` : "";
    },
    () => rows.onScreen(),
  );
  return el("div", {}, box, left, save);
}

/** Return rows in the order of a column; what has no value comes last in both, and equal ones keep their order. */
function sorted(rows, column, down) {
  if (!column) return rows;
  const keyed = rows.map((row) => ({ row, key: column.sort(row) }));
  const empty = (key) => key === "" || Number.isNaN(key);
  keyed.sort((a, b) => {
    if (empty(a.key) || empty(b.key)) return Number(empty(a.key)) - Number(empty(b.key));
    const sign = a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
    return down ? -sign : sign;
  });
  return keyed.map(({ row }) => row);
}

function tableRow(row) {
  const chosen = row === state.chosen;
  const cells = OVERVIEW.map((column, index) => {
    const text = column.text(row);
    const attributes = { class: `${column.right ? "right" : ""} ${column.shade(row)}`.trim(), "data-key": column.key };
    if (index) return el("td", { ...attributes, title: text.length > 30 ? text : null }, text || EMPTY_FIELD);
    const button = el(
      "button",
      {
        type: "button",
        tabindex: chosen ? "0" : "-1",
        "aria-pressed": String(chosen),
        "aria-label": `${text}: show ${fullName(row)}`,
      },
      text || "show",
    );
    return markPin(el("th", { scope: "row", "data-row": row, ...attributes }, button));
  });
  return el("tr", { "data-row": row, class: chosen ? "selected" : "", click: () => choose(row) }, cells);
}

/** Return rows of configurations as CSV: the settings that vary, then every number the page has. */
function overviewCsv(rows) {
  const heading = (name) => (name === "length" ? LENGTH : name);
  const field = (row, name) => (name === "run" ? runOf(row).name : valueAt(row, name));
  return csv([DATA.csv.map(heading), ...rows.map((row) => DATA.csv.map((name) => field(row, name)))]);
}
