// Putting the page together.

function exploreSection() {
  if (!SIZE) return [conclusionsSection(), failuresSection()];
  const map = heatMap();
  const panel = profilePanel();
  const table = overview();
  const filter = filterBox(() => {
    map.update();
    table.update();
  });
  return [
    conclusionsSection(),
    expectationsSection(filter.showSelection),
    section(
      "map",
      "Survival by configuration",
      filter.element,
      el("div", { class: profileBelow() ? "explore flat" : "explore" }, map.element, panel),
    ),
    failuresSection(),
    section("overview", "All configurations", table.element),
  ];
}

function build() {
  fillHeader();
  const parts = [...exploreSection(), effectsSection(), tablesSection(), provenanceSection(), termsSection()]
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
  if (SIZE) select(initialSelection());
  // paper cannot be opened by a click
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.closest("#profile"));
    for (const part of opened) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
}

build();
