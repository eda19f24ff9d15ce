"""The digest of an object registered from Python: of its source, and of the values that it reads from around it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import textwrap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from gradlab.errors import PluginError

__all__ = ["digest_of"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def digest_of(name: str, *objects: Any) -> str:
    """Return a SHA-256, in hex, that changes when one of the objects of a component does: functions, classes, values.

    It covers the functions and classes of the same module and the plain values that they use; what comes from other
    modules counts by its name.

    Raises:
        PluginError: one of them uses a value, a tensor say, that has no such text.
    """
    reader = _Reader(name, getattr(objects[0], "__module__", None))
    return hashlib.sha256("\n".join(map(reader.text, objects)).encode()).hexdigest()


class _Reader:
    def __init__(self, name: str, module: str | None) -> None:
        self._name, self._module = name, module
        self._seen: set[int] = set()

    def text(self, value: Any) -> str:
        """Return what stands for an object in a digest, of one already met its name."""
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self.text, value))}]"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{key!r}: {self.text(item)}' for key, item in value.items())}}}"
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, staticmethod | classmethod):
            return self.text(value.__func__)
        if isinstance(value, FunctionType):
            value = inspect.unwrap(value)
        if isinstance(value, FunctionType | BuiltinFunctionType | type):
            qualified = f"{value.__module__}.{value.__qualname__}"
            if value.__module__ != self._module or id(value) in self._seen or isinstance(value, BuiltinFunctionType):
                return qualified
            self._seen.add(id(value))
            return f"{qualified}: {self._class(value) if isinstance(value, type) else self._function(value)}"
        if dataclasses.is_dataclass(value):
            return f"{type(value).__name__} {self.text([getattr(value, f.name) for f in dataclasses.fields(value)])}"
        raise PluginError(
            f"{self._name} uses a value of type {type(value).__name__}, whose changes would not be noticed",
            "make it a parameter, or put the component into a file: gl.plugin('my_lab.py')",
        )

    def _function(self, function: FunctionType) -> str:
        around = inspect.getclosurevars(function)
        values = {name: self.text(value) for name, value in sorted({**around.globals, **around.nonlocals}.items())}
        defaults = self.text([function.__defaults__, function.__kwdefaults__])
        return f"{_source(function)}\n{defaults} {values!r}"

    def _class(self, kind: type) -> str:
        members = {
            name: self.text(value)
            for name, value in vars(kind).items()
            if isinstance(value, (FunctionType, staticmethod, classmethod, *_PLAIN)) and name != "__module__"
        }
        return f"{[base.__qualname__ for base in kind.__bases__]} {members!r}"


def _source(function: FunctionType) -> str:
    """Return the source of a function; of a lambda, several of which may share a line, and without one its bytecode."""
    try:
        if function.__name__ != "<lambda>":
            return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # typed into an interpreter
        pass
    return _bytecode(function.__code__)


def _bytecode(code: CodeType) -> str:
    constants = [_bytecode(value) if isinstance(value, CodeType) else repr(value) for value in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names!r} {constants!r}"
