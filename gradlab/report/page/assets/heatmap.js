// The heat map: a row for each configuration, a column for each depth. Colour and sign mean the same.

/** Return the maps, one for each run, with their choice of measure. */
function heatMap() {
  const views = DATA.runs.map((run) => mapView(run));
  const nothing = el("p", { class: "hint" }, "Nothing fits the filter.");
  const keys = el("p", { class: "hint keys" });
  const measure = () => MEASURES.find(({ key }) => key === state.measure) || MEASURES[0];

  const draw = () => {
    const wanted = new Set(state.rows);
    for (const view of views) view.update(wanted.size === SIZE ? view.run.map : filteredMap(view.run.map, wanted), measure());
    nothing.hidden = state.rows.length > 0;
    keys.replaceChildren(...measure().legend().flat());
    mark();
  };
  const mark = (reveal = true) => {
    for (const view of views) view.mark(reveal);
  };
  const choices = el(
    "fieldset",
    { class: "choices noprint" },
    el("legend", {}, "Show"),
    MEASURES.map(({ key, name }) =>
      el(
        "label",
        {},
        el("input", { type: "radio", name: "measure", value: key, change: () => setState({ measure: key }) }),
        name,
      ),
    ),
  );
  const checkChoice = () => {
    for (const input of choices.querySelectorAll("input")) input.checked = input.value === measure().key;
  };
  subscribe(["rows", "measure"], draw);
  subscribe(["measure"], checkChoice);
  NARROW.addEventListener("change", draw);
  subscribe(["chosen"], () => mark());
  checkChoice();
  draw();
  onPaper(
    () => views.forEach((view) => view.rows.onPaper()),
    () => views.forEach((view) => view.rows.onScreen()),
  );
  return el("div", {}, choices, views.map((view) => view.element), nothing, keys);
}

/** Return the map of one run in a box of its own, with its rows as the box scrolls. */
function mapView(run) {
  const box = scroller(`Heat map of ${run.name}`);
  box.classList.add("tall");
  const element = el("div", { class: SEVERAL ? "run-map" : "" }, SEVERAL ? runHeading(run) : null, box);
  const view = { run, box, element, map: null, rows: null, places: new Map(), current: -1 };
  view.update = (map, measure) => {
    view.map = map;
    element.hidden = !map.rows.length;
    view.places = new Map(map.rows.flatMap(({ fields }, y) => fields.map((row, x) => [row, [x, y]])));
    const { table, body, columns, draw } = mapGrid(view, measure);
    box.replaceChildren(table);
    view.rows = virtualRows({ box, body, columns, draw });
    view.rows.update(map.rows.length);
    fixLabels(table);
  };
  /** Show which field is chosen, bring it into view, and have Tab reach it. */
  view.mark = (reveal) => {
    const previous = fieldAt(view, view.current);
    if (previous) setAttributes(previous, { "aria-selected": "false", tabindex: "-1" });
    view.current = view.places.has(state.chosen) ? state.chosen : -1;
    if (reveal && view.current >= 0) revealField(view, view.current);
    const field = fieldAt(view, view.current);
    if (field) setAttributes(field, { "aria-selected": "true" });
    const reachable = field || box.querySelector("td[data-row]");
    if (reachable) setTabStop(view, reachable);
  };
  return view;
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
