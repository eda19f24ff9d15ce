// Putting the page together.

function exploreSection() {
  if (!SIZE) return [wordsSection(), failuresSection()];
  const map = heatMap();
  const panel = profilePanel();
  const table = overview();
  const box = filterBox(() => {
    map.update();
    table.update();
  });
  return [
    section(
      "map",
      "Gradient left, by configuration",
      box,
      el("div", { class: isFlat() ? "explore flat" : "explore" }, map.element, panel),
    ),
    wordsSection(),
    expectedSection(),
    failuresSection(),
    section("overview", "All configurations", table.element),
  ];
}

function build() {
  fillHeader();
  const parts = [...exploreSection(), effectsSection(), filesSection(), provenanceSection(), readingSection()]
    .flat()
    .filter((part) => part);
  const links = parts.map((part) =>
    el("li", {}, el("a", { href: `#${part.id}` }, part.querySelector("h2").textContent)),
  );
  document
    .getElementById("header")
    .append(el("nav", { class: "noprint", "aria-label": "parts of this page" }, el("ul", {}, links)));
  document.getElementById("content").append(...parts);
  document
    .getElementById("footer")
    .append(`Made by gradlab ${DATA.version}. This file needs no network; everything it shows is in it.`);
  if (SIZE) select(firstChoice());
  // paper cannot be opened by a click
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((one) => !one.closest("#profile"));
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
}

build();
