// The rows of a table of any length: only those in view, and some beside them, are elements of the page.

const WHOLE_UP_TO = 120;
const BESIDE = 24;
const MOST_ON_PAPER = 1000;
/** Pixels between a row that is brought into view and the edge. */
const MARGIN = 3;

/**
 * Return the rows of the table body `body` inside the scrolling `box`. All rows have one height; `draw(index)` returns
 * one of them as an element, `columns` is their number of columns.
 */
function virtualRows({ box, body, draw, columns }) {
  const gaps = ["before", "after"].map(() => el("td", { colspan: columns }));
  const [before, after] = gaps.map((gap) => el("tr", { class: "gap", "aria-hidden": "true" }, gap));
  const drawn = new Map();
  let count = 0;
  let height = 0;
  let [first, last] = [0, 0];

  const isWhole = () => count <= WHOLE_UP_TO;
  const headHeight = () => body.parentElement.tHead.offsetHeight;
  const elementAt = (index) => {
    const row = draw(index);
    setAttributes(row, { "aria-rowindex": index + 2 });
    drawn.set(index, row);
    return row;
  };
  const between = (from, to) => Array.from({ length: Math.max(to - from, 0) }, (_, index) => elementAt(from + index));

  /** Have the rows from `from` to before `to` in the page, and no others. */
  const place = (from, to) => {
    const overlap = from < last && to > first && drawn.size > 0;
    const leaving = [...drawn].filter(([index]) => !overlap || index < from || index >= to);
    if (leaving.some(([, row]) => row.contains(document.activeElement))) box.focus({ preventScroll: true });
    for (const [index, row] of leaving) {
      row.remove();
      drawn.delete(index);
    }
    before.remove();
    after.remove();
    if (overlap) body.prepend(...between(from, Math.min(first, to)));
    body.append(...between(overlap ? Math.max(last, from) : from, to));
    [first, last] = [from, to];
    gaps[0].style.height = `${from * height}px`;
    gaps[1].style.height = `${(count - to) * height}px`;
    if (from > 0) body.prepend(before);
    if (to < count) body.append(after);
  };
  const measure = () => {
    const [a, b] = [drawn.get(first), drawn.get(last - 1)];
    const top = (row) => row.getBoundingClientRect().top;
    if (!body.isConnected) return;
    height = a && b && a !== b ? (top(b) - top(a)) / (last - 1 - first) : height || 30;
  };
  const measureRows = () => {
    measure();
    place(first, last);
  };
  const scrolled = () => {
    if (isWhole() || !box.clientHeight || !height) return;
    const top = Math.floor(box.scrollTop / height);
    const bottom = Math.ceil((box.scrollTop + box.clientHeight) / height);
    if (top >= first && Math.min(bottom, count) <= last) return;
    place(Math.max(top - BESIDE, 0), Math.min(bottom + BESIDE, count));
  };
  box.addEventListener("scroll", scrolled, { passive: true });
  new ResizeObserver(() => {
    if (!body.isConnected || !box.clientHeight) return;
    measureRows();
    scrolled();
  }).observe(box);

  return {
    /** Draw `rows` rows anew, the box scrolled to `top`. */
    update(rows, top = 0) {
      count = rows;
      body.replaceChildren();
      drawn.clear();
      setAttributes(body.parentElement, { "aria-rowcount": count + 1 });
      place(0, isWhole() ? count : Math.min(count, 60));
      measureRows();
      box.scrollTop = top;
      scrolled();
    },
    /** Return the element of a row, if it is in the page. */
    at: (index) => drawn.get(index) || null,
    /** Scroll the box, and nothing else, until a row is in view; return the element of the row. */
    reveal(index) {
      if (index < 0 || index >= count) return null;
      if (!height) measureRows();
      if (!drawn.has(index)) {
        box.scrollTop = index * height - box.clientHeight / 2;
        scrolled();
      }
      const row = drawn.get(index);
      const top = row.offsetTop - headHeight() - MARGIN;
      const bottom = row.offsetTop + row.offsetHeight + MARGIN - box.clientHeight;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (bottom > box.scrollTop) box.scrollTop = bottom;
      scrolled();
      return row;
    },
    /** Draw as many rows as paper takes; return how many are left out. */
    onPaper() {
      const most = Math.min(count, MOST_ON_PAPER);
      if (!isWhole()) place(0, most);
      after.remove();
      return count - most;
    },
    /** Return to the rows in view. */
    onScreen() {
      if (isWhole()) return;
      place(0, Math.min(count, 60));
      scrolled();
    },
  };
}

/** Texts of each column that the sizer has: which of the longest takes most room depends on its letters. */
const LONGEST = 5;

/**
 * Return a last part of a table that nobody sees: it gives each column the width of its longest texts. `columns` has
 * for each column the cells [text, class] that may occur.
 */
function columnSizer(columns) {
  const widest = columns.map((cells) => {
    const distinct = [...new Map(cells.map((cell) => [cell.join("|"), cell])).values()];
    return distinct.sort((a, b) => b[0].length - a[0].length).slice(0, LONGEST);
  });
  const line = (index) =>
    el(
      "tr",
      {},
      widest.map((cells) => sizerCell(cells[index] || ["", ""])),
    );
  return el(
    "tfoot",
    { class: "sizer", "aria-hidden": "true" },
    Array.from({ length: LONGEST }, (_, index) => line(index)),
  );
}

const sizerCell = ([text, class_]) => el("td", { class: class_ }, text);
