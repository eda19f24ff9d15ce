// How the profile, the survival and the metric of one configuration went on in training.

/** Return the colour of a step: from the first to the last in one even change of tone. */
const toneOf = (share) => `color-mix(in oklab, var(--late) ${Math.round(100 * share)}%, var(--early))`;

/** How far beyond the profile before training the axis goes: one step of a diverging run must not flatten the rest. */
const DECADES = 4;

function profileDuring(row, profile) {
  if (profile.steps.length < 2) return [];
  const last = profile.steps.length - 1;
  const xs = profile.at || profile.mean.map((_, index) => index + 1);
  const lines = profile.by_step.map((ys, index) => ({
    xs,
    ys,
    kind: index === 0 ? "start" : index === last ? "end" : "step",
    colour: toneOf(index / last),
    name: whole(profile.steps[index]),
  }));
  const reading = (index) =>
    `${unitOf(row)} ${xs[index]}: ` +
    lines.map((line) => `step ${line.name} ${amount(num(line.ys[index])) || "\u2013"}`).join(", ");
  const start = finite(profile.by_step[0]);
  const every = finite(profile.by_step.flat());
  const within = start.length ? [Math.min(...start) - DECADES, Math.max(...start) + DECADES] : [-Infinity, Infinity];
  const leaves = every.some((log10) => log10 < within[0] || log10 > within[1]);
  const drawn = chart({
    within,
    label: `Gradient norm along the ${unitOf(row)}s at the probed steps of training`,
    xs,
    lines,
    log: true,
    height: 240,
    read: reading,
    xLabel: axisOf(row).ends,
    xTicks: (most) => wholeTicks(xs[0], xs[xs.length - 1], most),
  });
  const names = lines.map((line, index) => ({ ...line, name: index === 0 ? "step 0, before training" : line.name }));
  const note = `Lines that leave the chart go on: it ends ${DECADES} decades beyond where training began.`;
  return [
    el(
      "div",
      {},
      el("h4", {}, "Gradient norm over training"),
      drawn,
      legend(names),
      leaves ? el("p", { class: "hint" }, note) : null,
    ),
    histories(profile.history),
  ];
}

function histories(history) {
  const historyChart = (key, title, log) => {
    if (!finite(history[key]).length) return null;
    const reading = (index) =>
      `step ${whole(history.step[index])}: ${log ? amount(num(history[key][index])) : significant(num(history[key][index]), 3)}`;
    const drawn = chart({
      label: title,
      xs: history.step,
      lines: [{ xs: history.step, ys: history[key], kind: "mean", points: true }],
      log,
      include: log ? [0] : [],
      height: 150,
      read: reading,
      xLabel: "step",
      xScale: (x) => Math.log2(x + 1),
      xTicks: () => stepTicks(history.step),
    });
    return el("div", {}, el("h4", {}, title), drawn);
  };
  return el(
    "div",
    { class: "histories" },
    historyChart("log10_survival", "Survival over training", true),
    historyChart("metric", `${DATA.metric} over training`, false),
  );
}

function stepTicks(steps) {
  const last = steps.length - 1;
  return [...new Set([0, Math.round(last / 3), Math.round((2 * last) / 3), last])].map((index) => steps[index]);
}
