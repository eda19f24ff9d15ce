// Tables as figures: the heat map and the effects, every field where the browser has it.

/** Return a picture of a table, which `build()` returns as an element with all its rows, above a `caption`. */
function tablePicture(title, build, caption = "") {
  return onLightPaper((paper) => {
    const table = build();
    paper.append(table);
    const origin = table.getBoundingClientRect();
    const at = ({ left, top }) => [left - origin.left + MARGINS.side, top - origin.top + MARGINS.head];
    const parts = [...table.querySelectorAll("td, th")]
      .filter((field) => !field.closest(".sizer"))
      .flatMap((field) => fieldParts(field, at));
    const width = Math.max(origin.width, textWidth(title, 15, 650)) + 2 * MARGINS.side;
    const lines = wrapped(caption, width - 2 * MARGINS.side);
    const bottom = origin.height + MARGINS.head + MARGINS.side;
    parts.push(...lines.map((line, index) => textAt(line, MARGINS.side, bottom + 6 + index * MARGINS.line, 12)));
    const height = bottom + lines.length * MARGINS.line;
    return picture(title, Math.ceil(width), Math.ceil(height), [hatching(), ...parts]);
  });
}

/** Return a text in lines of at most `width` pixels. */
function wrapped(text, width) {
  const lines = [];
  for (const word of text.split(/\s+/).filter((part) => part)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && textWidth(longer, 12) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Return the ground, the texts and the drawings of a field of a table. */
function fieldParts(field, at) {
  const box = field.getBoundingClientRect();
  const [x, y] = at(box);
  const style = getComputedStyle(field);
  const ground = plainColour(style.backgroundColor);
  const framed = field.matches(".map td[data-row]");
  const lost = field.classList.contains("lost");
  const parts = [];
  if (framed || (ground.opacity > 0 && ground.hex !== "#ffffff")) {
    const frame = framed
      ? { stroke: plainColour(style.borderTopColor).hex, rx: parseFloat(style.borderTopLeftRadius) || 0 }
      : {};
    const fill = lost ? "url(#lost)" : ground.opacity > 0 ? ground.hex : "none";
    parts.push(svg("rect", { x, y, width: box.width, height: box.height, fill, ...frame }));
  }
  for (const node of textNodes(field)) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const place = range.getBoundingClientRect();
    if (!place.width || !node.textContent.trim()) continue;
    const style = getComputedStyle(node.parentElement);
    const [left, top] = at(place);
    const baseline = top + place.height / 2 + 0.36 * parseFloat(style.fontSize);
    const text = textAt(
      node.textContent,
      left.toFixed(1),
      baseline.toFixed(1),
      parseFloat(style.fontSize),
      style.fontWeight,
    );
    parts.push(setAttributes(text, { fill: plainColour(style.color).hex }));
  }
  for (const inner of field.querySelectorAll("svg")) {
    const place = inner.getBoundingClientRect();
    const [left, top] = at(place);
    parts.push(setAttributes(withStyles(inner), { x: left, y: top, width: place.width, height: place.height }));
  }
  return parts;
}

function textNodes(field) {
  const walker = document.createTreeWalker(field, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("svg")) nodes.push(walker.currentNode);
  return nodes;
}

/** Return the ground of fields without a number. */
const hatching = () =>
  svg(
    "defs",
    {},
    svg(
      "pattern",
      { id: "lost", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { width: 8, height: 8, fill: "#ffffff" }),
      svg("rect", { width: 4, height: 8, fill: "#d7dadf" }),
    ),
  );
