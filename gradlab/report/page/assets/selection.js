// The selected configuration, and those that the filter leaves.

/** `listeners` are called with the configuration that is to be shown, and whether that is a preview. */
const state = { selected: -1, rows: [...Array(SIZE).keys()], listeners: [] };

/** Select a configuration. A `preview`, while the mouse is over it, is shown in the profile alone. */
function select(row, preview = false) {
  if (row < 0) return;
  if (!preview) state.selected = row;
  for (const listener of state.listeners) listener(row, preview);
}

/** Return the configuration with the survival furthest from 1 among those with a profile; otherwise the last one. */
function initialSelection() {
  const distance = (row) => (DATA.profiles[row] ? Math.abs(numberAt(row, "log10_survival")) || 0 : -1);
  let best = SIZE - 1;
  for (let row = 0; row < SIZE; row += 1) if (distance(row) > distance(best)) best = row;
  return best;
}
