// Choosing fields of the heat map: by the mouse, which previews what it is over, and by the arrow keys.

const fieldOf = (event) => event.target.closest("td[data-row]");

function chooseField(event, view) {
  const field = fieldOf(event);
  if (!field) return;
  setTabStop(view, field);
  field.focus({ preventScroll: true });
  choose(Number(field.dataset.row));
  // on a phone the profile lies below the map
  const panel = document.getElementById("profile");
  if (event.detail && panel.getBoundingClientRect().top > window.innerHeight * 0.8) scrollToPart(panel);
}

const reducedMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

const scrollToPart = (element) =>
  element.scrollIntoView({ block: "start", behavior: reducedMotion() ? "auto" : "smooth" });

function previewField(event) {
  const field = fieldOf(event);
  if (field && event.pointerType === "mouse") setState({ preview: Number(field.dataset.row) }, "");
}

function endPreview(event) {
  if (event.pointerType === "mouse") setState({ preview: -1 }, "");
}

/** Return the element of a configuration's field, if it is in the page. */
function fieldAt(view, row) {
  const [x, y] = view.places.get(row) || [-1, -1];
  const line = row < 0 ? null : view.rows.at(y);
  return line && line.querySelector(`td[data-x="${x}"]`);
}

/** Scroll the box of the map until a field is in view; return its element. */
function revealField(view, row) {
  view.rows.reveal(view.places.get(row)[1]);
  const field = fieldAt(view, row);
  if (!field || view.box.scrollWidth <= view.box.clientWidth) return field;
  const labels = field.closest("table").classList.contains("fixed-labels") ? leftOfFields(field) : 0;
  const [left, right] = [field.offsetLeft - labels, field.offsetLeft + field.offsetWidth];
  if (left < view.box.scrollLeft) view.box.scrollLeft = left;
  else if (right > view.box.scrollLeft + view.box.clientWidth) view.box.scrollLeft = right - view.box.clientWidth;
  return field;
}

const leftOfFields = (field) =>
  [...field.parentElement.querySelectorAll("th")].reduce((sum, label) => sum + label.offsetWidth, 0);

/** Make a field the one that Tab reaches. */
function setTabStop(view, field) {
  for (const other of view.box.querySelectorAll('td[tabindex="0"]')) other.setAttribute("tabindex", "-1");
  field.setAttribute("tabindex", "0");
}

const ARROWS = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
  PageDown: [0, 10],
  PageUp: [0, -10],
};

function moveByKey(event, view) {
  const field = fieldOf(event);
  if (!field) return;
  const [x, y] = [Number(field.dataset.x), Number(field.dataset.y)];
  const { rows } = view.map;
  let target = -1;
  if (ARROWS[event.key]) target = nextField(rows, x, y, ...ARROWS[event.key]);
  else if (event.key === "Home" || event.key === "End") {
    const fields = (event.ctrlKey ? rows.flatMap((row) => row.fields) : rows[y].fields).filter((row) => row >= 0);
    target = fields[event.key === "Home" ? 0 : fields.length - 1];
  } else if (event.key === "Enter" || event.key === " ") target = Number(field.dataset.row);
  else return;
  event.preventDefault();
  if (target < 0) return;
  const element = revealField(view, target);
  setTabStop(view, element);
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest", inline: "nearest" });
  choose(target, "replace");
}

/** Return the next configuration in a direction, over empty fields; -1 at the edge. Ten rows at a time stop there. */
function nextField(rows, x, y, dx, dy) {
  const ends = Math.abs(dy) > 1 ? Math.min(Math.max(y + dy, 0), rows.length - 1) : y + dy;
  const [stepX, stepY] = [Math.sign(dx), Math.sign(dy)];
  for (
    let [u, v] = [x + dx, ends];
    u >= 0 && u < rows[0].fields.length && v >= 0 && v < rows.length;
    u += stepX, v += stepY
  )
    if (rows[v].fields[u] >= 0 && !(u === x && v === y)) return rows[v].fields[u];
  return -1;
}
