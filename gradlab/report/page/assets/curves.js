// Curves over training: one number of a configuration at every probed step, beside those of the pinned ones.

const CURVES = [
  { key: "log10_survival", title: "Survival over training", log: true, include: [0] },
  { key: "metric", title: `${DATA.metric.charAt(0).toUpperCase()}${DATA.metric.slice(1)} over training`, log: false },
  { key: "loss", title: "Loss over training", log: false },
  { key: "log10_grad_norm_total", title: "Weight gradient over training", log: true },
  { key: "deviation", title: "Activation deviation over training", log: true },
  { key: "dead", title: "Dead units over training", log: false, include: [0] },
];

/** Return the steps and values of a curve as {xs, ys}; null where there is none. */
function curveOf(profile, key) {
  const course = profile.courses[key];
  const [xs, ys] = course ? [profile.steps, course] : [profile.history.step, profile.history[key]];
  return ys && finite(ys).length ? { xs, ys } : null;
}

/** Return the figures of all curves that a configuration has; nothing for one that was not trained. */
function curves(row, profile) {
  if (profile.history.step.length < 2) return null;
  const figures = CURVES.map((curve) => curveFigure(row, profile, curve)).filter((figure) => figure);
  return el("div", { class: "histories" }, figures);
}

function curveFigure(row, profile, { key, title, log, include }) {
  const curve = curveOf(profile, key);
  if (!curve) return null;
  const pinned = state.pinned.flatMap((other, index) => {
    const line = other !== row && DATA.profiles[other] && curveOf(DATA.profiles[other], key);
    return line ? [{ ...line, kind: `pin${index + 1}`, tag: PIN_TAGS[index], name: pinName(other, index) }] : [];
  });
  const format = log ? amount : (value) => significant(value, 3);
  const lines = [{ ...curve, kind: "mean", points: true, name: fullName(row) }, ...pinned];
  return chartFigure({
    title,
    subject: fullName(row),
    name: fileName(row, title.toLowerCase()),
    entries: pinned.length ? lines : [],
    explained: true,
    spec: {
      label: `${title} of ${fullName(row)}`,
      xs: curve.xs,
      lines,
      log,
      include,
      height: 150,
      marker: state.step > 0 ? state.step : undefined,
      read: (index) =>
        `step ${whole(curve.xs[index])}: ${format(num(curve.ys[index])) || "\u2013"}` +
        pinnedReading(pinned, curve.xs[index], format),
      xLabel: "step",
      xScale: (x) => Math.log2(x + 1),
      xTicks: () => stepTicks([...new Set(lines.flatMap(({ xs }) => xs))].sort((a, b) => a - b)),
    },
  });
}

function stepTicks(steps) {
  const last = steps.length - 1;
  return [...new Set([0, Math.round(last / 3), Math.round((2 * last) / 3), last])].map((index) => steps[index]);
}
