"""Code of the user on the command line: what ``file.py:name`` or ``package.module:name`` names, and its exceptions.

Only `gradlab probe` and commands like it run code; a spec never does.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gradlab.components import nearest
from gradlab.errors import HANDING_ON, GradlabError, UsageError, UserCodeError, shorten

__all__ = ["arguments", "call", "in_torch", "load", "running"]

_PACKAGE = Path(__file__).parents[1]
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def load(reference: str) -> Any:
    """Return the object that ``file.py:name`` or ``package.module:name`` names; the name may have dots.

    A file is run once, however many of its objects are asked for. Its folder, or for a module the working directory,
    goes to the front of the import path, as where Python runs it.

    Raises:
        UsageError: there is no such file, module or object.
        UserCodeError: an exception of the user's code.
    """
    path, colon, name = reference.rpartition(":")
    if not colon or not path or not name or "/" in name or "\\" in name:
        raise UsageError(
            f"{shorten(reference)} names no object", f"write file.py:name or package.module:name{_example(reference)}"
        )
    is_file = path.endswith(".py") or "/" in path or os.sep in path
    if not is_file and Path(f"{path}.py").is_file() and "." not in path:
        path, is_file = f"{path}.py", True
    module = _file(path, reference) if is_file else _module(path)
    value: Any = module
    for part in name.split("."):
        try:
            with running():
                value = getattr(value, part)
        except UserCodeError as error:
            if not isinstance(error.__cause__, AttributeError):
                raise
            raise UsageError(f"{path} has no {name}", _names(module, name)) from None
    return value


def call(function: Callable[..., Any], reference: str, keywords: Mapping[str, Any], **offered: Any) -> Any:
    """Return what a function of the user returns for the arguments `keywords`, and of `offered` those that it takes.

    Raises:
        UsageError: the arguments do not fit its signature.
        UserCodeError: an exception of the function.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin
        signature = None
    passed = dict(keywords)
    if signature is not None:
        passed = {name: value for name, value in offered.items() if name in signature.parameters} | passed
        try:
            signature.bind(**passed)
        except TypeError as error:
            missing = [
                name
                for name, parameter in signature.parameters.items()
                if parameter.default is parameter.empty
                and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
                and name not in passed
            ]
            takes = f"it takes {signature}"
            hint = f"give {' '.join(f'--arg {name}=VALUE' for name in missing)}; {takes}" if missing else takes
            raise UsageError(f"{reference}: {error}", hint) from None
    with running():
        return function(**passed)


def arguments(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``NAME=VALUE`` texts: Python literals, else text. Raises UsageError for what is none."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(
                f"--arg {shorten(text)}: this is no argument", "write --arg NAME=VALUE, as in --arg depth=12"
            )
        if name in values:
            raise UsageError(f"--arg {name} is given twice", "give each argument once")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[name] = _WORDS.get(value.lower(), value)
    return values


@contextlib.contextmanager
def running() -> Iterator[None]:
    """As a context around code of the user: its exceptions become `UserCodeError`, and what it prints goes to stderr.

    gradlab's own errors pass, as does KeyboardInterrupt. Where memory runs out it is a UsageError.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout may be a document, as of --json
            yield
    except GradlabError:
        raise
    except SystemExit as error:
        location = _where(error)
        message = f"the code leaves with sys.exit({error.code!r})" + (f": {location[0]}" if location else "")
        raise UserCodeError(
            message, "put what a script does under if __name__ == '__main__':", lines=location[1:]
        ) from error
    except Exception as error:
        if _out_of_memory(error):
            raise UsageError(f"out of memory: {_message(error)}", "take a smaller batch, or a smaller model") from error
        if _raised_here(error):
            raise  # a fault of gradlab
        raise UserCodeError(_message(error), lines=_where(error)) from error


def _file(path: str, reference: str) -> ModuleType:
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"{shorten(path, 500)} cannot be read: {reason}", _beside(file, reference)) from None
    file = file.resolve()
    name = f"gradlab_user_{hashlib.sha256(str(file).encode() + content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    _import_from(file.parent)
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up
    try:
        with running():
            exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module(path: str) -> ModuleType:
    _import_from(Path.cwd())
    try:
        with running():
            return importlib.import_module(path)
    except UserCodeError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{path}.".startswith(f"{cause.name}."):
            raise UsageError(
                f"there is no module {cause.name}", "install it, or write the path of a file: folder/file.py:name"
            ) from None
        if isinstance(cause, TypeError | ValueError) and not error.message.count("\n"):
            raise UsageError(f"{shorten(path)} is no module", "write file.py:name or package.module:name") from None
        raise


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _example(reference: str) -> str:
    text = reference.strip(":")
    return f", as in {text}:make_model" if text.endswith(".py") else ""


def _beside(file: Path, reference: str) -> str:
    try:
        file_names = sorted(path.name for path in file.parent.glob("*.py"))
    except (OSError, ValueError):
        file_names = []
    close = nearest(file.name, file_names)
    if close:
        return f"did you mean {file.with_name(close)}:{reference.rpartition(':')[2]}?"
    return "write the path of a Python file that is there, or package.module:name"


def _names(module: ModuleType, name: str) -> str:
    functions = [
        key
        for key, value in vars(module).items()
        if callable(value) and not key.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    names = functions or [key for key in vars(module) if not key.startswith("_")]
    if close := nearest(name, names):
        return f"did you mean {close}?"
    return f"it has {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "it defines nothing"


def _message(error: BaseException) -> str:
    reason = error.msg if isinstance(error, SyntaxError) else str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {reason}".rstrip(": ")


def _out_of_memory(error: Exception) -> bool:
    name, text = type(error).__name__, str(error)
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or "DefaultCPUAllocator" in text


def in_torch(error: BaseException) -> bool:
    """Return whether an exception was raised inside torch, and not by a line of the user."""
    torch = getattr(sys.modules.get("torch"), "__file__", None)
    return torch is not None and Path(_raised_in(error)).is_relative_to(Path(torch).parent)


def _raised_here(error: Exception) -> bool:
    """Return whether an exception was raised by a line of gradlab, and not by what it called."""
    file = _raised_in(error)  # this file only does what the user's names ask for
    return file != __file__ and Path(file).is_relative_to(_PACKAGE)


def _raised_in(error: BaseException) -> str:
    """Return the file of the line that raised; of what gradlab handed on, that of who asked."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.filename for frame in reversed(frames) if frame.name not in HANDING_ON), "")


def _where(error: BaseException) -> list[str]:
    """Return the place of an exception in the code of the user, as lines: file, line and function; the line itself."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return [f"  {_short(error.filename)}:{error.lineno}", *([f"    {error.text.strip()}"] if error.text else [])]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _foreign(frame.filename)]
    frame = next((frame for frame in reversed(frames) if not _installed(frame.filename)), None)
    frame = frame or (frames[-1] if frames else None)
    if frame is None:
        return []
    code = [f"    {frame.line}"] if frame.line else []
    return [f"  {_short(frame.filename)}:{frame.lineno}, in {frame.name}", *code]


def _foreign(file: str) -> bool:
    """Return whether a frame is of gradlab, of torch, or of Python itself."""
    torch = sys.modules.get("torch")
    homes = [_PACKAGE, *(Path(path).parent for path in [getattr(torch, "__file__", None)] if path)]
    if file.startswith("<") or any(Path(file).is_relative_to(home) for home in homes):
        return True
    return Path(file).is_relative_to(sysconfig.get_path("stdlib")) and not _installed(file)


def _installed(file: str) -> bool:
    """Return whether a file is of a package that was installed, which may lie below Python's own."""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _short(file: str) -> str:
    """Return a path as it reads best: relative to the working directory where it lies below it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
