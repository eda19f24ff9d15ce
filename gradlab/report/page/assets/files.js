// Saving tables from the page: the CSV files of the run as they are, and what the page itself shows.

/** Return rows as CSV; a text that a spreadsheet would run as a formula gets an apostrophe in front. */
function csv(rows) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const field = (one) => {
    if (one === null || one === undefined) return "";
    if (
      typeof one === "number" ||
      one === "inf" ||
      one === "-inf" ||
      (typeof one === "string" && one !== "" && !Number.isNaN(Number(one)))
    )
      return String(one);
    return quoted(/^[=+\-@\t\r]/.test(one) ? `'${one}` : String(one));
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
    DATA.along.name,
    "step",
    DATA.along.unit,
    "log10_grad_norm",
    "log10_of_last",
    "low",
    "high",
    "theory",
  ];
  const rows = Object.entries(DATA.profiles).flatMap(([row, profile]) => {
    const names = [
      ...(SEVERAL ? [DATA.runs[raw(row, "run")].name] : []),
      ...DATA.keys.map((key) => raw(row, key)),
      raw(row, "along"),
    ];
    return profile.by_step.flatMap((values, index) =>
      values.map((one, k) => [
        ...names,
        profile.steps[index],
        profile.at ? profile.at[k] : k + 1,
        one,
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

const MEANINGS = {
  "summary.csv": "one row per configuration",
  "cells.csv": "one row per cell, that is configuration and seed",
  "steps.csv": "one row per cell and probed step",
  "layers.csv": `one row per cell, probed step and ${DATA.along.unit}`,
};

function filesSection() {
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
              MEANINGS[file.name],
              bytes(file.bytes),
              ...(file.rows === null ? [] : [counted(file.rows, "row")]),
              ...(file.id ? [] : [`too large for this page: ${run.directory}/${file.name}`]),
            ].join(", "),
          ),
        ),
      ),
    );
  const own = el(
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
  const parts = DATA.runs.map((run) => (SEVERAL ? details(run.name, list(run)) : list(run)));
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
  return section("tables", "Tables", parts, own, left);
}
