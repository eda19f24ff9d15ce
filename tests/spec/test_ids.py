"""The identity of a cell: ids that must not change, what they depend on and what not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from expanded import expand

from gradlab import grid, spec
from gradlab.cell import REGISTRIES, SETTINGS, Cell, cell_id, configuration_id
from gradlab.components import Named
from gradlab.errors import SpecError

GOLDEN = {
    "": "e30851e26d494292",
    "seeds: [7]": "9e5a2786db0f3344",
    "activation: {leaky_relu: 0.2}\nwidth: 32": "03fb783215ed3871",
    "optimizer: {name: adam, lr: 0.01}\ntrain: {steps: 50, lr_schedule: cosine}": "53ffe5ff25c09fef",
    "residual: add\nresidual_scale: 1/sqrt(depth)\nnorm: layer\nprobe.at: [0, 10]": "3ef331e3733cb8f8",
    "task: {name: table, path: a.csv, target: y, kind: regression}": "d6e5fc2f4f045ae3",
    "model: lstm": "4c87b4b15d75604b",
    "model: {rnn: {truncate: 5}}\ntask: sequential_digits\nseq_len: 8\ninit: identity": "45a580a420f165cc",
    "model: gru\ntask: {char_lm: a.csv}": "8b033a638c34387e",
    "task: ratings\nmodel: {name: mlp, embedding: 4}": "c73ee945b6e9a073",
    "probe: {record: all}": "e30851e26d494292",
    "probe.record: profile": "4d44795e6cf558a1",
}  # fmt: skip


@pytest.mark.parametrize("text", GOLDEN)
def test_ids_do_not_change(text: str, tmp_path: Path) -> None:
    """Stored results are found by these ids: whoever changes one changes what every user has stored."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (cell,) = grid.expand(spec.loads(f"name: x\n{text}", base_dir=tmp_path)).cells
    assert cell_id(cell) == GOLDEN[text]


DEFAULTS = """\
model=mlp
task=digits
depth=8
width=64
activation=relu
init=he_normal
bias_std=auto
norm=none
norm_position=pre_activation
residual=none
residual_scale=1.0
seq_len=None
dropout=0.0
optimizer=sgd
lr=None
clip=none
l1=0.0
l2=0.0
weight_decay=0.0
precision=float32
train.steps=300
train.batch_size=64
train.lr_schedule=constant
train.warmup=0
probe.at=log
probe.batch_size=128
probe.record=all
thresholds.vanish=0.001
thresholds.explode=1000.0
seed=0
task teacher.inputs=16
task teacher.hidden=16
task teacher.samples=2048
task teacher.noise=0.0
task linear_regression.samples=512
task linear_regression.noise=0.1
task spirals.samples=2048
task spirals.turns=1.5
task spirals.noise=0.02
task ratings.path=None
task ratings.user=user
task ratings.item=item
task ratings.rating=rating
task ratings.users=200
task ratings.items=100
task ratings.rank=2
task ratings.samples=8000
task ratings.noise=0.2
task adding.samples=4096
task copy_memory.samples=4096
task temporal_order.samples=4096
task sequential_digits.permuted=False
task char_lm.path=None
model mlp.embedding=8
model mlp.embedding_std=0.1
model rnn.input_gain=1.0
model rnn.truncate=0
model lstm.forget_bias=1.0
model lstm.chrono=0
model lstm.input_gain=1.0
model lstm.truncate=0
model gru.chrono=0
model gru.input_gain=1.0
model gru.truncate=0
model minimal_rnn.chrono=0
model minimal_rnn.input_gain=1.0
model minimal_rnn.truncate=0
task table.path=None
task table.target=None
task table.kind=None
activation leaky_relu.negative_slope=0.01
activation prelu.start=0.25
activation elu.alpha=1.0
activation softplus.beta=1.0
init xavier_uniform.gain=1.0
init xavier_normal.gain=1.0
init he_uniform.gain=1.0
init he_normal.gain=1.0
init lecun_normal.gain=1.0
init orthogonal.gain=1.0
init normal.std=None
init normal.gain=1.0
init uniform.bound=None
init uniform.gain=1.0
init torch_default.gain=1.0
init identity.gain=1.0
norm batch.eps=1e-05
norm layer.eps=1e-05
norm rms.eps=1e-05
optimizer sgd.lr=0.1
optimizer momentum.lr=0.01
optimizer momentum.momentum=0.9
optimizer nesterov.lr=0.01
optimizer nesterov.momentum=0.9
optimizer adagrad.lr=0.01
optimizer adagrad.eps=1e-10
optimizer rmsprop.lr=0.001
optimizer rmsprop.alpha=0.99
optimizer rmsprop.eps=1e-08
optimizer rmsprop.momentum=0.0
optimizer adam.lr=0.001
optimizer adam.beta1=0.9
optimizer adam.beta2=0.999
optimizer adam.eps=1e-08
optimizer adamw.lr=0.001
optimizer adamw.beta1=0.9
optimizer adamw.beta2=0.999
optimizer adamw.eps=1e-08
optimizer nadam.lr=0.002
optimizer nadam.beta1=0.9
optimizer nadam.beta2=0.999
optimizer nadam.eps=1e-08
optimizer radam.lr=0.001
optimizer radam.beta1=0.9
optimizer radam.beta2=0.999
optimizer radam.eps=1e-08
optimizer adadelta.lr=1.0
optimizer adadelta.rho=0.9
optimizer adadelta.eps=1e-06
clip norm.max=None
clip value.max=None
clip agc.factor=0.01
clip agc.eps=0.001
"""


def test_what_an_id_leaves_out_does_not_change() -> None:
    """Values at their default are no part of an id: a default that changes needs another ID_SCHEMA."""
    now = [f"{key}={field.default}" for key, field in SETTINGS.items()] + [
        f"{key} {name}.{param}={known.params[param].default}"
        for key, registry in REGISTRIES.items()
        for name, known in registry.items()
        for param in known.params
    ]
    assert set(DEFAULTS.splitlines()) <= set(now)


def test_an_id_does_not_depend_on_how_a_setting_was_written() -> None:
    texts = (
        "lr: 0.1\ndepth: 4\ntrain: {steps: 100, warmup: 0}\nactivation: {leaky_relu: 0.2}",
        "activation: {negative_slope: 2e-1, name: leaky_relu}\ntrain.steps: 1e2\ndepth: 4\nlr: 1e-1\nwidth: 64",
        'optimizer: {sgd: .1}\nactivation: "leaky_relu(negative_slope=0.20)"\ndepth: 0x4\ntrain.steps: 100\nclip: none',
    )
    assert len({cell_id(cell) for text in texts for cell in expand(text).cells}) == 1


def test_different_settings_have_different_ids() -> None:
    product = expand(
        "grid:\n  depth: 1..20\n  activation: [relu, leaky_relu, {leaky_relu: 0.2}]\n  lr: [0.1, 0.2]\n"
        "  bias_std: [auto, 0, 1]\n  train.warmup: [0, 1]\n  clip: [none, {norm: 1}, {value: 1}]\nseeds: 2"
    ).cells
    assert len(product) == 20 * 3 * 2 * 3 * 2 * 3 * 2
    assert len({cell_id(cell) for cell in product}) == len(product)
    assert len({configuration_id(cell) for cell in product}) == len(product) // 2


def test_a_data_file_counts_by_its_content(tmp_path: Path) -> None:
    for name, text in {"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n1,2\n", "c.csv": "x,y\n1,3\n"}.items():
        (tmp_path / name).write_text(text)
    text = "name: x\ngrid:\n  task:\n" + "".join(
        f"  - {{name: table, path: {name}.csv, target: y, kind: regression}}\n" for name in "abc"
    )
    expansion = grid.expand(spec.loads(text, base_dir=tmp_path))
    assert [dict(cell.task.params)["path"] for cell in expansion.cells] == [
        str(tmp_path / "a.csv"),
        str(tmp_path / "c.csv"),
    ]
    assert [cell.data_digest for cell in expansion.cells] == [
        hashlib.sha256(text).hexdigest() for text in (b"x,y\n1,2\n", b"x,y\n1,3\n")
    ]
    assert expansion.duplicates == 1
    checked = spec.loads(text, base_dir=tmp_path)
    (tmp_path / "c.csv").unlink()
    with pytest.raises(SpecError, match=r"c\.csv cannot be read: No such file"):
        grid.expand(checked)


def test_a_text_counts_by_its_content(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("to be or not to be " * 50)
    text = "name: x\nmodel: rnn\ngrid: {task: [char_lm, {char_lm: a.txt}, {char_lm: b.txt}]}"
    expansion = grid.expand(spec.loads(text, base_dir=tmp_path))
    assert len(expansion.cells) == 2
    assert expansion.duplicates == 1
    assert not expansion.cells[0].data_digest
    assert expansion.cells[1].data_digest == hashlib.sha256((tmp_path / "b.txt").read_bytes()).hexdigest()
    assert len({cell_id(cell) for cell in expansion.cells}) == 2


def test_a_cell_made_by_hand_is_the_same_cell() -> None:
    (cell,) = expand("optimizer: {name: adam, beta1: 0.8}\nclip: {norm: 2}").cells
    assert cell == Cell(optimizer=Named("adam", (("beta1", 0.8),)), lr=0.001, clip=Named("norm", (("max", 2.0),)))
