// What else was measured along the blocks: weight gradient, deviation of the activations, dead units.

/** What the panel can show along the blocks; `log`: its values are log10. */
const QUANTITIES = [
  { key: "gradient", name: "gradient", title: "Gradient norm", log: true },
  { key: "weights", name: "weight gradient", title: "Norm of the weight gradient", log: true },
  { key: "deviation", name: "activations", title: "Standard deviation of the activations", log: true },
  { key: "dead", name: "dead units", title: "Share of dead units", log: false },
].filter(({ key }) => key === "gradient" || Object.values(DATA.profiles).some(({ blocks }) => blocks && blocks[key]));

/** Return the choice of what the panel shows along the blocks; null where there is one thing alone. */
function quantityChoice() {
  if (QUANTITIES.length < 2) return null;
  const inputs = QUANTITIES.map(({ key }) =>
    el("input", { type: "radio", name: "quantity", value: key, change: () => setState({ quantity: key }) }),
  );
  const check = () => inputs.forEach((input) => (input.checked = input.value === state.quantity));
  subscribe(["quantity"], check);
  check();
  return el(
    "fieldset",
    { class: "choices" },
    el("legend", {}, `Along the ${UNIT}s`),
    QUANTITIES.map(({ name }, index) => el("label", {}, inputs[index], name)),
  );
}

/** Return a colour of a step: from the first to the last in one even change of tone. */
const toneOf = (share) => `color-mix(in oklab, var(--late) ${Math.round(100 * share)}%, var(--early))`;

const amountOf = (log) => (value) => (log ? amount(value) : significant(value, 2));

function blockFigures(row, profile) {
  const { key, title, log } = QUANTITIES.find((quantity) => quantity.key === state.quantity);
  const values = profile.blocks && profile.blocks[key];
  if (!values)
    return [el("p", { class: "hint" }, `${title}: ${key === "dead" ? "no unit is dead" : "not in this file"}.`)];
  const { steps } = profile.blocks;
  const xs = placesOf(row, profile);
  const place = stepPlace(steps);
  const lines = [
    ...(place ? [{ xs, ys: values[0], kind: "before", name: "before training" }] : []),
    {
      xs,
      ys: values[place],
      kind: "mean",
      points: xs.length <= 12,
      name: place ? `after step ${whole(steps[place])}` : "before training",
    },
    ...pinnedLines(row, ({ blocks }) => blocks && blocks[key] && blocks[key][stepPlace(blocks.steps)]),
  ];
  const main = lines.findIndex(({ kind }) => kind === "mean");
  const format = amountOf(log);
  const when = place ? `after step ${whole(steps[place])}` : "before training";
  const at = chartFigure({
    title: `${title} ${when}`,
    subject: fullName(row),
    name: fileName(row, `${key}_step${steps[place]}`),
    entries: lines,
    spec: {
      label: `${title} along the ${unitOf(row)}s of ${fullName(row)} ${when}`,
      xs,
      lines,
      log,
      include: log ? [] : [0],
      read: (index) =>
        `${unitOf(row)} ${xs[index]}: ${format(num(lines[main].ys[index])) || "\u2013"}` +
        pinnedReading(lines.slice(main + 1), xs[index], format),
      xLabel: axisOf(row).ends,
      xTicks: (most, from, to) => wholeTicks(from, to, most),
    },
  });
  return [at, allSteps(row, profile, { title: `${title} over training`, steps, by_step: values, log })];
}

/** Return the figure of a quantity along the blocks at all steps that the page has; null with one step. */
function allSteps(row, profile, { title, steps, by_step, log }) {
  if (steps.length < 2) return null;
  const last = steps.length - 1;
  const xs = placesOf(row, profile);
  const chosen = stepPlace(steps);
  const lines = by_step.map((ys, index) => ({
    xs,
    ys,
    kind: `${index === 0 ? "start" : index === last ? "end" : "step"}${state.step && index === chosen ? " chosen" : ""}`,
    colour: toneOf(index / last),
    name: index === 0 ? "step 0, before training" : whole(steps[index]),
  }));
  const format = amountOf(log);
  const start = finite(by_step[0]);
  const every = finite(by_step.flat());
  const within =
    log && start.length ? [Math.min(...start) - DECADES, Math.max(...start) + DECADES] : [-Infinity, Infinity];
  const leaves = every.some((value) => value < within[0] || value > within[1]);
  return chartFigure({
    title,
    subject: fullName(row),
    name: fileName(row, title.toLowerCase()),
    entries: lines,
    notes: [leaves ? `Lines that leave the chart go on: it ends ${DECADES} decades beyond where training began.` : ""],
    spec: {
      label: `${title} along the ${unitOf(row)}s at the probed steps`,
      within,
      xs,
      lines,
      log,
      read: (index) =>
        `${unitOf(row)} ${xs[index]}: ` +
        lines.map(({ ys }, step) => `step ${whole(steps[step])} ${format(num(ys[index])) || "\u2013"}`).join(", "),
      xLabel: axisOf(row).ends,
      xTicks: (most, from, to) => wholeTicks(from, to, most),
    },
  });
}
