// Where the numbers come from, and what the terms of the page mean.

/** Return any value of run.json as a short text. */
function plainText(value) {
  if (value === null || value === undefined) return "\u2013";
  if (Array.isArray(value)) return value.map(plainText).join(" ");
  if (typeof value === "object")
    return Object.entries(value)
      .map(([key, part]) => `${key} ${plainText(part)}`)
      .join(", ");
  return String(value);
}

function sessionTable(session) {
  const entries = { ...session };
  const took = duration(entries.started, entries.finished);
  const rows = [
    ["took", took || "it did not finish"],
    ...Object.entries(entries).map(([key, part]) => [key.replaceAll("_", " "), plainText(part)]),
  ];
  return el(
    "dl",
    { class: "sheet" },
    rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
  );
}

function provenanceSection() {
  const parts = DATA.runs.map((run, place) => [
    SEVERAL ? el("h3", {}, run.name) : null,
    el("p", {}, "Run directory: ", el("code", {}, run.directory), `, ${counted(run.cells, "cell")}.`),
    commandLine(run),
    ...run.sessions.map((session, index) =>
      index === run.sessions.length - 1
        ? sessionTable(session)
        : details(
            `session${place}.${index}`,
            `Earlier session of ${plainText(session.started)}`,
            sessionTable(session),
          ),
    ),
    run.sessions.length ? null : el("p", { class: "hint" }, "run.json is missing or is not as gradlab writes it."),
    run.spec ? details(`spec${place}`, "The spec, with everything resolved", el("pre", {}, run.spec)) : null,
  ]);
  return section("provenance", "Where the numbers come from", parts.flat());
}

function termsSection() {
  const rows = [
    ...DATA.terms,
    [
      "keys",
      "Tab goes from part to part; in the heat map, the table and charts the arrow keys move, Home and End jump. In map and table Enter chooses, P pins.",
    ],
  ];
  return section(
    "terms",
    "Terms",
    el(
      "dl",
      { class: "sheet" },
      rows.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
    ),
  );
}
