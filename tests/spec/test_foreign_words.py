"""Words and notations of other tools: taken where they have one meaning, else the message says how to write it here."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import grid, spec
from gradlab.cell import REGISTRIES, SETTINGS, Cell, cell_id
from gradlab.components.foreign_words import (
    EXPLAINED,
    NAME_KEYS,
    NAMES_ELSEWHERE,
    NOTHING,
    PARAMETERS_ELSEWHERE,
    SETTINGS_ELSEWHERE,
    VARIANTS,
)
from gradlab.components.synonyms import folded, foreign_key, name_hint, registered
from gradlab.errors import SpecError
from gradlab.query.notations import HOW
from gradlab.spec.keys import STRUCTURE


def cells(text: str) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(f"name: x\n{text}", "spec.yaml")).cells


def refusals(text: str) -> list[tuple[int, str, str]]:
    """Return line, message and hint of each problem."""
    with pytest.raises(SpecError) as caught:
        cells(text)
    return [(problem.line, problem.message, problem.hint) for problem in caught.value.problems]


class TestTheTable:
    """The one table of foreign words, as a whole."""

    @pytest.mark.parametrize("word", SETTINGS_ELSEWHERE)
    def test_a_setting_elsewhere_is_a_key_of_a_spec_here(self, word: str) -> None:
        key = SETTINGS_ELSEWHERE[word]
        sections = (*STRUCTURE, "name", "description", "expect", "grids")
        assert (key.target in SETTINGS or key.target in sections) if key.target else key.remark
        assert word not in SETTINGS
        assert foreign_key(word.replace("_", "-").upper()) == key

    def test_no_word_means_two_settings(self) -> None:
        targets: dict[str, set[str]] = {}
        for word, key in SETTINGS_ELSEWHERE.items():
            targets.setdefault(folded(word), set()).add(key.target)
        assert {word: meant for word, meant in targets.items() if len(meant) > 1} == {}

    @pytest.mark.parametrize("key", NAMES_ELSEWHERE)
    def test_a_name_elsewhere_is_close_to_names_here(self, key: str) -> None:
        for word, names in NAMES_ELSEWHERE[key].items():
            assert set(names) <= REGISTRIES[key].keys(), word
            assert registered(key, word, REGISTRIES[key]) is None, word

    @pytest.mark.parametrize("key", EXPLAINED)
    def test_an_explained_name_is_none_here_and_names_what_there_is(self, key: str) -> None:
        for word, text in EXPLAINED[key].items():
            assert registered(key, word, REGISTRIES[key]) is None, word
            assert word not in NAMES_ELSEWHERE.get(key, {}), word
            assert name_hint(key, word, REGISTRIES[key]) == text
            assert len(text) < 120, word

    def test_a_parameter_elsewhere_is_one_here(self) -> None:
        known = {
            name for registry in REGISTRIES.values() for component in registry.values() for name in component.params
        }
        for word, names in PARAMETERS_ELSEWHERE.items():
            assert known & set(names), word

    def test_a_key_for_a_name_is_no_parameter(self) -> None:
        for registry in REGISTRIES.values():
            for component in registry.values():
                assert not component.params.keys() & set(NAME_KEYS)

    def test_a_variant_is_a_component(self) -> None:
        for key, components in VARIANTS.items():
            for name, variants in components.items():
                assert {name, *(other for _, other in variants)} <= REGISTRIES[key].keys()


@pytest.mark.parametrize("word", sorted(NOTHING))
def test_words_for_nothing(word: str) -> None:
    (cell,) = cells(f"norm: {word}\nclip: {word}\nresidual: {word}\nactivation: {word}\ntrain.lr_schedule: {word}\n"
                    f"dropout: {word}\nl1: {word}\nl2: {word}\nweight_decay: {word}\ntrain.warmup: {word}\n"
                    f"bias_std: {word}")  # fmt: skip
    (same,) = cells("activation: linear\nbias_std: 0")
    assert cell == same
    (problem,) = refusals(f"init: {word}")
    assert problem[1].startswith("init cannot be ")


def test_each_of_the_four_ways_to_switch_something_off() -> None:
    assert cells("norm: off\nclip: false\nresidual: no\ndropout: no") == cells("depth: 8")
    assert len(cells("grid: {dropout: [off, 0.1], clip: [false, {norm: 1}], norm: [~, layer]}")) == 8


NAMES = {
    "activation": {"ReLU": "relu", "nn.LeakyReLU": "leaky_relu", "torch.nn.functional.gelu": "gelu", "Tanh()": "tanh",
                   "SiLU": "silu", "Swish": "silu", "purelin": "linear", "tansig": "tanh", "LeakyRelu": "leaky_relu"},
    "optimizer": {"Adam": "adam", "torch.optim.AdamW": "adamw", "SGD": "sgd", "RMSProp": "rmsprop",
                  "rms-prop": "rmsprop", "NAdam": "nadam", "sgdm": "momentum"},
    "init": {"kaiming_normal_": "he_normal", "nn.init.xavier_uniform_": "xavier_uniform",
             "GlorotUniform": "xavier_uniform", "HeNormal": "he_normal", "kaiming_uniform": "he_uniform",
             "Orthogonal": "orthogonal"},
    "norm": {"BatchNorm1d": "batch", "LayerNorm": "layer", "batch_normalization": "batch", "nn.RMSNorm": "rms"},
    "model": {"LSTM": "lstm", "SimpleRNN": "rnn", "MLP": "mlp", "feed-forward": "mlp"},
    "precision": {"torch.float64": "float64", "FP32": "float32", "double": "float64"},
    "train.lr_schedule": {"CosineAnnealingLR": "cosine", "none": "constant"},
}  # fmt: skip


@pytest.mark.parametrize(("key", "word"), [(key, word) for key, words in NAMES.items() for word in words])
def test_names_of_other_tools(key: str, word: str) -> None:
    model = "model: rnn\n" if key == "model" and word == "SimpleRNN" else ""
    text = f"{key}: {word}" if not model else f"model: {word}"
    assert cells(text) == cells(f"{key}: {NAMES[key][word]}")


def test_momentum_inside_of_sgd() -> None:
    """As torch.optim.SGD and Keras' SGD have it."""
    assert cells("optimizer: {name: SGD, lr: 0.1, momentum: 0.8}") == cells(
        "optimizer: {name: momentum, lr: 0.1, momentum: 0.8}"
    )
    nesterov = "optimizer: {name: nesterov, lr: 0.1, momentum: 0.8}"
    assert cells("optimizer: {name: sgd, lr: 0.1, momentum: 0.8, nesterov: true}") == cells(nesterov)
    assert cells("optimizer: {name: sgd, lr: 0.1, momentum: 0, nesterov: false}") == cells("optimizer: {sgd: 0.1}")
    assert refusals("optimizer: {name: sgd, dampening: 0.5}")[0][1] == "sgd has no parameter 'dampening'"


def test_a_component_as_hydra_and_keras_have_it() -> None:
    for text in ("{_target_: torch.optim.Adam, lr: 0.1}", "{type: adam, lr: 0.1}", "{class_name: Adam, lr: 0.1}"):
        assert cells(f"optimizer: {text}") == cells("optimizer: {name: adam, lr: 0.1}")


def test_synonyms_get_their_hints() -> None:
    text = "model: gnn\nlearning_rate: 0.1\nepochs: 5\nlayers: 8\nhidden_size: 64\n"
    problems = refusals(text)
    assert [line for line, _, _ in problems] == [2, 3, 4, 5, 6]
    assert problems[0][1] == "unknown model 'gnn'"
    assert problems[0][2] == f"choose from {', '.join(REGISTRIES['model'])}"
    hints = ["lr", "train.steps", "depth", "width"]
    assert [hint.split("?")[0] for _, _, hint in problems[1:]] == [f"did you mean '{key}'" for key in hints]


LINES = "lines above the header are left out where they are empty or begin with #, % or //"
HINTS = {
    "random_state: 3": "did you mean 'seeds'? a list, seeds: [7], names them; 5 is how many",
    "grid: {depth: [2, 4, ..., 64]}": HOW,
    "grid: {lr: {min: 1e-3, max: 1e-1}}": HOW,
    "grid: {depth: {2, 4, 8}}": HOW,
    "grid: {lr: {distribution: uniform}}": HOW,
    "grid: {lr: log(1e-3, 1e-1)}": "put the whole value in quotes",
    "activation: LeakyReLU(0.3)": "parameters are written name=value, as in leaky_relu(negative_slope=0.3)",
    "activation: relu|tanh": "write [relu, tanh]",
    "model: {mlp: {hidden_size: 3}}": "width is a setting of its own: write it beside model, not inside",
    "model: {name: mlp, num_layers: 3}": "depth is a setting of its own: write it beside model, not inside",
    "LearningRate: 3": "did you mean 'lr'?",
    "loss: mse": "the loss comes with the task: cross-entropy of classes, mean square of numbers",
    "train: {epochs: 3}": "did you mean 'steps'? training is counted in updates: epochs * samples / batch size",
    "train: {learning_rate: 3}": "lr does not belong under train: move it out",
    "momentum: 0.9": "did you mean 'optimizer.momentum'?",
    "optimizer.weight_decay: 0.1": "weight_decay is a setting of its own: write it beside optimizer, not inside",
    "optimizer: {sgd: {dropout: 0}}": "dropout is a setting of its own: write it beside optimizer, not inside",
    "optimizer: {name: adam, clipnorm: 1}": "clip is a setting of its own: write it beside optimizer, not inside",
    "optimizer: {name: adam, learning_rate: 0.1}": "did you mean 'lr'?",
    "optimizer: {name: adam, epsilon: 0.1}": "did you mean 'eps'?",
    "activation: {name: elu, negative_slope: 0.1}": "it has alpha",
    "optimizer.name: adam": "write the name itself: optimizer: sgd",
    "grid: {optimizer: {name: [adam, sgd]}}": "for an axis, list the components: optimizer: [...] under grid:",
    "init: xavier": "write xavier_normal or xavier_uniform",
    "task: mnist": "write digits",
    "activation: relu tanh": "write [relu, tanh]",
    "clip: 1.0": "name it, as in clip: {norm: 1.0} or {each: 1.0} or {value: 1.0}",
    "dropout: 10%": "write 0.1",
    "width: 2**6": "write 64",
    "width: 2^6": "write 64",
    "l2: 1/4": "write 0.25",
    "train.steps: 10k": "write 10000",
    "dropout: 0,5": "write 0.5 or [0, 5]",
    "width: 1,000": "write 1000 or [1, 0]",
    "grid:\n  lr: 0,5": "write 0.5 or [0, 5]",
    "grid: {depth: [2:10]}": "write 2..10, both ends included",
    "grid: {depth: 2-10}": "write 2..10, both ends included",
    "grid: {depth: 2 to 10}": "write 2..10, both ends included",
    "grid:\n  depth: 2:2:10": "write 2..10:2 for the numbers from 2 to 10 by 2, both ends included",
    "grid:\n  depth: 2:10:2": "write 2..10:2 for the numbers from 2 to 10 by 2, both ends included",
    "grid: {depth: {values: [2, 3]}}": "values of an axis stand in a list, [...], under grid:",
    "depth: 2 4 8": "to vary it, move it under grid:",
    "depth: '1e1'": "remove the quotes",
    "expect: accuracy > 0.9": "write metric: the accuracy of classes, r2 of numbers",
    "grid: {optimizer__eps: [1e-3, 1e-4]}": "write optimizer.eps",
    "grid: {optimizer/lr: [1e-3, 1e-4]}": "write optimizer.lr",
    "train__batch_size: 3": "write train.batch_size",
    "grid: {optimizer: {eps: [1e-3, 1e-4]}}": "eps is a parameter: write optimizer.eps",
    "activation: {negative_slope: 0.1}": "negative_slope is a parameter: write activation.negative_slope",
    "task: {name: table, drop: a}": "every column but the target is an input: make a file without the others",
    "task: {name: table, index_col: 0}": "every column but the target is an input: make a file without the others",
    "task: {name: table, skiprows: 2}": LINES,
    "task: {name: ratings, test_size: 0.2}": "a quarter of the rows is held out, the same for all seeds",
    "task: {name: table, thousands: '.'}": "remove the signs of thousands from the file",
    "task: {name: ratings, path: 'https://x/u.data'}": "a data file lies on this machine: fetch it first",
    "task: {name: ratings, path: ~/u.data}": "~ and variables stand for nothing here: write the whole path",
}


@pytest.mark.parametrize("text", HINTS)
def test_the_message_says_how_it_is_written_here(text: str) -> None:
    assert HINTS[text] in [hint for _, _, hint in refusals(text)]


VALUES: dict[str, list[float]] = {
    "2 4 8": [2, 4, 8],
    "2, 4, 8": [2, 4, 8],
    "(2, 4, 8)": [2, 4, 8],
    "2,4": [2, 4],
    "[2, 4, 8]": [2, 4, 8],
    "[2 4 8]": [2, 4, 8],
    "2;4;8": [2, 4, 8],
    "range(2, 10)": [*range(2, 10)],
    "range(2, 10, 3)": [*range(2, 10, 3)],
    "list(range(2, 5))": [*range(2, 5)],
    "np.arange(2, 10, 2)": np.arange(2, 10, 2).tolist(),
    "numpy.linspace(2, 10, 5)": np.linspace(2, 10, 5).tolist(),
    "np.linspace(2, 10, num=3)": np.linspace(2, 10, 3).tolist(),
    "torch.logspace(0, 2, 3)": np.logspace(0, 2, 3).tolist(),
    "np.geomspace(1, 1000, 4)": np.geomspace(1, 1000, 4).tolist(),
    "np.array([2, 4])": [2, 4],
    "choice(2, 4)": [2, 4],
}


@pytest.mark.parametrize("text", VALUES)
def test_several_values_in_one_text(text: str) -> None:
    expected = [round(value) for value in VALUES[text]]
    assert [cell.depth for cell in cells(f"grid:\n  depth: {text}")] == expected
    assert [cell.depth for cell in cells(f"grid: {{depth: '{text}'}}")] == expected
    overridden = spec.loads("name: x", overrides=[f"depth={text}"])
    assert [cell.depth for cell in grid.expand(overridden).cells] == expected
    loaded = spec.from_mapping("x", {"depth": text})
    assert [cell.depth for cell in grid.expand(loaded).cells] == expected


def test_fractions_are_computed_in_decimal() -> None:
    assert [cell.lr for cell in cells("grid:\n  lr: np.linspace(0.1, 0.5, 5)")] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [cell.lr for cell in cells("grid:\n  lr: np.geomspace(1e-4, 1e-1, 4)")] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert [cell.lr for cell in cells("grid:\n  lr: np.logspace(-3, -1, 5)")] == pytest.approx(np.logspace(-3, -1, 5))


def test_seeds_steps_and_parameters_too() -> None:
    assert [cell.seed for cell in cells("seeds: range(3)")] == [0, 1, 2]
    assert [cell.seed for cell in cells("seeds: 4 7")] == [4, 7]
    assert cells("probe: {at: 0 10 20}") == cells("probe: {at: [0, 10, 20]}")
    assert len(cells("task: teacher\ngrid: {task.noise: 0 0.1 0.2}")) == 3
    assert cells("grid: {depth: [2, 3, 4]}\nexclude: [{depth: 2 3}]") == cells("depth: 4")


def test_numbers_that_yaml_1_1_reads_as_something_else() -> None:
    for text, value in {"1e-3": 1e-3, "1_000e-3": 1.0, ".5": 0.5, "0x10": 16.0, "1.": 1.0}.items():
        assert cells(f"l2: {text}") == cells(f"l2: {value!r}"), text
    (cell,) = cells("model: rnn\ntask: {name: sequential_digits, permuted: yes}")
    assert dict(cell.task.params) == {"permuted": True}


BAD_VALUES = ["range(2, 10, 0)", "range(10**9)", "range(1000000)", "np.linspace(0, 1, 1e9)", "range()",
              "range(1,2,3,4)", "linspace(1, 2, x=3)", "np.geomspace(-1, 1, 3)", "range(inf)",
              "logspace(1e9, 1e9, 2)", "(,)", "(2, 4",
              "np.linspace(0, 1, 2.5)", ":", "::", "1e999 2", "-", "range(nan, 3)"]  # fmt: skip


@pytest.mark.parametrize("text", BAD_VALUES)
def test_what_is_no_list_is_one_message_at_its_line(text: str) -> None:
    (problem, *_) = refusals(f"grid:\n  depth: '{text}'")
    assert problem[0] == 3


def test_a_thousand_that_an_option_would_read_as_two_numbers() -> None:
    with pytest.raises(SpecError, match="write 1000"):
        spec.loads("name: x", overrides=["train.steps=1,000"])


def test_cell_ids_do_not_depend_on_the_word() -> None:
    written = cells("activation: ReLU\noptimizer: Adam\nnorm: LayerNorm\ninit: kaiming_normal")
    usual = cells("activation: relu\noptimizer: adam\nnorm: layer\ninit: he_normal")
    assert list(map(cell_id, written)) == list(map(cell_id, usual))
