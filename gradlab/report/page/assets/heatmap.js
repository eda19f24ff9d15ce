// The heat map: a row for each configuration, a column for each depth. Colour and sign mean the same.

/** Return the maps, one for each run, with their choice of measure. */
function heatMap() {
  const slider = stepSlider("map-step", "Map at step", { measure: "step" });
  const views = DATA.runs.map((run) => mapView(run));
  const nothing = el("p", { class: "hint" }, "Nothing fits the filter.");
  const keys = el("p", { class: "hint keys" });
  const measure = () => MEASURES.find(({ key }) => key === state.measure) || MEASURES[0];

  const draw = (changed) => {
    const wanted = new Set(state.rows);
    const same = !changed || !changed.has("rows");
    for (const view of views)
      view.update(wanted.size === SIZE ? view.run.map : filteredMap(view.run.map, wanted), measure(), same);
    nothing.hidden = state.rows.length > 0;
    keys.replaceChildren(...measure().legend().flat());
    mark(!same);
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
        el("input", { type: "radio", name: "measure", value: key, change: () => setState(measureChange(key)) }),
        name,
      ),
    ),
  );
  const checkChoice = () => {
    for (const input of choices.querySelectorAll("input")) input.checked = input.value === measure().key;
  };
  subscribe(["rows", "measure"], draw);
  subscribe(["step"], (changed) => {
    if (state.measure === "step" && !changed.has("measure") && !changed.has("rows")) draw(changed);
  });
  subscribe(["measure"], checkChoice);
  NARROW.addEventListener("change", () => draw());
  subscribe(["chosen"], () => mark());
  checkChoice();
  draw();
  onPaper(
    () => views.forEach((view) => view.rows.onPaper()),
    () => views.forEach((view) => view.rows.onScreen()),
  );
  return el(
    "div",
    {},
    choices,
    slider,
    views.map((view) => view.element),
    nothing,
    keys,
  );
}

/** Return the change that shows a measure: one at a step goes to the last where there is none so far. */
const measureChange = (key) =>
  key === "step" && !state.step ? { measure: key, step: STEPS[STEPS.length - 1] } : { measure: key };

/** Return the map of one run in a box of its own, with its rows as the box scrolls. */
function mapView(run) {
  const box = scroller(`Heat map of ${run.name}`);
  box.classList.add("tall");
  const title = () => `Survival ${view.measure.name}${SEVERAL ? `, ${run.name}` : ""}`;
  const save = saveButtons(`Heat map of ${run.name}`, `map ${run.name}`.replace(/[^\w.+-]+/g, "_"), () =>
    tablePicture(title(), () => wholeMap(view), legendText(view.measure)),
  );
  const head = el("div", { class: "figure-head" }, SEVERAL ? runHeading(run) : el("span", {}), save);
  const element = el("div", { class: SEVERAL ? "run-map" : "" }, head, box);
  const view = { run, box, element, map: null, rows: null, places: new Map(), current: -1 };
  view.update = (map, measure, same) => {
    const { scrollTop, scrollLeft } = box;
    Object.assign(view, { map, measure });
    element.hidden = !map.rows.length;
    view.places = new Map(map.rows.flatMap(({ fields }, y) => fields.map((row, x) => [row, [x, y]])));
    const { table, body, columns, draw } = mapGrid(view, measure);
    box.replaceChildren(table);
    view.rows = virtualRows({ box, body, columns, draw });
    view.rows.update(map.rows.length, same ? scrollTop : 0);
    box.scrollLeft = scrollLeft;
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
  const columns = map.columns.map((_, x) => x).filter((x) => rows.some((row) => row.fields[x] >= 0));
  return {
    ...map,
    columns: columns.map((x) => map.columns[x]),
    rows: rows.map((row) => ({ labels: row.labels, fields: columns.map((x) => row.fields[x]) })),
  };
}
