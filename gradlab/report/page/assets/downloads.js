// Saving tables from the page: the CSV files of the run as they are, and what the page itself shows.

/** Return rows as CSV; a text that a spreadsheet would run as a formula gets an apostrophe in front. */
function csv(rows) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const field = (value) => {
    if (value === null || value === undefined) return "";
    if (
      typeof value === "number" ||
      value === "inf" ||
      value === "-inf" ||
      (typeof value === "string" && value !== "" && !Number.isNaN(Number(value)))
    )
      return String(value);
    return quoted(/^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value));
  };
  return `${rows.map((row) => row.map(field).join(",")).join("\n")}\n`;
}

const saveText = (name, text) => save(name, new Blob([text], { type: "text/csv" }));

function save(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  announce(`${name} is saved`);
}

/** Save a table of a run, byte for byte; where the browser cannot unpack gzip, packed. */
async function saveFile(id, name) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
  if (typeof DecompressionStream === "undefined") {
    save(`${name}.gz`, new Blob([packed], { type: "application/gzip" }));
    return;
  }
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  save(name, new Blob([await new Response(stream).arrayBuffer()], { type: "text/csv" }));
}

/** Return the profiles in the page as rows: one for each configuration, probed step and block. */
function profilesCsv() {
  const heads = [
    ...(SEVERAL ? ["run"] : []),
    ...DATA.keys,
    LENGTH,
    "step",
    UNIT,
    "log10_grad_norm",
    "log10_of_last",
    "low",
    "high",
    "theory",
  ];
  const rows = Object.entries(DATA.profiles).flatMap(([row, profile]) => {
    const names = [
      ...(SEVERAL ? [runOf(row).name] : []),
      ...DATA.keys.map((key) => valueAt(row, key)),
      valueAt(row, "length"),
    ];
    return profile.by_step.flatMap((values, index) =>
      values.map((log10, k) => [
        ...names,
        profile.steps[index],
        profile.at ? profile.at[k] : k + 1,
        log10,
        ...(profile.steps[index] === 0
          ? [
              profile.mean[k],
              profile.low && profile.low[k],
              profile.high && profile.high[k],
              profile.theory && profile.theory[k],
            ]
          : [null, null, null, null]),
      ]),
    );
  });
  return csv([heads, ...rows]);
}

function tablesSection() {
  const prefix = (run) => (SEVERAL ? `${run.name}-` : "");
  const list = (run) =>
    el(
      "ul",
      { class: "files" },
      run.files.map((file) =>
        el(
          "li",
          {},
          file.id
            ? el(
                "button",
                {
                  type: "button",
                  class: "noprint",
                  "data-file": file.id,
                  click: () => saveFile(file.id, prefix(run) + file.name),
                },
                `Save ${file.name}`,
              )
            : el("b", { class: "noprint" }, file.name),
          " ",
          el("b", { class: "printonly" }, `${file.name} `),
          el(
            "span",
            { class: "hint" },
            [
              file.rows_are,
              bytes(file.bytes),
              ...(file.rows === null ? [] : [counted(file.rows, "row")]),
              ...(file.id ? [] : [`too large for this page: ${run.directory}/${file.name}`]),
            ].join(", "),
          ),
        ),
      ),
    );
  const table = el(
    "p",
    { class: "noprint" },
    el(
      "button",
      { type: "button", click: () => saveText("profiles.csv", profilesCsv()) },
      "Save the profiles in this page",
    ),
    " ",
    el("span", { class: "hint" }, "means over the seeds, as drawn"),
  );
  const parts = DATA.runs.map((run, index) => (SEVERAL ? details(`files${index}`, run.name, list(run)) : list(run)));
  const left = DATA.left_out.length
    ? [
        el("h3", {}, "Left out of this file"),
        el(
          "ul",
          {},
          DATA.left_out.map((note) => el("li", {}, note)),
        ),
      ]
    : [];
  return section("tables", "Tables", parts, table, left);
}
