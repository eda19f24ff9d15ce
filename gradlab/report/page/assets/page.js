// Putting the page together.

const paper = [];

/** Call `before` when the page is about to be printed, and `after` when it has been. */
function onPaper(before, after) {
  paper.push({ before, after });
}

function exploreSection() {
  if (!SIZE) return [conclusionsSection(), failuresSection()];
  const panel = profilePanel();
  const filter = filterBox();
  const map = heatMap();
  const table = overview();
  return [
    conclusionsSection(),
    expectationsSection(filter.showSelection),
    section(
      "map",
      "Survival by configuration",
      filter.element,
      el("div", { class: profileBelow() ? "explore flat" : "explore" }, map, panel),
    ),
    failuresSection(),
    section("overview", "All configurations", table),
  ];
}

/** Open everything that paper cannot open by a click, and close it again. */
function openForPaper() {
  let opened = [];
  onPaper(
    () => {
      opened = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.closest("#profile"));
      for (const part of opened) part.open = true;
    },
    () => {
      for (const part of opened) part.open = false;
    },
  );
  window.addEventListener("beforeprint", () => paper.forEach(({ before }) => before()));
  window.addEventListener("afterprint", () => paper.forEach(({ after }) => after()));
}

function build() {
  fillHeader();
  const parts = [...exploreSection(), effectsSection(), tablesSection(), provenanceSection(), termsSection()]
    .flat()
    .filter((part) => part);
  document.getElementById("header").append(navigation(parts));
  document.getElementById("content").append(...parts);
  document
    .getElementById("footer")
    .append(`Made by gradlab ${DATA.version}. This file needs no network; everything it shows is in it.`);
  openForPaper();
  document.addEventListener("keydown", pinByKey);
  followLinks();
}

build();
