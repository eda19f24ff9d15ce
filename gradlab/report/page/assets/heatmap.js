// The heat map: a row for each configuration, a column for each depth. Colour and sign mean the same.

const WIDEST_WITH_NUMBERS = 16;
const WIDEST_WITH_ROOM = 7;
const ROWS_AT_FIRST = 40;
const MOST_LABELS = 4;

/** Return the maps, one for each run, with their choice of measure; `update` in the result draws them after a filter. */
function heatMap() {
  let measure = MEASURES[0];
  const most = DATA.runs.map(() => ROWS_AT_FIRST);
  const place = el("div", {});
  const legend = el("p", { class: "hint keys" });

  const draw = () => {
    const wanted = new Set(state.rows);
    const drawn = DATA.runs
      .map((run, index) => ({ run, index, map: wanted.size === SIZE ? run.map : filteredMap(run.map, wanted) }))
      .filter(({ map }) => map.rows.length);
    place.replaceChildren(
      ...drawn.map(({ run, index, map }) =>
        el(
          "div",
          { class: SEVERAL ? "run-map" : "" },
          SEVERAL ? runHeading(run) : null,
          scroller(`Heat map of ${run.name}`, grid(map, map.rows.slice(0, most[index]), measure)),
          map.rows.length > most[index]
            ? el(
                "button",
                {
                  type: "button",
                  class: "noprint",
                  click: () => {
                    most[index] = map.rows.length;
                    draw();
                  },
                },
                `Show all ${whole(map.rows.length)} rows (${whole(most[index])} are shown)`,
              )
            : null,
        ),
      ),
    );
    if (!drawn.length) place.append(el("p", { class: "hint" }, "Nothing fits the filter."));
    legend.replaceChildren(...measure.legend().flat());
    mark(state.selected);
  };
  const mark = (row) => {
    for (const cell of place.querySelectorAll("td[data-row]")) {
      const chosen = cell.dataset.row === String(row);
      cell.setAttribute("aria-selected", String(chosen));
      if (chosen) setTabStop(cell, false);
    }
    for (const table of place.querySelectorAll("table")) {
      if (!table.querySelector('td[tabindex="0"]')) setTabStop(table.querySelector("td[data-row]"), false);
    }
  };
  const choices = el(
    "fieldset",
    { class: "choices noprint" },
    el("legend", {}, "Show"),
    MEASURES.map((choice, index) =>
      el(
        "label",
        {},
        el("input", {
          type: "radio",
          name: "measure",
          value: choice.key,
          checked: index === 0,
          change: () => {
            measure = choice;
            draw();
          },
        }),
        choice.name,
      ),
    ),
  );
  state.listeners.push((row, preview) => {
    if (!preview) mark(row);
  });
  draw();
  return { element: el("div", {}, choices, place, legend), update: draw };
}

/** Say whether the profile has more room below the map than beside it. */
function profileBelow() {
  const { rows, columns } = DATA.runs[0].map;
  return (
    !SEVERAL && columns.length > WIDEST_WITH_ROOM && rows.length <= (columns.length > WIDEST_WITH_NUMBERS ? 14 : 5)
  );
}

const runHeading = (run) =>
  el(
    "h3",
    {},
    run.name,
    " ",
    el(
      "span",
      { class: "quiet hint" },
      Object.entries(run.fixed)
        .map(([key, text]) => settingText(key, text))
        .join(" \u00b7 "),
    ),
  );

/** Return the map with nothing but some configurations: rows and columns without one are not there. */
function filteredMap(map, wanted) {
  const rows = map.rows
    .map((row) => ({ labels: row.labels, fields: row.fields.map((index) => (wanted.has(index) ? index : -1)) }))
    .filter((row) => row.fields.some((index) => index >= 0));
  const kept = map.columns.map((_, x) => x).filter((x) => rows.some((row) => row.fields[x] >= 0));
  return {
    ...map,
    columns: kept.map((x) => map.columns[x]),
    rows: rows.map((row) => ({ labels: row.labels, fields: kept.map((x) => row.fields[x]) })),
  };
}

function grid(map, rows, measure) {
  const { keys, columns, name } = map;
  const dense = columns.length > WIDEST_WITH_NUMBERS;
  const joined = keys.length > MOST_LABELS;
  const heads = joined ? ["configuration"] : keys.length ? keys : [""];
  const labels = (row) =>
    joined
      ? [
          row.labels
            .map((label, index) => settingText(keys[index], label))
            .filter((text) => text)
            .join(" \u00b7 "),
        ]
      : keys.length
        ? row.labels
        : [""];
  const head = [
    el(
      "tr",
      {},
      el("td", { colspan: heads.length }),
      el("th", { colspan: columns.length, scope: "colgroup", class: "group" }, name),
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
  ];
  const body = rows.map((row, y) =>
    el(
      "tr",
      {},
      labels(row).map((label, index) =>
        el(
          "th",
          { scope: "row", class: joined ? "label joined" : differsFromAbove(rows, y, index) ? "label" : "label again" },
          label,
        ),
      ),
      row.fields.map((index, x) => field(index, measure, dense, x, y)),
    ),
  );
  return el(
    "table",
    {
      class: dense ? "map dense" : columns.length > WIDEST_WITH_ROOM ? "map tight" : "map",
      role: "grid",
      "aria-label": `${measure.name}, by configuration and ${name}`,
      keydown: moveByKey,
      click: selectField,
      pointerover: previewField,
      pointerleave: endPreview,
    },
    el("thead", {}, head),
    el("tbody", {}, body),
  );
}

/** Say whether a label differs from the one above it: the same again is printed lightly. */
const differsFromAbove = (rows, y, index) =>
  y === 0 || rows[y].labels.slice(0, index + 1).some((label, k) => label !== rows[y - 1].labels[k]);

function field(index, measure, dense, x, y) {
  if (index < 0) return el("td", { class: "empty", role: "gridcell" });
  const text = measure.text(index);
  return el(
    "td",
    {
      role: "gridcell",
      tabindex: "-1",
      "data-row": index,
      "data-x": x,
      "data-y": y,
      class: measure.shade(index) || "none",
      "aria-selected": "false",
      "aria-label": `${fullName(index)}: ${measure.label(index)}`,
      title: dense ? `${fullName(index)}: ${text}` : null,
    },
    dense ? text.split(" ")[1] || "" : text,
  );
}
