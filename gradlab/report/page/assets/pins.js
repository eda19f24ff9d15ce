// Pinned configurations: their profiles and curves are drawn beside those of whatever is chosen.

const MOST_PINNED = 6;
const PIN_TAGS = [..."\u2460\u2461\u2462\u2463\u2464\u2465"];

const pinName = (row, index) => `${PIN_TAGS[index]} ${fullName(row)}`;

/** Pin a configuration, or let it go; a seventh takes the place of the first. */
function togglePin(row) {
  const others = state.pinned.filter((other) => other !== row);
  const pinned = others.length < state.pinned.length ? others : [...others, row].slice(-MOST_PINNED);
  setState({ pinned });
  announce(`${fullName(row)} is ${pinned.includes(row) ? "pinned" : "no longer pinned"}`);
}

function pinButton(row) {
  const button = el("button", { type: "button", class: "small noprint", click: () => togglePin(row) });
  const show = () => {
    const pinned = state.pinned.includes(row);
    button.textContent = pinned ? "Unpin" : "Pin to compare";
    button.setAttribute("aria-pressed", String(pinned));
  };
  show();
  button.update = show;
  return button;
}

/** Return the list of what is pinned, from which each can be chosen or let go. */
function pinnedList() {
  const list = el("ul", { class: "pins", "aria-label": "pinned configurations" });
  const show = () => {
    list.hidden = !state.pinned.length;
    list.replaceChildren(
      ...state.pinned.map((row, index) =>
        el(
          "li",
          {},
          svg(
            "svg",
            { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" },
            legendSample({ kind: `pin${index + 1}` }),
          ),
          el("button", { type: "button", class: "link", click: () => choose(row) }, pinName(row, index)),
          el(
            "button",
            {
              type: "button",
              class: "link remove noprint",
              "aria-label": `Unpin ${fullName(row)}`,
              click: () => togglePin(row),
            },
            "\u00d7",
          ),
        ),
      ),
    );
  };
  subscribe(["pinned"], () => {
    show();
    markPins();
    document.querySelectorAll("#profile .figure-head button[aria-pressed]").forEach((button) => button.update());
  });
  show();
  return list;
}

/** Show in the heat map and in the overview which configurations are pinned. */
function markPins() {
  for (const element of document.querySelectorAll("[data-pin]")) element.removeAttribute("data-pin");
  for (const element of document.querySelectorAll(".map td[data-row], .overview th[data-row]")) markPin(element);
}

function markPin(element) {
  const index = state.pinned.indexOf(Number(element.dataset.row));
  if (index >= 0) element.dataset.pin = PIN_TAGS[index];
  return element;
}

/** Let the key P pin what has the focus in the heat map or in the overview. */
function pinByKey(event) {
  const place = event.target.closest(".map td[data-row], .overview tr[data-row]");
  if (!place || event.key.toLowerCase() !== "p" || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  togglePin(Number(place.dataset.row));
}
