// The training step that heat map and profile show.

/** Probed steps that the heat map has; only 0 where nothing was probed in training. */
const STEPS = DATA.survival_by_step ? DATA.survival_by_step.steps : [0];

/** Return the text, sign and shade of a configuration's survival at the chosen step. */
function markAtStep(row) {
  const place = stepPlace(STEPS);
  if (place === 0) return ["text", "mark", "shade"].map((name) => valueAt(row, name));
  return DATA.survival_by_step.levels[DATA.survival_by_step.codes[place][row]];
}

/** Return a slider over the probed steps; null where there is one alone. `also` is what else it sets. */
function stepSlider(id, name, also = {}) {
  if (STEPS.length < 2) return null;
  const shown = el("output", { for: id });
  const input = el("input", {
    id,
    type: "range",
    min: 0,
    max: STEPS.length - 1,
    step: 1,
    input: () => {
      setState({ step: STEPS[Number(input.value)], ...also }, moving ? "replace" : "push");
      moving = true;
    },
    change: () => {
      moving = false;
    },
  });
  let moving = false;
  const show = () => {
    const step = STEPS[stepPlace(STEPS)];
    input.value = String(stepPlace(STEPS));
    shown.textContent = step ? whole(step) : "0, before training";
    input.setAttribute("aria-valuetext", `step ${shown.textContent}`);
  };
  subscribe(["step"], show);
  show();
  return el("div", { class: "slider noprint" }, el("label", { for: id }, name), input, shown);
}
