// One chart: lines, bands and a reading line that the mouse or the arrow keys move. Plain SVG, drawn to its own width.

/** Return about `most` round values from low to high; whole numbers on a logarithmic axis. */
function ticks(low, high, most, least = 0) {
  const rough = (high - low) / Math.max(most, 1) || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(
    [1, 2, 5, 10].map((digit) => digit * size).find((width) => width >= rough * 0.999),
    least,
  );
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) values.push(k * step);
  return values;
}

const finite = (values) => values.filter((value) => value !== null && Number.isFinite(value));

/** Return the path through points; a missing one breaks the line. */
function pathOf(xs, ys, toX, toY) {
  let path = "";
  let pen = "M";
  xs.forEach((x, index) => {
    if (ys[index] === null || !Number.isFinite(ys[index])) {
      pen = "M";
      return;
    }
    path += `${pen}${toX(x).toFixed(1)} ${toY(ys[index]).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/**
 * Return an element that draws itself.
 *
 * `spec`: `label` (what a screen reader says), `xLabel`, `log` (y is a log10), `height`, `xs` (places of the reading
 * line) and `read(index)` (what it says), `lines` [{xs, ys, kind, colour, points}], `bands` [{xs, low, high, kind}],
 * `include` (values of y that the axis shows anyway), `within` ([low, high], beyond which it does not go), `xScale`,
 * `xTicks(most)`.
 */
function chart(spec) {
  const figure = el("div", { class: "chart" });
  const readout = el("p", { class: "readout", "aria-live": "polite" }, spec.hint || "");
  const holder = el("div", {
    class: "plot",
    tabindex: "0",
    role: "img",
    "aria-label": `${spec.label}. Arrow keys read the values.`,
  });
  figure.append(holder, readout);
  let width = 0;
  let place = -1;
  let toX = null;
  const scale = spec.xScale || ((x) => x);

  const draw = () => {
    width = Math.max(holder.clientWidth, 160) || 420;
    const height = spec.height || 240;
    const left = 46,
      right = 12,
      top = 8,
      bottom = 36;
    const all = finite([
      ...spec.lines.flatMap((line) => line.ys),
      ...(spec.bands || []).flatMap((band) => [...band.low, ...band.high]),
    ]);
    let low = Math.min(...all, ...(spec.include || [])),
      high = Math.max(...all, ...(spec.include || []));
    if (!all.length) [low, high] = [-1, 1];
    if (spec.within) [low, high] = [Math.max(low, spec.within[0]), Math.min(high, spec.within[1])];
    const least = spec.log ? 1 : 0;
    const middle = (low + high) / 2,
      half = Math.max((high - low) * 0.53, spec.log ? 1 : Math.abs(middle) * 0.05 || 0.5);
    [low, high] = [middle - half, middle + half];
    const from = scale(spec.xs[0]),
      to = scale(spec.xs[spec.xs.length - 1]);
    const pad = to > from ? 0.02 * (to - from) : 0.5;
    toX = (x) => left + ((scale(x) - from + pad) / (to - from + 2 * pad)) * (width - left - right);
    const toY = (y) => top + ((high - y) / (high - low)) * (height - top - bottom);
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", height, "aria-hidden": "true" });
    const yText = spec.log ? (y) => powerOfTen(Math.round(y)) : (y) => significant(y, 3, true);
    for (const y of ticks(low, high, Math.floor(height / 42), least)) {
      drawing.append(
        svg("line", {
          class: y === 0 && spec.log ? "grid zero" : "grid",
          x1: left,
          x2: width - right,
          y1: toY(y),
          y2: toY(y),
        }),
        svg(
          "text",
          { class: "tick", x: left - 6, y: toY(y) + 4, "text-anchor": "end" },
          yText(Number(y.toPrecision(12))),
        ),
      );
    }
    for (const x of spec.xTicks(Math.floor((width - left - right) / 60))) {
      drawing.append(
        svg("text", { class: "tick", x: toX(x), y: height - bottom + 16, "text-anchor": "middle" }, whole(x)),
      );
    }
    drawing.append(
      svg(
        "text",
        { class: "axis", x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" },
        spec.xLabel,
      ),
    );
    // an inner drawing cuts off what leaves the field
    const area = { x: left, y: top - 4, width: width - left - right, height: height - top - bottom + 8 };
    const field = svg("svg", { ...area, viewBox: `${area.x} ${area.y} ${area.width} ${area.height}`, class: "field" });
    for (const band of spec.bands || []) {
      const back = [...band.xs].reverse();
      const there = pathOf(band.xs, band.high, toX, toY);
      const again = pathOf(back, [...band.low].reverse(), toX, toY).replace(/^M/, "L");
      if (there && again) field.append(svg("path", { class: `band ${band.kind}`, d: `${there}${again}Z` }));
    }
    for (const line of spec.lines) {
      const path = svg("path", { class: `line ${line.kind}`, d: pathOf(line.xs, line.ys, toX, toY) });
      if (line.colour) path.style.stroke = line.colour;
      field.append(path);
      if (line.points || line.xs.length === 1) {
        line.xs.forEach((x, index) => {
          if (line.ys[index] === null || !Number.isFinite(line.ys[index])) return;
          const dot = svg("circle", { class: `point ${line.kind}`, cx: toX(x), cy: toY(line.ys[index]), r: 3 });
          if (line.colour) dot.style.fill = line.colour;
          field.append(dot);
        });
      }
    }
    drawing.append(field);
    drawing.append(svg("line", { class: "reading", y1: top, y2: height - bottom }));
    holder.replaceChildren(drawing);
    mark();
  };
  const mark = () => {
    const line = holder.querySelector(".reading");
    line.classList.toggle("shown", place >= 0);
    if (place < 0) return;
    const x = toX(spec.xs[place]);
    setAttributes(line, { x1: x, x2: x });
  };
  const read = (index) => {
    place = Math.min(Math.max(index, 0), spec.xs.length - 1);
    mark();
    readout.textContent = spec.read(place);
  };
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: spec.xs.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    read(step);
  });
  holder.addEventListener("pointermove", (event) => {
    const x = event.clientX - holder.getBoundingClientRect().left;
    const distances = spec.xs.map((place) => Math.abs(toX(place) - x));
    read(distances.indexOf(Math.min(...distances)));
  });
  new ResizeObserver(() => {
    if (holder.clientWidth && Math.abs(holder.clientWidth - width) > 1) draw();
  }).observe(holder);
  draw();
  return figure;
}

/** Return a legend: a short piece of each line with its name. */
function legend(entries) {
  return el(
    "ul",
    { class: "legend" },
    entries.map(({ name, kind, colour, band }) => {
      const shape = band
        ? svg("rect", { class: `band ${kind}`, x: 0, y: 2, width: 26, height: 8 })
        : svg("path", { class: `line ${kind}`, d: "M0 6L26 6" });
      if (colour) shape.style.stroke = colour;
      return el(
        "li",
        {},
        svg("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" }, shape),
        name,
      );
    }),
  );
}
