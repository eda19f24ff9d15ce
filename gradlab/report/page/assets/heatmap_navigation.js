// Selecting fields of the heat map: by the mouse, which previews what it is over, and by the arrow keys.

const cellOf = (event) => event.target.closest("td[data-row]");

function selectField(event) {
  const cell = cellOf(event);
  if (!cell) return;
  setTabStop(cell, true);
  select(Number(cell.dataset.row));
  // on a phone the profile lies below the map
  const panel = document.getElementById("profile");
  if (event.detail && panel.getBoundingClientRect().top > window.innerHeight * 0.8)
    panel.scrollIntoView({ block: "start", behavior: reducedMotion() ? "auto" : "smooth" });
}

const reducedMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

function previewField(event) {
  const cell = cellOf(event);
  if (cell && event.pointerType === "mouse") select(Number(cell.dataset.row), true);
}

function endPreview(event) {
  if (event.pointerType === "mouse") select(state.selected, true);
}

/** Make a field the one that Tab reaches. */
function setTabStop(cell, focus) {
  for (const other of cell.closest("table").querySelectorAll('td[tabindex="0"]')) other.setAttribute("tabindex", "-1");
  cell.setAttribute("tabindex", "0");
  if (focus) cell.focus();
}

function moveByKey(event) {
  const cell = cellOf(event);
  if (!cell) return;
  const [x, y] = [Number(cell.dataset.x), Number(cell.dataset.y)];
  const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  let target = null;
  if (steps[event.key]) target = nextField(event.currentTarget, x, y, ...steps[event.key]);
  else if (event.key === "Home" || event.key === "End") {
    const cells = [...event.currentTarget.querySelectorAll(event.ctrlKey ? "td[data-row]" : `td[data-y="${y}"]`)];
    target = cells[event.key === "Home" ? 0 : cells.length - 1];
  } else if (event.key === "Enter" || event.key === " ") target = cell;
  else return;
  event.preventDefault();
  if (!target) return;
  setTabStop(target, true);
  select(Number(target.dataset.row));
}

/** Return the next field in a direction, over empty ones; null at the edge. */
function nextField(table, x, y, dx, dy) {
  const rows = table.tBodies[0].rows.length;
  const columns = Math.max(...[...table.querySelectorAll("td[data-x]")].map((cell) => Number(cell.dataset.x))) + 1;
  for (let [u, v] = [x + dx, y + dy]; u >= 0 && u < columns && v >= 0 && v < rows; u += dx, v += dy) {
    const next = table.querySelector(`td[data-x="${u}"][data-y="${v}"]`);
    if (next) return next;
  }
  return null;
}
