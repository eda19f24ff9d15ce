"""The JSON Schema of a spec, against every experiment and every bad spec that there is."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from test_parameter_axes import SAME
from test_spec_bad import BAD
from test_spec_fuzz import SPECS as SPECS_TO_MUTATE

from gradlab import grid, spec
from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.cli import invoke
from gradlab.components import Param
from gradlab.errors import SpecError
from gradlab.report.json_values import json_value
from gradlab.spec.json_schema import json_schema
from gradlab.spec.node import MappingNode, Node, Problems, ScalarNode, SequenceNode
from gradlab.spec.reader import compose

jsonschema = pytest.importorskip("jsonschema")


def plain(node: Node) -> Any:
    """Return a document as an editor sees it: YAML 1.2 as JSON."""
    if isinstance(node, MappingNode):
        return {entry.key: plain(entry.value) for entry in node.entries}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    assert isinstance(node, ScalarNode)
    return node.text if node.text.lower() in ("none",) and not node.quoted else node.value


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


SPECS = sorted([*(ROOT / "experiments").rglob("*.yaml"), *(ROOT / "tests" / "golden" / "specs").glob("*.yaml")])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_an_experiment_fits(path: Path, validator: Any) -> None:
    document = plain(compose(path.read_text(encoding="utf-8"), path.name, Problems()))
    assert [error.message[:300] for error in validator.iter_errors(document)] == []


GOOD = {
    **{f"mutated {i}": text for i, text in enumerate(SPECS_TO_MUTATE)},
    **{name: f"name: x\n{dotted}" for name, (dotted, _) in SAME.items()},
    **{f"{name}, whole": f"name: x\n{whole}" for name, (_, whole) in SAME.items()},
    "off": "name: x\nnorm: off\nclip: false\nresidual: no\ndropout: no\nl2: ~\ntrain.lr_schedule: none",
    "names of other tools": "name: x\noptimizer: {_target_: sgd, lr: 0.1, momentum: 0.9}\nnorm: bn",
    "several": "name: x\nseeds: 0 1 2\ngrid: {depth: 2 4 8, width: 'range(2, 5)', lr: [1e-3..1e-1*10]}",
    "scaled": "name: x\ntask: {teacher: 6}\ninputs: {scale: 255, shift: -3}\ngrid: {targets.scale: [1, 9]}",
    "scaled inside": "name: x\ntask: {name: teacher, inputs: {scale: 255}, targets.scale: 9}",
    "scaled inside, short": "name: x\ntask: {teacher: {inputs: {shift: 2.5}, hidden: 3}}",
    "ratings": "name: x\ntask: {name: ratings, standardize: target, separator: '::', header: false, missing: '? NA'}",
    "ratings again": "name: x\ntask: {name: ratings, standardize: false, missing: '', decimal: ',', encoding: utf8}",
    "nothing": "name: x\ngrid:\nexpect:\nlr: none",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_spec_can_be_fits(name: str, validator: Any) -> None:
    problems = Problems()
    spec.loads(GOOD[name])
    document = plain(compose(GOOD[name], name, problems))
    assert [error.message[:300] for error in validator.iter_errors(document)] == []


EXPRESSIBLE = re.compile(
    r"unknown key|unknown (model|task|activation|init|norm|residual|optimizer|clip|precision|train.lr_schedule) "
    r"|must be (a (whole )?number|true or false|a name|a mapping|text)|has no (parameter|value)|the name is missing"
    r"|cannot stand|must be one value here, found a list|(cannot|can not) be (none|off|the name of a directory)"
)
"""What a message says where the schema can tell it too: keys, names, kinds and bounds of a value."""


@pytest.mark.parametrize("title", BAD)
def test_a_bad_spec_does_not_fit_where_that_can_be_told(title: str, validator: Any) -> None:
    text, _ = BAD[title]
    problems = Problems()
    try:
        document = plain(compose(text, title, problems))
        problems.check()
    except SpecError:  # no YAML, or a key twice: an editor says so by itself
        return
    with pytest.raises(SpecError) as caught:
        grid.expand(spec.loads(text))
    first = caught.value.problems[0]
    inside_a_text = title.startswith("expect") or ".." in first.text
    assert not (validator.is_valid(document) and EXPRESSIBLE.search(first.message)) or inside_a_text


def test_most_of_them_do_not(validator: Any) -> None:
    """What is left are conflicts between two settings, values twice, and statements that cannot be read."""
    documents = []
    for title, (text, _) in BAD.items():
        with contextlib.suppress(SpecError):
            documents.append(plain(compose(text, title, Problems())))
    assert sum(not validator.is_valid(document) for document in documents) > 70


def test_every_setting_and_name_is_in_it(validator: Any) -> None:
    properties = validator.schema["properties"]
    for key in SETTINGS:
        if key != "seed":
            assert properties[key]["description"] == SETTINGS[key].help
    for key, registry in REGISTRIES.items():
        for name, component in registry.items():
            required = {parameter: _value(param) for parameter, param in component.params.items() if param.required}
            for document in ({key: name}, {key: {"name": name, **required}}):
                assert validator.is_valid({"name": "x", **document}), document
            assert not validator.is_valid({"name": "x", key: {"name": name, "no_such_parameter": 1}})


def _value(param: Param) -> object:
    return param.choices[0] if param.choices else "x" if param.kind is str else True if param.kind is bool else 1


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_value(json_schema())


def test_components_of_the_user_are_in_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import gradlab as gl\n@gl.activation('schema_bent', params={'slope': gl.Param(0.1)})\n"
                    "def schema_bent(x, slope=0.1):\n    return x * slope\n")  # fmt: skip
    code = (
        "import json, sys\nfrom gradlab.cli import invoke\n"
        f"code = invoke(['schema', '--plugin', {str(file)!r}])\nsys.exit(code)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    validator = jsonschema.Draft202012Validator(json.loads(process.stdout))
    assert validator.is_valid({"name": "x", "grid": {"activation": [{"schema_bent": 0.3}], "activation.slope": [1, 2]}})
