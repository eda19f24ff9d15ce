// The overview: every configuration in a table that sorts by any column.

const ROWS_OF_TABLE = 100;

/** Return the table; `update` in the result draws it anew after a filter. */
function overview() {
  let order = { column: null, down: true };
  let most = ROWS_OF_TABLE;
  const body = el("tbody", {});
  const more = el("p", { class: "noprint" });
  const heads = OVERVIEW.map((column) => {
    const button = el(
      "button",
      { type: "button", title: column.help || null, click: () => sortBy(column) },
      column.heading,
      el("span", { class: "arrow", "aria-hidden": "true" }),
    );
    return el(
      "th",
      { scope: "col", class: column.right ? "right" : "", "aria-sort": "none", "data-key": column.key },
      button,
    );
  });

  const sortBy = (column) => {
    // the first click on a number shows the largest first, on a word the first of the alphabet
    order = order.column === column ? { column, down: !order.down } : { column, down: column.right };
    heads.forEach((head) =>
      head.setAttribute(
        "aria-sort",
        head.dataset.key !== column.key ? "none" : order.down ? "descending" : "ascending",
      ),
    );
    announce(`sorted by ${column.heading}, ${order.down ? "largest first" : "smallest first"}`);
    update();
  };
  const update = () => {
    const rows = sorted(state.rows, order);
    const shown = rows.slice(0, most);
    body.replaceChildren(...shown.map(tableRow));
    more.replaceChildren();
    if (rows.length > shown.length) {
      const add = (count) =>
        el(
          "button",
          {
            type: "button",
            click: () => {
              most += count;
              update();
            },
          },
          count === Infinity ? `Show all ${whole(rows.length)}` : `Show ${whole(count)} more`,
        );
      more.append(
        `${whole(shown.length)} of ${whole(rows.length)} rows are shown. `,
        add(400),
        ...(rows.length <= 5000 ? [" ", add(Infinity)] : []),
      );
    }
    mark(state.selected);
  };
  const mark = (row) => {
    for (const line of body.rows) {
      const chosen = line.dataset.row === String(row);
      line.classList.toggle("selected", chosen);
      line.querySelector("button").setAttribute("aria-pressed", String(chosen));
    }
  };
  state.listeners.push((row, preview) => {
    if (!preview) mark(row);
  });
  update();
  const table = el("table", { class: "overview", id: "overview-table" }, el("thead", {}, el("tr", {}, heads)), body);
  const save = el(
    "button",
    { type: "button", class: "noprint", click: () => saveText("overview.csv", overviewCsv(sorted(state.rows, order))) },
    "These rows as CSV",
  );
  return { element: el("div", {}, scroller("Overview table", table), more, save), update };
}

/** Return rows in an order; what has no value comes last in both, and equal ones keep their order. */
function sorted(rows, order) {
  if (!order.column) return rows;
  const keyed = rows.map((row) => ({ row, key: order.column.sort(row) }));
  const empty = (key) => key === "" || Number.isNaN(key);
  keyed.sort((a, b) => {
    if (empty(a.key) || empty(b.key)) return Number(empty(a.key)) - Number(empty(b.key));
    const sign = a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
    return order.down ? -sign : sign;
  });
  return keyed.map(({ row }) => row);
}

function tableRow(row) {
  const cells = OVERVIEW.map((column, index) => {
    const text = column.text(row);
    const class_ = `${column.right ? "right" : ""} ${column.shade(row)}`.trim();
    if (index) return el("td", { class: class_, "data-key": column.key }, text || EMPTY_FIELD);
    const button = el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        "aria-label": `${text}: show ${fullName(row)}`,
        click: () => select(row),
      },
      text || "show",
    );
    return el("th", { scope: "row", class: class_, "data-key": column.key }, button);
  });
  return el(
    "tr",
    {
      "data-row": row,
      click: (event) => {
        if (!event.target.closest("button")) select(row);
      },
    },
    cells,
  );
}

/** Return rows of configurations as CSV: the settings that vary, then every number the page has. */
function overviewCsv(rows) {
  const heading = (name) => (name === "length" ? LENGTH : name);
  const field = (row, name) => (name === "run" ? runOf(row).name : valueAt(row, name));
  return csv([DATA.csv.map(heading), ...rows.map((row) => DATA.csv.map((name) => field(row, name)))]);
}
