// The table of a heat map: its heads, which stay in view, its labels, and its fields.

const WIDEST_WITH_NUMBERS = 16;
const WIDEST_WITH_ROOM = 7;
const MOST_LABELS = 4;
const NARROW = window.matchMedia("(max-width: 520px)");

/** Return `table`, its `body` without rows, the number of its `columns` and `draw`, which returns a row of it. */
function mapGrid(view, measure) {
  const { keys, columns, name, rows } = view.map;
  const dense = columns.length > WIDEST_WITH_NUMBERS;
  const joined = keys.length > MOST_LABELS || (NARROW.matches && keys.length > 1);
  const heads = joined ? ["configuration"] : keys.length ? keys : [""];
  const labels = (row) => (joined ? [joinedLabel(keys, row)] : keys.length ? row.labels : [""]);
  const head = el(
    "thead",
    {},
    el(
      "tr",
      {},
      el("td", { colspan: heads.length, class: "label", role: "presentation" }),
      el("th", { colspan: columns.length, scope: "colgroup", class: "group" }, el("span", {}, name)),
    ),
    el(
      "tr",
      {},
      heads.map((key) => el("th", { scope: "col", class: "label" }, key)),
      columns.map((column, index) =>
        el(
          "th",
          { scope: "col", class: dense ? "dense" : "" },
          dense && index % 8 && index < columns.length - 1 ? "" : column,
        ),
      ),
    ),
  );
  const draw = (y) =>
    el(
      "tr",
      {},
      labels(rows[y]).map((label, index) => rowLabel(label, joined, joined || differsFromAbove(rows, y, index))),
      rows[y].fields.map((row, x) => mapField(row, measure, dense, x, y)),
    );
  const sizes = [
    ...heads.map((_, index) => rows.map((row) => [labels(row)[index], "label"])),
    ...columns.map((_, x) =>
      dense ? [] : rows.map(({ fields }) => [fields[x] < 0 ? "" : measure.text(fields[x]), ""]),
    ),
  ];
  const body = el("tbody", {});
  const table = el(
    "table",
    {
      class: `map ${dense ? "dense" : columns.length > WIDEST_WITH_ROOM ? "tight" : ""} ${joined ? "joined" : ""}`,
      role: "grid",
      "aria-label": `${measure.name}, by configuration and ${name}`,
      keydown: (event) => moveByKey(event, view),
      click: (event) => chooseField(event, view),
      pointerover: previewField,
      pointerleave: endPreview,
    },
    head,
    body,
    columnSizer(sizes),
  );
  return { table, body, draw, columns: heads.length + columns.length };
}

/** Return the table of a map with all its rows, for a picture. */
function wholeMap(view) {
  const { table, body, draw } = mapGrid(view, view.measure);
  body.append(...view.map.rows.map((_, y) => draw(y)));
  return table;
}

const joinedLabel = (keys, row) =>
  row.labels
    .map((label, index) => settingText(keys[index], label))
    .filter((text) => text)
    .join(" \u00b7 ");

/** Return the label of a row; one that repeats the label above it is printed lightly. */
function rowLabel(label, joined, differs) {
  const attributes = { scope: "row", class: differs ? "label" : "label again" };
  return el("th", attributes, joined ? el("span", { title: label }, label) : label);
}

const differsFromAbove = (rows, y, index) =>
  y === 0 || rows[y].labels.slice(0, index + 1).some((label, k) => label !== rows[y - 1].labels[k]);

function mapField(row, measure, dense, x, y) {
  if (row < 0) return el("td", { class: "empty", role: "gridcell", "aria-label": "no such configuration" });
  const text = measure.text(row);
  const field = el(
    "td",
    {
      role: "gridcell",
      tabindex: "-1",
      "data-row": row,
      "data-x": x,
      "data-y": y,
      class: measure.shade(row) || "none",
      "aria-selected": String(row === state.chosen),
      "aria-label": `${fullName(row)}: ${measure.label(row)}`,
      title: dense ? `${fullName(row)}: ${text}` : null,
    },
    dense ? measure.sign(row) : text,
  );
  return markPin(field);
}

/** Let the columns of labels stay where they are while the others scroll sideways. */
function fixLabels(table) {
  const heads = [...table.tHead.rows[1].querySelectorAll(".label")];
  const box = table.parentElement;
  const place = () => {
    let left = 0;
    heads.forEach((head, index) => {
      table.style.setProperty(`--left${index}`, `${left}px`);
      left += head.offsetWidth;
    });
    table.classList.toggle("fixed-labels", box.scrollWidth > box.clientWidth && left < 0.6 * box.clientWidth);
  };
  if (box.isConnected) place();
  new ResizeObserver(place).observe(table);
}
