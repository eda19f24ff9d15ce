// One configuration closely: its numbers, its profile with theory, and how both went on in training.

/** Return the panel; it follows the selection. */
function profilePanel() {
  const panel = el("article", { id: "profile", class: "panel", "aria-labelledby": "profile-title" });
  let shown = -1;
  const show = () => {
    if (shownRow() === shown) return;
    shown = shownRow();
    panel.replaceChildren(...contents(shown));
  };
  subscribe(["chosen", "preview"], show);
  subscribe(["chosen"], () => announce(`${fullName(state.chosen)}: ${survivalSentence(state.chosen)}`));
  return panel;
}

function contents(row) {
  const title = el(
    "h3",
    { id: "profile-title" },
    nameOf(row),
    " ",
    el("span", { class: "quiet" }, `${lengthOf(row)}${SEVERAL ? `, ${runOf(row).name}` : ""}`),
  );
  const verdict = el(
    "p",
    { class: "survival" },
    el("b", { class: `badge ${valueAt(row, "shade")}` }, valueAt(row, "mark") || "\u2713"),
    " ",
    survivalSentence(row),
  );
  const note = valueAt(row, "theory_note");
  const parts = [title, verdict, numberList(row)];
  const profile = DATA.profiles[row];
  if (profile) parts.push(el("div", { class: "charts" }, profileBefore(row, profile), profileDuring(row, profile)));
  else if (numberAt(row, "n"))
    parts.push(
      el("p", { class: "hint" }, "The profile of this configuration is not in this file; it is in layers.csv."),
    );
  if (note) parts.push(el("p", { class: "hint" }, `No prediction: ${note}.`));
  return parts;
}

function profileBefore(row, profile) {
  const blocks = valueAt(row, "length");
  const xs = profile.at || Array.from({ length: blocks }, (_, index) => index + 1);
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
  lines.push(...layers);
  entries.push(...layers);
  const reading = (index) => {
    const range = several ? ` (95 %: ${amount(num(profile.low[index]))} to ${amount(num(profile.high[index]))})` : "";
    const theory = profile.theory ? `, theory ${amount(num(profile.theory[index]))}` : "";
    const state = profile.state ? `, cell state ${amount(num(profile.state[index]))}` : "";
    const single = layers.map((layer) => `, ${layer.name} ${amount(num(layer.ys[index])) || "\u2013"}`).join("");
    const mean = amount(num(profile.mean[index])) || "no finite value";
    return `${unitOf(row)} ${xs[index]}: ${mean}${range}${theory}${state}${single}`;
  };
  const drawn = chart({
    label: `Gradient norm along the ${unitOf(row)}s of ${fullName(row)} before training, the last one being 1`,
    xs,
    lines,
    bands,
    log: true,
    include: [0],
    height: 240,
    read: reading,
    hint: "",
    xLabel: axisOf(row).ends,
    xTicks: (most) => wholeTicks(1, blocks, most),
  });
  const lost = profile.lost
    ? `Left out of the mean: ${counted(profile.lost, "seed")} with a gradient that is exactly zero or not finite.`
    : "";
  return el(
    "div",
    {},
    el("h4", {}, "Gradient norm before training, last ", unitOf(row), " = 1"),
    drawn,
    legend(entries),
    lost ? el("p", { class: "hint" }, lost) : null,
    numbersOf(row, profile, xs),
  );
}

const wholeTicks = (low, high, most) => [
  ...new Set([
    low,
    ...ticks(low, high, most, 1)
      .map(Math.round)
      .filter((x) => x - low > (high - low) / 12 && high - x > (high - low) / 12),
    high,
  ]),
];

function numbersOf(row, profile, xs) {
  const heads = [
    unitOf(row),
    "log\u2081\u2080 of the mean",
    ...(profile.low ? ["from", "to"] : []),
    ...(profile.theory ? ["theory"] : []),
  ];
  const columns = [
    profile.mean,
    ...(profile.low ? [profile.low, profile.high] : []),
    ...(profile.theory ? [profile.theory] : []),
  ];
  const body = xs.map((x, index) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, whole(x)),
      columns.map((column) => el("td", {}, fixed(num(column[index]), 3))),
    ),
  );
  const table = plainTable({ class: "numbers" }, heads, body);
  return details("numbers", "The numbers of this curve", scroller("Numbers of the profile", table));
}
