// The address of the page: its fragment holds the state, as in #map&filter=depth%3E%3D16&at=3fa81c, so that a link
// opens what its writer saw, and the browser's back and forward work.

/** How each value of the state stands in the fragment: `write` returns a text, empty where there is nothing to say. */
const LINKED = [
  { name: "filter", key: "filter", write: (text) => text.trim(), read: (text) => text },
  {
    name: "chosen",
    key: "at",
    write: (row) => (row < 0 || row === firstChoice() ? "" : idOf(row)),
    read: (text) => (text ? rowOfId(text) : firstChoice()),
  },
  {
    name: "pinned",
    key: "pin",
    write: (rows) => rows.map(idOf).join(","),
    read: (text) => (text ? text.split(",").map(rowOfId) : []),
  },
  {
    name: "step",
    key: "step",
    write: (step) => (step ? String(step) : ""),
    read: (text) => (STEPS.includes(Number(text)) ? Number(text) : 0),
  },
  {
    name: "quantity",
    key: "of",
    write: (key) => (key === QUANTITIES[0].key ? "" : key),
    read: (text) => (QUANTITIES.some(({ key }) => key === text) ? text : QUANTITIES[0].key),
  },
  {
    name: "measure",
    key: "show",
    write: (key) => (key === MEASURES[0].key ? "" : key),
    read: (text) => (MEASURES.some(({ key }) => key === text) ? text : MEASURES[0].key),
  },
  {
    name: "sort",
    key: "sort",
    write: (text) => text,
    read: (text) => (OVERVIEW.some(({ key }) => key === text.replace(/^-/, "")) ? text : ""),
  },
  { name: "open", key: "open", write: (ids) => ids.join(","), read: (text) => (text ? text.split(",").sort() : []) },
];

/** Return the row of the configuration with an identity, -1 where the page has none. */
const rowOfId = (text) => IDS.get(text) ?? -1;

/** Return the fragment of the state, without its #. */
function fragmentOf() {
  const parts = new URLSearchParams();
  for (const { name, key, write } of LINKED) if (SIZE && write(state[name])) parts.set(key, write(state[name]));
  return [state.part, String(parts)].filter((text) => text).join("&");
}

/** Bring the address up to date, with a new entry of the history ("push") or without ("replace"). */
function writeLink(history) {
  const fragment = fragmentOf();
  if (fragment === location.hash.slice(1)) return;
  window.history[`${history}State`](null, "", `#${fragment}`);
}

/** Take over the state that the address holds. */
function readLink() {
  const [first, ...others] = location.hash.slice(1).split("&");
  const part = first.includes("=") ? "" : first;
  const values = new URLSearchParams((part ? others : [first, ...others]).join("&"));
  const changes = { part, preview: -1 };
  for (const { name, key, read } of SIZE ? LINKED : []) changes[name] = read(values.get(key) || "");
  const missing = changes.chosen < 0 || (changes.pinned || []).includes(-1);
  if (changes.chosen < 0) changes.chosen = firstChoice();
  if (changes.pinned) changes.pinned = [...new Set(changes.pinned)].filter((row) => row >= 0).slice(-MOST_PINNED);
  setState(changes, "");
  document.getElementById("link-message").textContent = missing
    ? "The link names a configuration that is not on this page."
    : "";
  const target = part && document.getElementById(part);
  if (target) target.scrollIntoView();
}

/** Return the list of links to the sections, with a button that copies the address. */
function navigation(sections) {
  const go = (event, target) => {
    event.preventDefault();
    setState({ part: target.id });
    scrollToPart(target);
    target.querySelector("h2").focus({ preventScroll: true });
  };
  const links = sections.map((target) => {
    const heading = target.querySelector("h2");
    heading.setAttribute("tabindex", "-1");
    return el("li", {}, el("a", { href: `#${target.id}`, click: (event) => go(event, target) }, heading.textContent));
  });
  return el(
    "nav",
    { class: "noprint", "aria-label": "parts of this page" },
    el(
      "ul",
      {},
      links,
      el(
        "li",
        {},
        copyButton("Copy link to this view", () => location.href),
      ),
    ),
    el("p", { id: "link-message", class: "hint wrong", role: "status" }),
  );
}

/** Follow the links of the page, the history and the parts that are opened. */
function followLinks() {
  window.addEventListener("popstate", readLink);
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    const id = summary && summary.parentElement.dataset.part;
    if (!id) return;
    event.preventDefault();
    const rest = state.open.filter((other) => other !== id);
    setState({ open: summary.parentElement.open ? rest : [...rest, id].sort() });
  });
  subscribe(["open"], () => {
    for (const part of document.querySelectorAll("details[data-part]"))
      part.open = state.open.includes(part.dataset.part);
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content").focus();
  });
  readLink();
}
