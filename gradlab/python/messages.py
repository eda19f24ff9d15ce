"""Messages of errors for callers in Python: options by their keywords, which other rooms name by their flags."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gradlab.api import options
from gradlab.errors import GradlabError

__all__ = ["keyword_messages", "with_keywords"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_FLAG = re.compile(r"(?<![\w'-])--(no-)?([a-z]+(?:-[a-z]+)*)\b")


def keyword_messages(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return the function with the messages of its errors reworded by `with_keywords`."""

    @functools.wraps(function)
    def reworded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except GradlabError as error:
            error.reword(with_keywords)
            raise

    return reworded


def with_keywords(text: str) -> str:
    """Return a message with ``out`` for ``--out``, ``fresh=True`` for ``--fresh``; flags of other programs stay."""
    return _FLAG.sub(_keyword, text)


def _keyword(match: re.Match[str]) -> str:
    name = match[2].replace("-", "_")
    if name not in _switches():
        return match[0]
    return f"{name}={match[1] is None}" if _switches()[name] else name


@functools.cache
def _switches() -> dict[str, bool]:
    """Return the options of all commands, and whether each is a switch."""
    kinds = (getattr(options, name) for name in options.__all__ if name.endswith("Options"))
    return {name: option.param.kind is bool for kind in kinds for name, option in options.options_of(kind).items()}
