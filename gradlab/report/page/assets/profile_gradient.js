// The gradient along the blocks: before training beside theory, at a step of training, and at all of them.

/** How far beyond the profile before training the axis goes: one step of a diverging run must not flatten the rest. */
const DECADES = 4;

function gradientFigures(row, profile) {
  const trained = profile.steps.length > 1 && state.step > 0 && stepPlace(profile.steps) > 0;
  const first = trained ? gradientAtStep(row, profile) : gradientBefore(row, profile);
  return [
    el("div", {}, first, numbersOf(row, profile, placesOf(row, profile))),
    allSteps(row, profile, {
      title: "Gradient norm over training",
      steps: profile.steps,
      by_step: profile.by_step,
      log: true,
    }),
  ];
}

/** Return the lines of the pinned configurations but `row`: of each the values that `ys(profile)` returns. */
function pinnedLines(row, ys) {
  return state.pinned.flatMap((pinned, index) => {
    const values = pinned !== row && DATA.profiles[pinned] && ys(DATA.profiles[pinned], pinned);
    if (!values) return [];
    const xs = placesOf(pinned, DATA.profiles[pinned]);
    return [{ xs, ys: values, kind: `pin${index + 1}`, tag: PIN_TAGS[index], name: pinName(pinned, index) }];
  });
}

/** Return what the pinned lines say at a place of the axis. */
const pinnedReading = (lines, x, format) =>
  lines
    .map(({ xs, ys, tag }) => {
      const place = xs.findLastIndex((other) => other <= x);
      return x > xs[xs.length - 1] ? "" : `, ${tag} ${format(num(ys[place])) || "\u2013"}`;
    })
    .join("");

/** Return a gradient profile with the last block at 1. */
const relative = (ys) => ys.map((y) => (y === null || ys.at(-1) === null ? null : y - ys.at(-1)));

function gradientBefore(row, profile) {
  const xs = placesOf(row, profile);
  const several = profile.low !== null;
  const lines = profile.seeds.length > 1 ? profile.seeds.map((ys) => ({ xs, ys, kind: "seed" })) : [];
  const bands = several ? [{ xs, low: profile.low, high: profile.high, kind: "interval" }] : [];
  const entries = [{ name: several ? "mean of the seeds" : "measured", kind: "mean" }];
  if (several) entries.push({ name: "95 % interval", kind: "interval", band: true });
  if (lines.length) entries.push({ name: "single seeds", kind: "seed" });
  lines.push({ xs, ys: profile.mean, kind: "mean", points: xs.length <= 12 });
  if (profile.theory) {
    const all = finite([...profile.mean, ...profile.theory]);
    // a scatter as thin as the line itself would only blur it
    if (profile.scatter && profile.scatter[0] > 0.03 * Math.max(Math.max(...all) - Math.min(...all), 2)) {
      for (const sign of [1, -1])
        lines.push({ xs, ys: profile.theory.map((y, index) => y + sign * profile.scatter[index]), kind: "scatter" });
      entries.push({ name: "95 % of single seeds, as theory expects", kind: "scatter" });
    }
    lines.push({ xs, ys: profile.theory, kind: "theory" });
    entries.splice(1, 0, { name: "theory", kind: "theory" });
  }
  if (profile.state) {
    lines.push({ xs, ys: profile.state, kind: "state" });
    entries.push({ name: "of the cell state", kind: "state" });
  }
  const layers = profile.layers.map((ys, index) => ({
    xs,
    ys,
    kind: "layer",
    colour: toneOf(index / Math.max(profile.layers.length - 1, 1)),
    name: index ? `layer ${index + 1}` : "stacked layer 1, the lowest",
  }));
  const pinned = pinnedLines(row, (other) => other.mean);
  lines.push(...layers, ...pinned);
  entries.push(...layers, ...pinned);
  const reading = (index) => {
    const range = several ? ` (95 %: ${amount(num(profile.low[index]))} to ${amount(num(profile.high[index]))})` : "";
    const theory = profile.theory ? `, theory ${amount(num(profile.theory[index]))}` : "";
    const state_ = profile.state ? `, cell state ${amount(num(profile.state[index]))}` : "";
    const single = layers.map((layer) => `, ${layer.name} ${amount(num(layer.ys[index])) || "\u2013"}`).join("");
    const mean = amount(num(profile.mean[index])) || "no finite value";
    return `${unitOf(row)} ${xs[index]}: ${mean}${range}${theory}${state_}${single}${pinnedReading(pinned, xs[index], amount)}`;
  };
  const lost = profile.lost
    ? `Left out of the mean: ${counted(profile.lost, "seed")} with a gradient that is exactly zero or not finite.`
    : "";
  return chartFigure({
    title: `Gradient norm before training, last ${unitOf(row)} = 1`,
    subject: fullName(row),
    name: fileName(row, "profile"),
    entries,
    notes: [lost],
    spec: {
      label: `Gradient norm along the ${unitOf(row)}s of ${fullName(row)} before training, the last one being 1`,
      xs,
      lines,
      bands,
      log: true,
      include: [0],
      read: reading,
      xLabel: axisOf(row).ends,
      xTicks: (most, from, to) => wholeTicks(from, to, most),
    },
  });
}

function gradientAtStep(row, profile) {
  const xs = placesOf(row, profile);
  const place = stepPlace(profile.steps);
  const lines = [
    { xs, ys: profile.mean, kind: "before", name: "before training" },
    {
      xs,
      ys: relative(profile.by_step[place]),
      kind: "mean",
      points: xs.length <= 12,
      name: `after step ${whole(profile.steps[place])}`,
    },
    ...pinnedLines(row, (other) => {
      const at = stepPlace(other.steps);
      return at ? relative(other.by_step[at]) : other.mean;
    }),
  ];
  const reading = (index) =>
    `${unitOf(row)} ${xs[index]}: ${amount(num(lines[1].ys[index])) || "\u2013"}, before training ${amount(num(profile.mean[index])) || "\u2013"}` +
    pinnedReading(lines.slice(2), xs[index], amount);
  return chartFigure({
    title: `Gradient norm after step ${whole(profile.steps[place])}, last ${unitOf(row)} = 1`,
    subject: fullName(row),
    name: fileName(row, `profile_step${profile.steps[place]}`),
    entries: lines,
    spec: {
      label: `Gradient norm along the ${unitOf(row)}s of ${fullName(row)} after step ${profile.steps[place]}, the last one being 1`,
      xs,
      lines,
      log: true,
      include: [0],
      read: reading,
      xLabel: axisOf(row).ends,
      xTicks: (most, from, to) => wholeTicks(from, to, most),
    },
  });
}
