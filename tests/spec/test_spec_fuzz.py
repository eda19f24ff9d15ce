"""Whatever is done to a spec, the answer is a SpecError that says where, or a grid."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ROOT

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.errors import SpecError, printable

SPECS = (
    """\
name: sigmoid_vs_relu
description: Does the gradient survive?
task: {name: teacher, inputs: 8}
optimizer: {name: sgd, lr: 0.1}
clip: {norm: 1.0}
train: {steps: 300, batch_size: 64}
probe: {at: [0, 10, 20..60:20], batch_size: 256}
seeds: 2
grid:
  depth: 2..16*2
  activation: [sigmoid, relu, {leaky_relu: 0.2}, "elu(alpha=0.5)"]
exclude:
  - {activation: sigmoid, depth: [8, 16]}
""",
    """\
name: b
seeds: [1, 3..5]
train.warmup: 5
thresholds:
  vanish: 1e-4
zip:
  depth: [2, 4]
  width: [64, 32]
include:
  - depth: 6
    optimizer: {name: adam, lr: 1e-3, beta1: 0.8}
""",
    """\
name: c
width: &w 32
grid: {l2: [none, 1e-4], train.batch_size: [*w, 8]}
grids:
- activation: tanh
  init: {xavier_normal: 1.5}
  grid: {optimizer: [sgd, {name: adam, lr: .01}]}
- {activation: relu, residual: pre_norm, norm: layer, residual_scale: 1/sqrt(depth)}
""",
)

WORDS = (
    "none", "null", "~", "true", "-1", "0", "1e400", ".nan", "1_000", "2..4", "4..2", "1..", "0..1:0", "1..9*1", "[]",
    "{}", "[1, [2]]", "{name: relu}", "{a: b}", "*w", "&a [*a]", "!!python/name:os.system", "'", '"', "\t", "\x00", "|",
    "- x", "? y", "<<: *w", "---", "%", "seeds", "seed", "grid", "zip", "name", "train", "lr", "0x1F", "depth", "é",
    "relu(", "relu()", "elu(alpha=2)", "elu(alpha=x)", "sgd", "lr: 0.1", "1..1e9", "\u2028", "9" * 5000, "[" * 60,
    '"\\ud800"',
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SPECS))
    for _ in range(draw(st.integers(1, 4))):
        tokens = re.findall(r"[\w.*/-]+|\s+|[^\w\s]", text)
        lines = text.splitlines(keepends=True)
        at = draw(st.integers(0, max(0, len(tokens) - 1)))
        line = draw(st.integers(0, max(0, len(lines) - 1)))
        other = draw(st.integers(0, max(0, len(tokens) - 1)))
        match draw(
            st.sampled_from(["delete", "double", "swap", "replace", "character", "line", "line twice", "lines"])
        ):
            case "delete":
                del tokens[at : at + 1]
                text = "".join(tokens)
            case "double":
                text = "".join(tokens[: at + 1] + tokens[at:])
            case "swap" if tokens:
                tokens[at], tokens[other] = tokens[other], tokens[at]
                text = "".join(tokens)
            case "replace":
                text = "".join([*tokens[:at], draw(st.sampled_from(WORDS)), *tokens[at + 1 :]])
            case "character":
                cut = draw(st.integers(0, len(text)))
                text = text[:cut] + draw(st.characters()) + text[cut + draw(st.integers(0, 1)) :]
            case "line":
                del lines[line : line + 1]
                text = "".join(lines)
            case "line twice":
                text = "".join(lines[: line + 1] + lines[line:])
            case "lines":
                text = "".join([*lines[line:], *lines[:line]])
    return text


def check(text: str, overrides: tuple[str, ...] = ()) -> None:
    try:
        checked = spec.loads(text, overrides=overrides)
        expansion = grid.expand(checked, limit=2000)
    except SpecError as error:
        refused: SpecError | None = error
    else:
        refused = None
    if refused is not None:
        assert refused.problems
        assert all(problem.message and problem.source for problem in refused.problems)
        assert all(printable(line) == line for line in str(refused).split("\n"))
        return
    assert expansion.cells
    assert len(set(map(cell_id, expansion.cells))) == len(expansion.cells)
    again = grid.expand(spec.loads(spec.dump(checked)), limit=2000)
    assert (again.cells, again.axes) == (expansion.cells, expansion.axes)


@given(mutated())
@settings(max_examples=300, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_spec_is_an_error_or_a_grid(text: str) -> None:
    check(text)


@given(
    st.sampled_from(SPECS),
    st.sampled_from(["depth", "lr", "optimizer", "train", "train.steps", "seeds", "name", "activation.elu", "clip.norm",
                     "optimizer.lr", "task.inputs", "grid", "probe.at", "width", "x", "", "optimizer.momentum"]),
    st.sampled_from([*WORDS, "8", "2,4", "sgd,adam", "{name: sgd, lr: 1}", "0.1", "{steps: 5}", ",", "(", "}", "[1,"]),
)  # fmt: skip
@settings(max_examples=300, deadline=1000)
def test_an_override_is_an_error_or_a_grid(text: str, key: str, value: str) -> None:
    check(text, (f"{key}={value}",))


BYTES = tuple(text.encode() for text in SPECS) + tuple(
    path.read_bytes() for path in sorted((ROOT / "experiments").glob("*.yaml"))
)
PIECES = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\t", b"\r", b"\r\n", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1b[2J",
    b"\x80", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc2\xa0", b"&a ", b"*a", b"<<: ", b"!!python/object/apply:os.system ",
    b"!x ",
    b"? ", b"- ", b": ", b"[" * 30, b"{a: " * 30, b"'", b'"', b'"\\ud800"', b"|\n", b">-\n", b"%YAML 1.1\n---\n",
    b"---\n",
    b"...\n", b"#", b"9" * 400, b"1e", b"..", b"range(", b"np.linspace(0,1,", b"optimizer.eps: ", b"off", b"1:2:3",
    b"(", b")", b"=", b",",
)  # fmt: skip
"""What a mutation puts between the bytes of a document."""


@st.composite
def mutated_bytes(draw: st.DrawFn, documents: tuple[bytes, ...] = BYTES) -> bytes:
    """A valid document of which bytes are changed, cut out, repeated, exchanged, or in another encoding."""
    data = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        match draw(st.sampled_from(["bit", "byte", "piece", "cut", "repeat", "move", "end"])):
            case "bit" if start < len(data):
                data = data[:start] + bytes([data[start] ^ (1 << draw(st.integers(0, 7)))]) + data[start + 1 :]
            case "byte":
                data = data[:start] + bytes([draw(st.integers(0, 255))]) + data[end:]
            case "piece":
                data = data[:start] + draw(st.sampled_from(PIECES)) + data[start:]
            case "cut":
                data = data[:start] + data[end:]
            case "repeat":
                data = data[:end] + data[start:end] * draw(st.integers(1, 30)) + data[end:]
            case "move":
                data = data[start:end] + data[:start] + data[end:]
            case "end":
                data = data[:start]
    if draw(st.integers(0, 19)) == 0:
        data = data.decode("utf-8", "replace").encode(
            draw(st.sampled_from(["utf-16", "utf-32-le", "latin-1"])), "replace"
        )
    return data


@given(mutated_bytes())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_bytes_are_an_error_or_a_grid(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fuzz.yaml"
        file.write_bytes(data)
        try:
            loaded = spec.load(file)
            grid.expand(loaded, limit=2000)
        except SpecError as error:
            refused: SpecError | None = error
        else:
            refused = None
        if refused is not None:
            message = str(refused)
            assert message
            assert all(printable(line) == line for line in message.split("\n"))
            return
        again = grid.expand(spec.loads(spec.dump(loaded), base_dir=Path(folder)), limit=2000)
        assert again.cells == grid.expand(loaded, limit=2000).cells


OPTIONS = (
    b"optimizer.eps=1e-8,1e-4", b"depth=2..16*2", b"clip={norm: 1.0}",
    b"activation=leaky_relu(negative_slope=0.2),relu",
    b"lr=np.logspace(-3, -1, 3)", b"train={steps: 5, warmup: 1}",
)  # fmt: skip


@given(st.sampled_from(SPECS), mutated_bytes(OPTIONS))
@settings(max_examples=300, deadline=None)
def test_a_mutated_override_is_an_error_or_a_grid(text: str, override: bytes) -> None:
    check(text, (override.decode("utf-8", "surrogateescape"),))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=100, deadline=1000)
def test_any_bytes_are_an_error_or_a_spec(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fuzz.yaml"
        file.write_bytes(data)
        try:
            assert spec.load(file).name
        except SpecError as error:
            refused = error.problems
        else:
            return
    assert all(problem.source == str(file) for problem in refused)
