"""All pages that are not written by hand, and those that stand outside of docs/."""

from __future__ import annotations

import re

from gradlab.api.experiments import experiments
from sitepages import components, flags, notebooks, reference, settings, terms
from sitepages.links import LISTED, NOTEBOOKS, PAGES, ROOT
from sitepages.markdown import fenced

__all__ = ["GENERATED", "generated"]

GENERATED = {
    "settings.md": settings.page,
    "components.md": components.page,
    "all_flags.md": flags.page,
    "reference.md": reference.page,
}
"""Pages that are made of the code alone."""

_LANGUAGES = {".yaml": "yaml", ".py": "python", ".cff": "yaml"}
_RUN = re.compile(r"^`(gradlab run (experiments/(?:papers/)?\w+\.yaml))`", re.MULTILINE)


def generated() -> dict[str, str]:
    """Return the text of each page by its name in the site."""
    texts = {uri: page() for uri, page in GENERATED.items()}
    texts |= {uri: _text(path) for path, uri in PAGES.items()}
    texts["index.md"] = f"---\nhide: [navigation]\n---\n{texts['index.md']}"
    for uri in ("experiments.md", "papers.md"):
        texts[uri] = _RUN.sub(lambda match: f"[`{match[1]}`]({LISTED[match[2]]})", texts[uri])
    texts["terms.md"] = terms.page()
    for path, uri in NOTEBOOKS.items():
        texts[uri] = notebooks.page(ROOT / path)
        texts[f"files/{(ROOT / path).name}"] = _text(path)
    return texts | {uri: _listing(path) for path, uri in LISTED.items()}


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _listing(path: str) -> str:
    place = ROOT / path
    text = f"# {path}\n\n"
    if place in experiments().values():
        page = "papers" if place.parent.name == "papers" else "experiments"
        text += (
            f"`gradlab run @{place.stem}` runs it, `gradlab init mine --from {place.stem}` copies it; "
            f"[what came out](../{page}.md#{place.stem}).\n\n"
        )
    return text + fenced(_text(path), _LANGUAGES[place.suffix])
