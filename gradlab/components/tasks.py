"""Tasks by name: where data and loss come from, and when a network has learned."""

from __future__ import annotations

from dataclasses import replace

from gradlab.components.component import Lengths, Task
from gradlab.components.param import Param

__all__ = ["TASKS"]

_SIZE = Param(16, int, low=1)
_GIVEN = Param(kind=str, required=True)
_SEQUENCES = {"samples": Param(4096, int, low=8)}
_SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe", "::": "double_colon", " ": "whitespace",
               "space": "whitespace", "\\t": "tab", "\\s+": "whitespace"}  # fmt: skip
_ENCODINGS = (
    "utf-8", "utf-16", "utf-32", "latin-1", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp437", "cp850",
    "iso8859-2", "iso8859-5", "iso8859-9", "iso8859-15", "koi8-r", "mac-roman", "shift_jis", "euc_jp", "gb18030",
    "big5", "euc_kr",
)  # fmt: skip
_READING = {
    "standardize": Param(True, bool, choices=("inputs", "target")),
    "separator": Param(kind=str, choices=tuple(dict.fromkeys(_SEPARATORS.values())), also=tuple(_SEPARATORS.items())),
    "decimal": Param(kind=str, choices=("point", "comma"), also=((".", "point"), (",", "comma"))),
    "header": Param(kind=bool),
    "encoding": Param(kind=str, choices=_ENCODINGS, also=(("utf8", "utf-8"), ("utf-8-sig", "utf-8"),
                                                          ("iso8859-1", "latin-1"), ("windows-1252", "cp1252"))),
    "missing": Param(kind=str, also=(("", "empty"),)),
}  # fmt: skip
"""How a table is read; None: found by itself. `gradlab.datafiles` has what each means."""

_ARRAYS = {
    "path": _GIVEN,
    "kind": replace(_GIVEN, choices=("classification", "regression")),
    "standardize": _READING["standardize"],
    "x": Param("x", str),
    "y": Param("y", str),
}

TASKS: dict[str, Task] = {
    "digits": Task(
        "gradlab.tasks.digits:load",
        "1,797 real 8x8 handwritten digits, 10 classes; learned: test accuracy >= 0.8",
        targets="classes",
        images=True,
        shape=lambda params: (1, 8, 8),
    ),
    "teacher": Task(
        "gradlab.tasks.teacher:load",
        "regression on a random tanh network; learned: test R2 >= 0.5",
        {"inputs": _SIZE, "hidden": _SIZE, "samples": Param(2048, int, low=8), "noise": Param(0.0, low=0)},
        targets="numbers",
    ),
    "linear_regression": Task(
        "gradlab.tasks.linear_regression:load",
        "y = 3x + 2 + noise; learned: test R2 >= 0.99",
        {"samples": Param(512, int, low=8), "noise": Param(0.1, low=0)},
        targets="numbers",
    ),
    "spirals": Task(
        "gradlab.tasks.spirals:load",
        "two interleaved spirals, 2 classes; learned: test accuracy >= 0.9",
        {"samples": Param(2048, int, low=8), "turns": Param(1.5, low=0, above=True), "noise": Param(0.02, low=0)},
        targets="classes",
    ),
    "images": Task(
        "gradlab.tasks.images:load",
        "images of noise, white or smooth, with classes of a convolutional teacher; learned: half way from chance to "
        "perfect",
        {
            "channels": Param(3, int, low=1),
            "size": Param(8, int, low=1),
            "smooth": Param(1, int, low=1),
            "classes": Param(4, int, low=2),
            "samples": Param(2048, int, low=8),
        },
        targets="classes",
        images=True,
        shape=lambda params: (params["channels"], params["size"], params["size"]),
    ),
    "table": Task(
        "gradlab.tasks.table:load",
        "your own CSV or Parquet file; learned: half way from guessing to perfect",
        {
            "path": _GIVEN,
            "target": _GIVEN,
            "kind": replace(_GIVEN, choices=("classification", "regression")),
            **_READING,
        },
        check="gradlab.datafiles.table:check",
    ),
    "arrays": Task(
        "gradlab.tasks.arrays:load",
        "your own .npz or .safetensors: samples of any shape, with targets; learned: half way from guessing to perfect",
        {**_ARRAYS, "channels": Param(kind=str, choices=("first", "last"))},
        check="gradlab.datafiles.arrays:check",
        images=True,
    ),
    "ratings": Task(
        "gradlab.tasks.ratings:load",
        "user, item, rating: your own file, or drawn with low rank; learned: 5 % less test error than by user and item "
        "means",
        {
            "path": Param(kind=str),
            "user": Param("user", str),
            "item": Param("item", str),
            "rating": Param("rating", str),
            "users": Param(200, int, low=2),
            "items": Param(100, int, low=2),
            "rank": Param(2, int, low=1),
            "samples": Param(8000, int, low=8),
            "noise": Param(0.2, low=0),
            **_READING,
        },
        inputs="indices",
        check="gradlab.datafiles.ratings:check",
        targets="numbers",
    ),
    "adding": Task(
        "gradlab.tasks.adding:load",
        "sum of the two marked numbers of a sequence (Hochreiter 1997); learned: test R2 >= 0.8, always 1 has MSE 1/6",
        _SEQUENCES,
        inputs="sequences",
        lengths=Lengths(50, low=2),
        targets="numbers",
    ),
    "copy_memory": Task(
        "gradlab.tasks.copy_memory:load",
        "repeat 10 of 8 symbols after T = seq_len-20 blanks (Arjovsky 2016); learned: half the loss without a memory, "
        "10 ln 8/(T+20)",
        _SEQUENCES,
        inputs="tokens",
        lengths=Lengths(50, low=21),
        targets="classes",
    ),
    "temporal_order": Task(
        "gradlab.tasks.temporal_order:load",
        "which of two symbols came first, which second, 4 classes (Hochreiter 1997); learned: test accuracy >= 0.9",
        _SEQUENCES,
        inputs="tokens",
        lengths=Lengths(50, low=10),
        targets="classes",
    ),
    "sequential_digits": Task(
        "gradlab.tasks.sequential_digits:load",
        "the digits in seq_len pieces: 64 pixel by pixel, 8 row by row (Le 2015); learned: test accuracy >= 0.8",
        {"permuted": Param(False, bool)},
        inputs="sequences",
        lengths=Lengths(64, only=(1, 2, 4, 8, 16, 32, 64)),
        targets="classes",
    ),
    "char_lm": Task(
        "gradlab.tasks.char_lm:load",
        "next character of Persuasion (J. Austen) or of your own text file; learned: 5 % fewer bits than from the last "
        "character alone",
        {"path": Param(kind=str)},
        inputs="tokens",
        lengths=Lengths(64),
        check="gradlab.datafiles.text:check",
        targets="classes",
        next_inputs=True,
    ),
    "array_sequences": Task(
        "gradlab.tasks.arrays:load_sequences",
        "sequences [samples, steps, features] of your own .npz or .safetensors, the last seq_len of them; as arrays",
        _ARRAYS,
        inputs="sequences",
        lengths=Lengths(50),
        check="gradlab.datafiles.arrays:check_sequences",
    ),
}
