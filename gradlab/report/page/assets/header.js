// The head of the page: what was run, the settings that are the same everywhere, and counts.

function fillHeader() {
  const { counts, runs } = DATA;
  const header = document.getElementById("header");
  const described = runs.length === 1 && runs[0].description;
  if (described) header.append(el("p", { class: "lead" }, runs[0].description));
  if (SEVERAL) header.append(el("p", { class: "lead" }, runs.map((run) => run.name).join(", ")));
  const chips = Object.entries(DATA.fixed).map(([key, text]) =>
    el("li", {}, el("span", { class: "quiet" }, key), " ", text),
  );
  header.append(el("ul", { class: "chips", "aria-label": "the same everywhere" }, chips));
  const verdict = (name) => counts.verdicts[name] || 0;
  const tile = (number, name, kind = "") =>
    el("div", { class: `tile ${kind}` }, el("dd", {}, number), el("dt", {}, name));
  const unmeasurable = verdict("dead") + verdict("nonfinite");
  header.append(
    el("dl", { class: "tiles" }, [
      tile(whole(counts.configurations), "configurations"),
      tile(whole(counts.cells), "cells"),
      tile(whole(counts.seeds), counts.seeds === 1 ? "seed" : "seeds"),
      tile(whole(counts.healthy), "healthy"),
      counts.near_threshold ? tile(whole(counts.near_threshold), "\u25be\u25b4 fading or growing") : null,
      tile(whole(verdict("vanishing")), `\u2717 ${verdictName("vanishing")}`, "v"),
      tile(whole(verdict("exploding")), `\u25b2 ${verdictName("exploding")}`, "e"),
      unmeasurable ? tile(whole(unmeasurable), "zero or not finite") : null,
      counts.learned === null ? null : tile(whole(counts.learned), "\u2713 learned"),
      counts.diverged ? tile(whole(counts.diverged), "cells diverged", "warn") : null,
      counts.failed ? tile(whole(counts.failed), "cells failed", "warn") : null,
    ]),
  );
  if (runs.length === 1 && commandLine(runs[0])) header.append(commandLine(runs[0]));
  for (const warning of DATA.warnings) header.append(el("p", { class: "notice" }, `\u26a0 ${warning}`));
}
