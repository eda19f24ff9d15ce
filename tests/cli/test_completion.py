"""What the shells are offered, asked as they ask: by environment variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradlab.cli import invoke
from gradlab.components import ACTIVATIONS, OPTIMIZERS
from gradlab.report.plots import FORMATS, PICTURES


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, *words: str) -> str:
    """Return what a shell is answered; the last of `words` is what Tab was pressed behind."""
    monkeypatch.setenv("_GRADLAB_COMPLETE", f"complete_{shell}")
    if shell == "bash":
        monkeypatch.setenv("COMP_WORDS", "\n".join(["gradlab", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
    else:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", " ".join(["gradlab", *words]))
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit) as caught:
        invoke([])
    assert caught.value.code in (0, None)
    return capsys.readouterr().out


OFFERS: dict[tuple[str, ...], list[str]] = {
    ("sweep", "--activation", "rel"): ["relu", "relu6", "relu_squared"],
    ("sweep", "--activation", "relu,soft"): ["relu,softsign", "relu,softplus", "relu,softshrink"],
    ("theory", "--init", "xavier_"): ["xavier_uniform", "xavier_normal"],
    ("sweep", "--acti"): ["--activation"],
    ("sweep", "--parameter", "clip."): ["clip.max=", "clip.factor=", "clip.eps="],
    ("run", "-s", "resid"): ["residual=", "residual_scale="],
    ("run", "-s", "depth"): ["depth=", "depth=8"],
    ("run", "-s", "residual_scale=l"): ["residual_scale=learned_zero"],
    ("run", "-s", "optimizer=ada"): [f"optimizer={name}" for name in OPTIMIZERS if name.startswith("ada")],
    ("run", "a.yaml", "-s", "activation", "=", "sel"): ["selu"],  # bash takes words apart at =
    ("run", "a.yaml", "--executor", "in"): ["inline"],
    ("list", "opt"): ["optimizers"],
    ("compare", "results", "--metric", "surv"): ["survival", "survival_final"],
    ("plot", "results", "--only", "survival,re"): ["survival,recurrence"],
    ("plot", "results", "--format", ""): list(FORMATS),
    ("plan", "a.yaml", "--device", "c"): ["cpu", "cuda"],
    ("wat",): ["watch"],
    ("run", "spe"): [],  # files are the shell's own
    ("run", "@", "sigmoid_"): ["@sigmoid_depth", "@sigmoid_vs_relu"],  # bash takes words apart at @, and replaces both
    ("plan", "a.yaml", "@sigmoid_"): ["@sigmoid_depth", "@sigmoid_vs_relu"],
    ("init", "mine", "--from", "rnn_"): ["rnn_long_range"],
    ("list", "ex"): ["experiments"],
}


@pytest.mark.parametrize("words", OFFERS)
def test_bash(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(monkeypatch, capsys, "bash", *words).split() == OFFERS[words]


def test_every_name_is_offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    offered = ask(monkeypatch, capsys, "bash", "sweep", "--activation", "").split()
    assert set(ACTIVATIONS) <= set(offered)
    assert ask(monkeypatch, capsys, "bash", "plot", "results", "--only", "").split() == list(PICTURES)


def test_zsh_and_fish_get_help_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    zsh = ask(monkeypatch, capsys, "zsh", "sweep", "--activation", "sigm")
    assert '"sigmoid":"1/(1+exp(-x))' in zsh.replace("\\", "")
    assert "_files" in ask(monkeypatch, capsys, "zsh", "run", "spe")
    fish = ask(monkeypatch, capsys, "fish", "sweep", "--activation", "sigm")
    assert fish.startswith("sigmoid\t")


def test_cells_of_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "demo").mkdir(parents=True)
    table = (
        "cell,depth,activation,init,seed\nabc123,8,relu,he_normal,0\nabd456,8,tanh,he_normal,0\nff,2,relu,he_normal,1\n"
    )
    (tmp_path / "results" / "demo" / "cells.csv").write_text(table)
    assert ask(monkeypatch, capsys, "bash", "show", "ab").split() == ["abc123", "abd456"]
    assert "demo: 8 tanh he_normal 0" in ask(monkeypatch, capsys, "fish", "show", "abd")


def test_the_scripts_for_the_shells_are_there() -> None:
    code = "import sys; from gradlab.cli import main; sys.argv = ['gradlab', '--show-completion', {shell!r}]; main()"
    for shell, says in {
        "bash": "complete -o default -F",
        "zsh": "#compdef gradlab",
        "fish": "complete --command gradlab",
    }.items():
        done = subprocess.run(
            [sys.executable, "-c", code.format(shell=shell)], capture_output=True, text=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}, check=False,
        )  # fmt: skip
        assert says in done.stdout, done


def test_completing_is_light() -> None:
    code = (
        "import os, sys\n"
        "os.environ |= {'_GRADLAB_COMPLETE': 'complete_bash', 'COMP_WORDS': 'gradlab\\nsweep\\n--activation\\nre', "
        "'COMP_CWORD': '3'}\n"
        "from gradlab.cli import main\nsys.argv = ['gradlab']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'yaml', 'rich'} & sys.modules.keys()\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["relu", "relu6", "relu_squared"]
