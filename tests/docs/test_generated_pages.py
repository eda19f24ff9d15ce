"""The pages that follow from the code have everything that there is."""

from __future__ import annotations

import json
import re

import pytest
from documented import text_of
from places import ROOT
from sitepages import components, flags, links, pages, reference, settings, terms

import gradlab as gl
from gradlab.api.experiments import experiments
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.cli.app import COMMANDS
from gradlab.cli.flags import setting_flag
from gradlab.terms import TERMS


def test_every_setting_has_its_section() -> None:
    page = settings.page()
    for key, setting in SETTINGS.items():
        name = "seeds" if key == "seed" else key
        section = page.partition(f"\n## `{name}` ")[2].partition("\n## ")[0]
        assert "| value |" in section, name
        assert "| default |" in section, name
        assert f"`{setting_flag(name)}`" in section, name
        if key != "seed":
            assert setting.help[1:].rstrip(".") in section, name


@pytest.mark.parametrize("key", REGISTRIES)
def test_every_component_has_its_row_and_its_parameters(key: str) -> None:
    page = components.page().partition(f"{{ #{components.anchor(key)} }}")[2].partition("\n## ")[0]
    rows = dict(re.findall(rf'^\| <span id="{components.anchor(key)}-([^"]+)"></span>(.*)$', page, re.MULTILINE))
    assert rows.keys() == REGISTRIES[key].keys()
    for name, component in REGISTRIES[key].items():
        for parameter, param in component.params.items():
            assert f"`{parameter}`: {param.expected()[:10]}" in rows[name], name


def test_the_bounds_are_those_of_the_parameter() -> None:
    page = components.page()
    assert "`kernel`: a whole number of at least 1 and at most 99; default `3`" in page
    assert "`negative_slope`: a number; default `0.01`" in page
    assert "`dropout`" in settings.page()
    assert "a number of at least 0 and below 1, or none (0)" in settings.page()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_section_and_its_flags(name: str) -> None:
    section = flags.page().partition(f"\n## gradlab {name}\n")[2].partition("\n## ")[0]
    command = flags.command_group().commands[name]
    assert section.startswith(f"\n`gradlab {name} [OPTIONS]")
    for param in command.params:
        if param.param_type_name == "option" and not (param.rich_help_panel or "").startswith("Settings"):
            assert all(flag in section for flag in param.opts), param.opts


def test_every_public_name_is_in_the_reference() -> None:
    page = reference.page()
    headings = set(re.findall(r"heading: gl\.(\S+)", page))
    assert headings == (set(gl.__all__) - {"__version__"}) | {f"{module}.Watch" for module in gl._CALLBACKS}
    assert "## Others" not in page, "a module of public names has no heading: sitepages/reference.py"


def test_every_term_has_its_section_and_what_it_is() -> None:
    page = pages.generated()["terms.md"]
    for term in TERMS:
        section = page.partition(f"\n## {term.name} {{ #{terms.anchor(term.name)} }}\n")[2].partition("\n## ")[0]
        assert section.strip()[1:].startswith(term.text[1:]), term.name
        assert term.formula.replace("|", "\\|") in section, term.name
        assert all(name in section for name in (*term.aliases, *term.related)), term.name
    assert len({terms.anchor(term.name) for term in TERMS}) == len(TERMS)


def test_every_experiment_has_its_page() -> None:
    generated = pages.generated()
    for path in experiments().values():
        assert path.read_text(encoding="utf-8").rstrip() in generated[links.LISTED[path.relative_to(ROOT).as_posix()]]


@pytest.mark.parametrize("path", links.NOTEBOOKS)
def test_a_notebook_is_a_page_with_all_of_its_cells(path: str) -> None:
    text = pages.generated()[links.NOTEBOOKS[path]]
    for cell in json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        assert source in text or source.partition("\n")[2] in text
    assert text.count("data:image/png;base64,") == (ROOT / path).read_text().count('"image/png"') > 0


@pytest.mark.parametrize(
    ("uri", "written", "shown"),
    [
        ("index.md", "[a](docs/start.md#install)", "[a](start.md#install)"),
        ("index.md", "[a](experiments/papers/README.md)", "[a](papers.md)"),
        ("specs.md", "[a](../experiments/sigmoid_vs_relu.yaml)", "[a](files/sigmoid_vs_relu.md)"),
        ("papers.md", "[a](#he_2015) [b](../README.md)", "[a](#he_2015) [b](experiments.md)"),
        ("python.md", "[a](own_models.md) [b](notebook.ipynb)", "[a](own_models.md) [b](notebook.md)"),
        ("start.md", "[a](https://example.org/docs/start.md)", "[a](https://example.org/docs/start.md)"),
    ],
)
def test_links_between_files_become_links_between_pages(uri: str, written: str, shown: str) -> None:
    assert links.rewritten(written, uri) == shown


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 150
