// Figures as files: SVG with all its styles inside, and PNG. They are light, as paper is, also where the page is dark.

const FIGURE_WIDTH = 680;
const PIXELS = 2;
const MOST_PIXELS = 16000;
const STYLES = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "opacity",
  "font-size",
  "font-weight",
  "text-anchor",
  "visibility",
];
const FONT = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";
const MARGINS = { side: 14, head: 34, line: 18 };

/** Call `draw` with an element out of sight, in which colours are those of a light page. */
function onLightPaper(draw) {
  const place = el("div", { class: "paper", "aria-hidden": "true" });
  document.body.append(place);
  try {
    return draw(place);
  } finally {
    place.remove();
  }
}

/** Return a colour as #rrggbb and its opacity, however a style has it; null for none. */
function plainColour(text) {
  if (text === "none" || text.startsWith("url(")) return null;
  const context =
    plainColour.context || el("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  plainColour.context = context;
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
  const hex = [red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("");
  return { hex: `#${hex}`, opacity: alpha / 255 };
}

/** Return a copy of a drawing that needs no style sheet. */
function withStyles(element) {
  const copy = element.cloneNode(false);
  if (element.nodeType !== Node.ELEMENT_NODE) return copy;
  const style = getComputedStyle(element);
  if (style.visibility === "hidden" || style.display === "none") return null;
  copy.removeAttribute("class");
  copy.removeAttribute("style");
  for (const name of element.tagName === "svg" ? [] : STYLES) {
    const value = style.getPropertyValue(name);
    const colour = ["fill", "stroke"].includes(name) ? plainColour(value) : null;
    if (value && !["normal", "auto"].includes(value)) copy.setAttribute(name, colour ? colour.hex : value);
    if (colour && colour.opacity < 1) copy.setAttribute(`${name}-opacity`, colour.opacity.toFixed(3));
  }
  for (const child of element.childNodes) {
    const inner = withStyles(child);
    if (inner) copy.append(inner);
  }
  return copy;
}

/** Return a picture of a chart with its title and legend. */
function chartPicture(title, spec, entries) {
  return onLightPaper((paper) => {
    const { drawing } = drawChart(spec, FIGURE_WIDTH);
    const samples = entries.map((entry) => svg("svg", { width: 26, height: 12 }, legendSample(entry)));
    paper.append(drawing, ...samples);
    const height = spec.height || 240;
    const chart = setAttributes(withStyles(drawing), { x: MARGINS.side, y: MARGINS.head, width: FIGURE_WIDTH, height });
    const rows = legendRows(entries, samples.map(withStyles), MARGINS.head + height + 14);
    return picture(title, FIGURE_WIDTH + 2 * MARGINS.side, MARGINS.head + height + 14 + rows.height, [
      chart,
      ...rows.parts,
    ]);
  });
}

/** Return the parts of a legend from the height `top` on, in lines as wide as the figure. */
function legendRows(entries, samples, top) {
  const parts = [];
  let [x, y] = [MARGINS.side + EDGES.left, top];
  entries.forEach(({ name }, index) => {
    const width = 40 + textWidth(name, 12);
    if (index && x + width > FIGURE_WIDTH) [x, y] = [MARGINS.side + EDGES.left, y + MARGINS.line];
    parts.push(setAttributes(samples[index], { x, y: y - 6 }), textAt(name, x + 32, y + 4, 12));
    x += width + 10;
  });
  return { parts, height: entries.length ? y - top + MARGINS.line : 0 };
}

function textWidth(text, size, weight = 400) {
  const context = textWidth.context || el("canvas").getContext("2d");
  textWidth.context = context;
  context.font = `${weight} ${size}px ${FONT}`;
  return context.measureText(text).width;
}

const textAt = (text, x, y, size, weight = 400) =>
  svg("text", { x, y, "font-size": size, "font-weight": weight, fill: "#1c1f24" }, text);

/** Return parts as one drawing with a title on a white ground. */
function picture(title, width, height, parts) {
  const drawing = svg("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT });
  const name = svg("title", {}, `${DATA.title}: ${title}`);
  drawing.append(
    name,
    svg("rect", { width, height, fill: "#ffffff" }),
    textAt(title, MARGINS.side, 22, 15, 650),
    ...parts,
  );
  return drawing;
}

const svgText = (drawing) => new XMLSerializer().serializeToString(drawing);

function saveSvg(name, drawing) {
  save(`${name}.svg`, new Blob([svgText(drawing)], { type: "image/svg+xml" }));
}

/** Save a drawing as PNG, two pixels for each of its own as long as a browser takes so many. */
async function savePng(name, drawing) {
  const [width, height] = ["width", "height"].map((side) => Number(drawing.getAttribute(side)));
  const scale = Math.min(PIXELS, MOST_PIXELS / Math.max(width, height));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(drawing))}`;
  await image.decode();
  const canvas = el("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${name}.png`, blob), "image/png");
}
