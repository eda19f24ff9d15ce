"""Files of components: what they register, how cells depend on them, and what is wrong with a bad one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import gradlab as gl
from gradlab import grid, spec
from gradlab.cell import REGISTRIES, Cell, cell_id
from gradlab.cli import invoke
from gradlab.components import Param
from gradlab.errors import PluginError, SpecError
from gradlab.store.setting import decode, encode

BENT = """
import gradlab as gl

@gl.activation("bent")
def bent(x, slope: float = 0.1):
    \"\"\"x, or slope*x below 0.\"\"\"
    return x.clamp(min=0) + slope * x.clamp(max=0)
"""
KINK = """
import gradlab as gl
gl.init("kink", lambda z, gain=1.0: gain * z)
"""


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def cells(text: str) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(f"name: x\n{text}")).cells


def test_a_file_gives_names_to_specs(lab: Path) -> None:
    with pytest.raises(SpecError, match="unknown activation 'bent'"):
        spec.loads("name: x\nactivation: bent")
    gl.plugin(write("bent.py", BENT))
    component = REGISTRIES["activation"]["bent"]
    assert component.summary == "x, or slope*x below 0"
    assert component.params == {"slope": Param(0.1)}
    (cell,) = cells("activation: {bent: 0.2}")
    assert str(cell.activation) == "bent(slope=0.2)"
    with pytest.raises(SpecError, match="did you mean 'bent'"):
        spec.loads("name: x\nactivation: bend")
    with pytest.raises(SpecError, match="bent has no parameter 'slop'"):
        spec.loads("name: x\nactivation: {name: bent, slop: 1}")


def test_the_digest_of_the_file_is_in_the_ids_of_the_cells_that_use_it(lab: Path) -> None:
    before = {cell_id(cell) for cell in cells("grid: {activation: [relu, tanh]}")}
    digests = []
    for text in (BENT, BENT + "# changed\n"):
        path = write("bent.py", text)
        gl.plugin(path)
        bent, *others = cells("grid: {activation: [bent, relu, tanh]}")
        assert bent.plugin_digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert {cell_id(cell) for cell in others} == before
        assert decode(encode(bent)) == bent
        digests.append(cell_id(bent))
    assert len({*digests, *before}) == 4


def test_components_of_two_files_have_both_digests(lab: Path) -> None:
    files = [write("bent.py", BENT), write("kink.py", KINK)]
    for file in files:
        gl.plugin(file)
    (cell,) = cells("activation: bent\ninit: kink")
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert cell.plugin_digest == hashlib.sha256("\n".join(digests).encode()).hexdigest()


def test_a_file_runs_once_and_again_when_it_has_changed(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("bent.py", BENT + "import sys; sys.modules['gradlab'].runs += 1\n")
    monkeypatch.setattr(gl, "runs", 0, raising=False)
    gl.plugin(path)
    gl.plugin("bent.py")
    assert gl.runs == 1
    gl.plugin(write("bent.py", BENT.replace("bent", "bowed")))
    assert "bent" not in REGISTRIES["activation"]
    assert "bowed" in REGISTRIES["activation"]


BAD = {
    "def f(:\n    pass": "{file}:1: SyntaxError: invalid syntax\n  def f(:",
    "x = 1\n\nraise ValueError('no\\nlonger')": "{file}:3: ValueError: no\n  raise ValueError('no\\nlonger')",
    "import sys\nsys.exit()": "{file}:2: SystemExit\n  sys.exit()",
    "import nowhere_to_be_found": "{file}:1: ModuleNotFoundError: No module named 'nowhere_to_be_found'\n"
    "  import nowhere_to_be_found",
    f"{BENT}\n1/0": "{file}:9: ZeroDivisionError: division by zero\n  1/0",
    f"{BENT}\ngl.activation('bent', abs)": "{file}: the activation 'bent' is there already, of the same file\n"
    "  choose another name",
    "import gradlab as gl\ngl.activation('relu', abs)": "{file}: the activation 'relu' is there already, "
    "gradlab's own\n  choose another name",
    "import gradlab as gl\ngl.activation('swish', abs)": "{file}: the activation 'swish' is there already, "
    "gradlab's own, another name of silu\n  choose another name",
    "import gradlab as gl\ngl.init('a b', abs)": "{file}:2: 'a b' cannot be the name of a component\n"
    "  use letters, digits and _",
    "import gradlab as gl\ngl.init(abs)": "{file}:2: gl.init needs a name first\n"
    "  write gl.init(\"mine\", …), or @gl.init(\"mine\")",
    "import gradlab as gl\ngl.norm('three', 3)": "{file}:2: three must be a function or a class, found int",
    "import gradlab as gl\ngl.init('i', lambda z, name='x': z)": "{file}:2: a parameter of i is called name\n"
    "  in a spec, name is that of the component",
    "import gradlab as gl\n@gl.init('i')\ndef i(z, a): ...": "{file}:2: the argument 'a' of i has no default\n"
    "  give it a default, an annotation, or params={{'a': gl.Param(…)}}",
    "import gradlab as gl\ngl.init('i', lambda z: z, params={'a': gl.Param(1.0)})": "{file}:2: i has a parameter 'a', "
    "but its function has no such argument",
    "import gradlab as gl\ngl.task('t', print, inputs='tokens')": "{file}:2: the task 't' has inputs 'tokens'\n"
    "  a task of sequences has lengths, others have none",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_one_message_and_registers_nothing(text: str, lab: Path) -> None:
    names = {key: list(registry) for key, registry in REGISTRIES.items()}
    path = write("bad.py", text)
    with pytest.raises(PluginError) as caught:
        gl.plugin(path)
    assert str(caught.value) == BAD[text].format(file=path.resolve())
    assert {key: list(registry) for key, registry in REGISTRIES.items()} == names


def test_a_name_of_another_file_is_taken(lab: Path) -> None:
    gl.plugin(write("bent.py", BENT))
    with pytest.raises(PluginError, match=r"other\.py: the activation 'bent' is there already, of .*bent\.py"):
        gl.plugin(write("other.py", BENT + "\n"))
    with pytest.raises(PluginError, match=r"the activation 'bent' is there already, of .*bent\.py"):
        gl.activation("bent", abs)


def test_the_arguments_of_a_function_are_its_parameters(lab: Path) -> None:
    gl.plugin(
        write(
            "kinds.py",
            "from __future__ import annotations\n"
            "import gradlab as gl\n"
            "@gl.init('kinds', params={'gain': gl.Param(2.0, low=0, above=True)})\n"
            "def kinds(z, count=3, share: float = 1, text='a', flag=False, gain=1.0, other=None, *, b: str): ...\n",
        )
    )
    assert REGISTRIES["init"]["kinds"].params == {
        "count": Param(3, int),
        "share": Param(1.0),
        "text": Param("a", str),
        "flag": Param(False, bool),
        "gain": Param(2.0, low=0, above=True),
        "b": Param(kind=str, required=True),
    }


def test_every_command_takes_the_option(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gradlab.cli.app import COMMANDS

    for command in COMMANDS:
        assert invoke([command, "--help"]) == 0
        assert "--plugin FILE.py" in capsys.readouterr().out, command


def test_list_names_what_a_plugin_has_and_prints_nothing_else(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("bent.py", BENT + "print('here')\n")
    assert invoke(["list", "activations", "--json", "--plugin", "bent.py"]) == 0
    shown = json.loads(capsys.readouterr().out)["names"]
    assert {"name": "bent", "summary": "x, or slope*x below 0", "params": {"slope": 0.1}, "aliases": []} in shown


def test_a_bad_plugin_ends_a_command_with_2(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("bad.py", "1/0")
    assert invoke(["list", "--plugin", "bad.py"]) == 2
    assert capsys.readouterr().err == f"gradlab: {lab / 'bad.py'}:1: ZeroDivisionError: division by zero\n  1/0\n"
    assert invoke(["list", "--plugin", "none.py"]) == 2
    assert "the plugin none.py cannot be read: No such file or directory" in capsys.readouterr().err


def test_completion_knows_the_names_of_a_plugin(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bent.py", BENT)
    write("bad.py", "1/0")
    words = ["gradlab", "sweep", "--plugin", "bent.py", "--plugin", "bad.py", "--activation", "be"]
    monkeypatch.setenv("_GRADLAB_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        invoke([])
    assert capsys.readouterr().out.split() == ["bent"]


def test_theory_needs_the_twin_of_an_activation_and_knows_no_other_component(lab: Path) -> None:
    gl.plugin(write("bent.py", BENT))
    assert gl.theory(activation="bent").reason == "there is no prediction for activation bent: it has no numpy twin"
    gl.plugin(
        write(
            "bent.py",
            BENT.replace('"bent")', '"bent", twin=twin)').replace(
                "@gl",
                "import numpy as np\n"
                "def twin(slope):\n"
                "    return gl.NumpyActivation(lambda x: np.where(x > 0, x, slope * x), "
                "lambda x: np.where(x > 0, 1, slope), (0.0,))\n"
                "@gl",
            ),
        )
    )
    known = gl.theory(activation="leaky_relu", init="he_normal", depth=12)
    assert gl.theory(activation={"bent": 0.01}, init="he_normal", depth=12).log10_survival == known.log10_survival
    assert gl.theory(activation={"bent": 0.5}, init="he_normal", depth=12).log10_survival != known.log10_survival
    gl.plugin(write("kink.py", KINK))
    assert gl.theory(init="kink").reason == "mean-field theory does not know the variance of init kink"


def test_another_twin_of_the_same_name_is_another_prediction(lab: Path) -> None:
    decays = []
    for slope in (0.3, 0.9):
        numpy_activation = gl.NumpyActivation(lambda x, slope=slope: slope * x, lambda x, slope=slope: slope + 0 * x)
        gl.activation("straight", lambda x: x, twin=lambda made=numpy_activation: made)
        of = {"activation": "straight", "init": "he_normal"}
        decays.append([gl.theory(**of, depth=5).decay, gl.theory(**of, model="rnn", seq_len=8).decay])
    assert decays[0][0] != decays[1][0]
    assert decays[0][1] != decays[1][1]


TWINS = {
    "raises a TypeError": "def twin(slope):\n    raise TypeError('no such thing')\n",
    "raises a KeyError in its value": (
        "def twin(slope):\n    return gl.NumpyActivation(lambda x: {}['x'], lambda x: x, (0.0,))\n"
    ),
    "raises an exception of its own": (
        "class Mine(Exception):\n    pass\n\n"
        "def twin(slope):\n    def bad(x):\n        raise Mine\n    return gl.NumpyActivation(bad, bad)\n"
    ),
    "is no twin": "def twin(slope):\n    return 3\n",
    "has another shape": "def twin(slope):\n    return gl.NumpyActivation(lambda x: x[:1], lambda x: x)\n",
    "has kinks that are none": "def twin(slope):\n    return gl.NumpyActivation(lambda x: x, lambda x: x, ('a',))\n",
    "has no scale": "def twin(slope):\n    return gl.NumpyActivation(lambda x: x, lambda x: x, (), scale=0.0)\n",
    "takes other parameters": "def twin(steepness):\n    return None\n",
    "divides by zero": "def twin(slope):\n    return gl.NumpyActivation(lambda x: 1 / 0, lambda x: x)\n",
    "has a value of text": "def twin(slope):\n    return gl.NumpyActivation(lambda x: 'x', lambda x: x)\n",
}


@pytest.mark.parametrize("source", TWINS.values(), ids=TWINS)
def test_whatever_goes_wrong_in_a_twin_is_no_prediction(lab: Path, source: str) -> None:
    (lab / "twin.py").write_text(BENT.replace('"bent")', '"bent", twin=lambda slope: twin(slope=slope))') + source)
    try:
        gl.plugin(lab / "twin.py")
    except gl.PluginError:
        return
    prediction = gl.theory(activation="bent", depth=4)
    assert prediction.reason
    assert prediction.log10_survival is None or prediction.log10_survival != prediction.log10_survival
