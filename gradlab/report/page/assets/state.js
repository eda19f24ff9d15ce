// The state of the page, and who is told of its changes. The fragment of the page's address has all of it (link.js).

const state = {
  /** The chosen configuration, and the one under the mouse, which the profile shows for the moment; -1: none. */
  chosen: -1,
  preview: -1,
  /** Text of the filter, and the configurations that it leaves. */
  filter: "",
  rows: [...Array(SIZE).keys()],
  /** Pinned configurations, and the training step that heat map and profile show. */
  pinned: [],
  step: 0,
  /** What the profile shows along the blocks: the key of an entry of QUANTITIES. */
  quantity: "gradient",
  /** What the heat map shows: the key of an entry of MEASURES. */
  measure: "before",
  /** Order of the overview: the key of a column, with a minus for the largest first; empty: as in summary.csv. */
  sort: "",
  /** Ids of the parts that are open, and of the section that the page was last sent to. */
  open: [],
  part: "",
};
const subscribers = [];

/** Call `update(changed)` after every change of one of the values `names`; `changed` is the set of their names. */
function subscribe(names, update) {
  subscribers.push({ names, update });
}

/** Change values of the state; `history` says whether the link gets an entry: "push", "replace", or "" for no link. */
function setState(changes, history = "push") {
  const changed = new Set(Object.keys(changes).filter((name) => !sameState(state[name], changes[name])));
  if (!changed.size) return;
  Object.assign(state, changes);
  for (const { names, update } of subscribers) if (names.some((name) => changed.has(name))) update(changed);
  if (history) writeLink(history);
}

const sameState = (a, b) =>
  Array.isArray(a) ? a.length === b.length && a.every((entry, index) => entry === b[index]) : a === b;

/** Choose a configuration. */
function choose(row, history = "push") {
  if (row >= 0) setState({ chosen: row, preview: -1 }, history);
}

/** Return the configuration that the profile shows. */
const shownRow = () => (state.preview >= 0 ? state.preview : state.chosen);

/** Return the configuration with the survival furthest from 1 among those with a profile; otherwise the last one. */
function firstChoice() {
  const distance = (row) => (DATA.profiles[row] ? Math.abs(numberAt(row, "log10_survival")) || 0 : -1);
  let best = SIZE - 1;
  for (let row = 0; row < SIZE; row += 1) if (distance(row) > distance(best)) best = row;
  return best;
}
