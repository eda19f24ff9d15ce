// One configuration closely: its numbers, its profile with theory, and how both went on in training.

/** Return the panel; it follows what is chosen or under the mouse, what is pinned, and the training step. */
function profilePanel() {
  const panel = el("article", { id: "profile", class: "panel", "aria-labelledby": "profile-title" });
  const pinned = pinnedList();
  const slider = stepSlider("profile-step", "Training step");
  const quantity = quantityChoice();
  const content = el("div", {});
  const head = el("div", {});
  panel.append(head, pinned, el("div", { class: "controls noprint" }, slider, quantity), content);
  let shown = -1;
  const show = (changed) => {
    const row = shownRow();
    // what lies below must not jump away from the mouse when a preview begins or ends
    if (state.preview >= 0) head.style.minHeight = `${head.offsetHeight}px`;
    else if (changed && changed.has("chosen")) head.style.minHeight = "";
    if (row !== shown || !changed) head.replaceChildren(...profileHead(row));
    if (row === shown && changed && !changed.has("pinned") && !changed.has("step") && !changed.has("quantity")) return;
    shown = row;
    content.replaceChildren(...profileContent(row));
  };
  subscribe(["chosen", "preview", "pinned", "step", "quantity"], show);
  subscribe(["chosen"], () => announce(`${fullName(state.chosen)}: ${survivalSentence(state.chosen)}`));
  return panel;
}

function profileHead(row) {
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
  return [el("div", { class: "figure-head" }, title, pinButton(row)), verdict, numberList(row)];
}

function profileContent(row) {
  const note = valueAt(row, "theory_note");
  const profile = DATA.profiles[row];
  const parts = [];
  if (profile) {
    const along = state.quantity === "gradient" ? gradientFigures(row, profile) : blockFigures(row, profile);
    parts.push(el("div", { class: "charts" }, along, curves(row, profile)));
  } else if (numberAt(row, "n")) {
    const text = "The profile of this configuration is not in this file; it is in layers.csv.";
    parts.push(el("p", { class: "hint" }, text));
  }
  if (note) parts.push(el("p", { class: "hint" }, `No prediction: ${note}.`));
  return parts;
}

/** Return the places along the axis that a profile has. */
const placesOf = (row, profile) =>
  profile.at || Array.from({ length: valueAt(row, "length") }, (_, index) => index + 1);

/** Return the place of the last of some steps that is not after the chosen one. */
function stepPlace(steps) {
  let place = 0;
  steps.forEach((step, index) => {
    if (step <= state.step) place = index;
  });
  return place;
}

/** Return the name of a file for a figure of a configuration. */
const fileName = (row, what) => `${what} ${nameOf(row)} ${lengthOf(row)}`.replace(/[^\w.+-]+/g, "_");

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
  return details("numbers", "The numbers before training", scroller("Numbers of the profile", table));
}
