// The filter above map and table: words, and comparisons such as depth>=16 or norm=none, all of which must hold.

const OPERATORS = {
  "=": (a, b) => a === b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** Return a test of a row for the text, or the message that says what is wrong with it. */
function parseFilter(text) {
  const tests = [];
  for (const word of text
    .trim()
    .split(/\s+/)
    .filter((one) => one)) {
    const found = /^([A-Za-z_][\w.]*)(<=|>=|==|!=|=|<|>)(.*)$/.exec(word);
    if (!found) {
      const part = word.toLowerCase();
      tests.push((row) => everything(row).includes(part));
      continue;
    }
    const [, name, sign, right] = found;
    const key = columnOf(name);
    if (key === null) return { error: `there is no column \u201c${name}\u201d; there are ${filterNames().join(", ")}` };
    if (right === "") return { error: `${name}${sign} what? as in depth>=16 or norm=none` };
    const wanted = num(right);
    const order = sign !== "=" && sign !== "==" && sign !== "!=";
    if (order && Number.isNaN(wanted)) return { error: `${word}: ${right} is not a number` };
    tests.push((row) => {
      const here = key === "run" ? DATA.runs[raw(row, "run")].name : raw(row, key);
      const numbers = !Number.isNaN(wanted) && !Number.isNaN(num(here));
      if (here === null || (order && !numbers)) return false;
      return numbers
        ? OPERATORS[sign](num(here), wanted)
        : OPERATORS[sign](String(here).toLowerCase(), right.toLowerCase());
    });
  }
  return { test: (row) => tests.every((test) => test(row)) };
}

const filterNames = () =>
  [
    ...new Set([
      ...DATA.keys,
      ...DATA.along.name.split(" or "),
      "verdict",
      "survival",
      ...OVERVIEW.map((column) => column.key),
    ]),
  ].filter((name) => name !== "along");

function columnOf(name) {
  if (DATA.along.name.split(" or ").includes(name) && !DATA.keys.includes(name)) return "along";
  return COLUMNS[name] !== undefined ? name : null;
}

function everything(row) {
  return `${runOf(row).name} ${nameOf(row)} ${DATA.keys.map((key) => raw(row, key)).join(" ")} ${lengthOf(row)} ${raw(row, "verdict")} ${WORDS[raw(row, "verdict")]}`.toLowerCase();
}

/** Return the field for the filter; `changed` is called when other rows fit. */
function filterBox(changed) {
  const message = el("p", { id: "filter-message", class: "hint", role: "status" });
  const example = DATA.counts.verdicts.vanishing ? "vanished" : "healthy";
  const apply = () => {
    const found = parseFilter(box.value);
    box.setAttribute("aria-invalid", found.error ? "true" : "false");
    message.classList.toggle("wrong", Boolean(found.error));
    if (found.error) {
      message.textContent = found.error;
      return;
    }
    state.rows = [...Array(SIZE).keys()].filter(found.test);
    message.textContent = box.value.trim()
      ? `${whole(state.rows.length)} of ${counted(SIZE, "configuration")}`
      : counted(SIZE, "configuration");
    changed();
  };
  const box = el("input", {
    id: "filter",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "filter-message",
    placeholder: `e.g. ${example} ${DATA.along.name.split(" or ")[0]}>=16`,
    input: apply,
  });
  message.textContent = counted(SIZE, "configuration");
  return el("div", { class: "filter noprint" }, el("label", { for: "filter" }, "Filter"), box, message);
}
