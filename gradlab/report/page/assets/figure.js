// A figure: a heading with buttons that save it, a chart, and a legend.

/**
 * Return a figure of a chart. `entries` are those of the legend, which a page that has it elsewhere does not repeat
 * (`explained`); `notes` stand below it; `name` is that of saved files, whose title says what `subject` they are of.
 */
function chartFigure({ title, subject, name, spec, entries = [], notes = [], explained = false }) {
  return el(
    "div",
    { class: "figure" },
    el(
      "div",
      { class: "figure-head" },
      el("h4", {}, title),
      saveButtons(title, name, () => chartPicture(`${title} \u00b7 ${subject}`, spec, entries)),
    ),
    chart(spec),
    entries.length && !explained ? legend(entries) : null,
    notes.filter((text) => text).map((text) => el("p", { class: "hint" }, text)),
  );
}

/** Return the buttons that save a figure, which `picture()` returns as SVG. */
function saveButtons(title, name, picture) {
  const button = (kind, save) =>
    el(
      "button",
      { type: "button", class: "small", "aria-label": `Save as ${kind}: ${title}`, click: () => save(name, picture()) },
      kind,
    );
  return el("span", { class: "save noprint" }, button("SVG", saveSvg), button("PNG", savePng));
}

/** Return a legend: a short piece of each line with its name. */
function legend(entries) {
  return el(
    "ul",
    { class: "legend" },
    entries.map((entry) => {
      const sample = svg(
        "svg",
        { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" },
        legendSample(entry),
      );
      return el("li", {}, sample, entry.name);
    }),
  );
}

function legendSample({ kind, colour, band }) {
  const shape = band
    ? svg("rect", { class: `band ${kind}`, x: 0, y: 2, width: 26, height: 8 })
    : svg("path", { class: `line ${kind}`, d: "M0 6L26 6" });
  if (colour) shape.style.stroke = colour;
  return shape;
}
