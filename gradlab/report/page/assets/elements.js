// HTML and SVG elements. Text goes into text nodes only: nothing from a run is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Set attributes; a function is a listener, null and false leave one out, true is an empty one. */
function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return element;
}

/** Return an HTML element with attributes and children, which are elements or texts. */
function el(tag, attributes = {}, ...children) {
  const element = setAttributes(document.createElement(tag), attributes);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return an SVG element. */
function svg(tag, attributes = {}, ...children) {
  const element = setAttributes(document.createElementNS(SVG, tag), attributes);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return a section with a heading; `id` is what links point at. */
function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
}

/** Return a part that opens and closes; links know it by its `id`. */
function details(id, summary, ...children) {
  return el("details", { "data-part": id, open: state.open.includes(id) }, el("summary", {}, summary), ...children);
}

/** Return a table with one row of column headings above its rows. */
function plainTable(attributes, heads, rows) {
  const cells = heads.map((head) => el("th", { scope: "col" }, head));
  return el("table", attributes, el("thead", {}, el("tr", {}, cells)), el("tbody", {}, rows));
}

/** Return a box that scrolls by itself, reachable by keyboard; its right edge fades while there is more. */
function scroller(label, ...children) {
  const box = el("div", { class: "scroller", role: "region", "aria-label": label, tabindex: "0" }, ...children);
  const check = () => box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", check, { passive: true });
  const observer = new ResizeObserver(check);
  observer.observe(box);
  for (const child of box.children) observer.observe(child);
  return box;
}

/** Let a screen reader say something. */
function announce(text) {
  document.getElementById("announcer").textContent = text;
}
