// One chart: lines, bands and a reading line that the mouse or the arrow keys move. Plain SVG, drawn to its own width.

const EDGES = { left: 46, right: 12, top: 8, bottom: 36 };
/** Width of a line's tag at its end. */
const TAG_ROOM = 14;

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

/** Return the lowest and the highest y of the field; on a logarithmic axis it has at least two decades. */
function fieldRange(spec) {
  const all = finite([
    ...spec.lines.flatMap((line) => line.ys),
    ...(spec.bands || []).flatMap((band) => [...band.low, ...band.high]),
  ]);
  let [low, high] = all.length
    ? [Math.min(...all, ...(spec.include || [])), Math.max(...all, ...(spec.include || []))]
    : [-1, 1];
  if (spec.within) [low, high] = [Math.max(low, spec.within[0]), Math.min(high, spec.within[1])];
  const middle = (low + high) / 2;
  const half = Math.max((high - low) * 0.53, spec.log ? 1 : Math.abs(middle) * 0.05 || 0.5);
  return [middle - half, middle + half];
}

/**
 * Return a drawing of `width` pixels as `drawing`, and the place of a value of x in it as `toX`.
 *
 * `spec`: `label` (what a screen reader says), `xLabel`, `log` (y is a log10), `height`, `xs` (places of the reading
 * line) and `read(index)` (what it says), `lines` [{xs, ys, kind, colour, points, tag}], `bands` [{xs, low, high,
 * kind}], `include` (values of y that the axis shows anyway), `within` ([low, high], beyond which it does not go),
 * `marker` (a value of x with a line across), `xScale`, `xTicks(most, from, to)`.
 */
function drawChart(spec, width) {
  const height = spec.height || 240;
  const { left, top, bottom } = EDGES;
  const right = EDGES.right + (spec.lines.some(({ tag }) => tag) ? TAG_ROOM : 0);
  const scale = spec.xScale || ((x) => x);
  const every = [...spec.xs, ...spec.lines.flatMap(({ xs }) => xs)];
  const [from, to] = [Math.min(...every), Math.max(...every)];
  const [low, high] = fieldRange(spec);
  const pad = to > from ? 0.02 * (scale(to) - scale(from)) : 0.5;
  const toX = (x) =>
    left + ((scale(x) - scale(from) + pad) / (scale(to) - scale(from) + 2 * pad)) * (width - left - right);
  const toY = (y) => top + ((high - y) / (high - low)) * (height - top - bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", height, "aria-hidden": "true" });
  const yText = spec.log ? (y) => powerOfTen(Math.round(y)) : (y) => significant(y, 3, true);
  for (const y of ticks(low, high, Math.floor(height / 42), spec.log ? 1 : 0)) {
    const class_ = y === 0 && spec.log ? "grid zero" : "grid";
    drawing.append(
      svg("line", { class: class_, x1: left, x2: width - right, y1: toY(y), y2: toY(y) }),
      svg(
        "text",
        { class: "tick", x: left - 6, y: toY(y) + 4, "text-anchor": "end" },
        yText(Number(y.toPrecision(12))),
      ),
    );
  }
  for (const x of spec.xTicks(Math.floor((width - left - right) / 60), from, to)) {
    const place = { x: toX(x), y: height - bottom + 16, "text-anchor": "middle" };
    drawing.append(svg("text", { class: "tick", ...place }, whole(x)));
  }
  const middle = { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" };
  drawing.append(svg("text", { class: "axis", ...middle }, spec.xLabel));
  if (spec.marker !== undefined && spec.marker >= from && spec.marker <= to) {
    const x = toX(spec.marker);
    drawing.append(svg("line", { class: "marker", x1: x, x2: x, y1: top, y2: height - bottom }));
  }
  // an inner drawing cuts off what leaves the field
  const area = { x: left, y: top - 4, width: width - left - right, height: height - top - bottom + 8 };
  const field = svg("svg", { ...area, viewBox: `${area.x} ${area.y} ${area.width} ${area.height}`, class: "field" });
  for (const band of spec.bands || []) drawBand(field, band, toX, toY);
  for (const line of spec.lines) drawLine(field, line, toX, toY);
  drawing.append(field, ...tagsOf(spec.lines, toX, toY, low, high));
  drawing.append(svg("line", { class: "reading", y1: top, y2: height - bottom }));
  return { drawing, toX };
}

function drawBand(field, { xs, low, high, kind }, toX, toY) {
  const there = pathOf(xs, high, toX, toY);
  const back = pathOf([...xs].reverse(), [...low].reverse(), toX, toY).replace(/^M/, "L");
  if (there && back) field.append(svg("path", { class: `band ${kind}`, d: `${there}${back}Z` }));
}

function drawLine(field, { xs, ys, kind, colour, points }, toX, toY) {
  const path = svg("path", { class: `line ${kind}`, d: pathOf(xs, ys, toX, toY) });
  if (colour) path.style.stroke = colour;
  field.append(path);
  if (!points && xs.length > 1) return;
  xs.forEach((x, index) => {
    if (ys[index] === null || !Number.isFinite(ys[index])) return;
    const dot = svg("circle", { class: `point ${kind}`, cx: toX(x), cy: toY(ys[index]), r: 3 });
    if (colour) dot.style.fill = colour;
    field.append(dot);
  });
}

/** Return the tags of lines, where each ends, those at one place as far apart as letters are high. */
function tagsOf(lines, toX, toY, low, high) {
  const ends = lines
    .filter(({ tag, ys }) => tag && finite(ys).length)
    .map(({ tag, kind, xs, ys }) => {
      const last = ys.findLastIndex((y) => y !== null && Number.isFinite(y));
      return { tag, kind, x: toX(xs[last]) + 4, y: toY(Math.min(Math.max(ys[last], low), high)) + 4 };
    })
    .sort((a, b) => a.x - b.x || a.y - b.y);
  ends.forEach((end, index) => {
    if (index && end.x - ends[index - 1].x < 12) end.y = Math.max(end.y, ends[index - 1].y + 11);
  });
  return ends.map(({ tag, kind, x, y }) => svg("text", { class: `tag ${kind}`, x, y }, tag));
}

/** Return an element that draws a chart to its own width, and reads its values to mouse and keyboard. */
function chart(spec) {
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const holder = el("div", {
    class: "plot",
    tabindex: "0",
    role: "img",
    "aria-label": `${spec.label}. Arrow keys read the values.`,
  });
  let width = 0;
  let place = -1;
  let toX = null;
  const draw = () => {
    width = Math.max(holder.clientWidth, 160) || 420;
    const drawn = drawChart(spec, width);
    toX = drawn.toX;
    holder.replaceChildren(drawn.drawing);
    mark();
  };
  const mark = () => {
    const line = holder.querySelector(".reading");
    line.classList.toggle("shown", place >= 0);
    if (place >= 0) setAttributes(line, { x1: toX(spec.xs[place]), x2: toX(spec.xs[place]) });
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
    const distances = spec.xs.map((value) => Math.abs(toX(value) - x));
    read(distances.indexOf(Math.min(...distances)));
  });
  new ResizeObserver(() => {
    if (holder.clientWidth && Math.abs(holder.clientWidth - width) > 1) draw();
  }).observe(holder);
  draw();
  return el("div", { class: "chart" }, holder, readout);
}
