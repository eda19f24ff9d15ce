"""Components of the user: out of a Python file (``gl.plugin``, the option --plugin) or registered from Python.

A plugin is one file. It is run because it was asked for, never because of a spec. What it registers has a name in
specs like any built-in component. The SHA-256 of its source enters the id of every cell that names one of its
components, so that changed code makes new cells. A worker process is given, with each bank, the source that was read
here, and runs it under the same path: all processes of a run compute with one version of the code.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import pickle
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from gradlab.cell import REGISTRIES
from gradlab.components import ALIASES, Activation, Component, Origin
from gradlab.errors import GradlabError, PluginError, shorten
from gradlab.plugins.digest import digest_of

__all__ = ["failure", "load", "plugin", "register", "shipped"]

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_OWN_FILE = "put it into a file and load that: gl.plugin('my_lab.py')"


class _Entry(NamedTuple):
    """A component to be registered: the setting it is for, its name, and itself."""

    key: str
    name: str
    component: Component


_staged: ContextVar[list[_Entry] | None] = ContextVar("staged", default=None)
"""What the file being run has registered so far; it takes effect when the file has run to its end."""


def plugin(path: str | Path) -> None:
    """Run a Python file, whose components (`gl.activation` …) have names in specs from then on; see docs/plugins.md.

    A file that was run before is run again only if it has changed; its former components are then replaced.

    Raises:
        PluginError: the file cannot be read, fails, or registers a name that is taken.
    """
    try:
        file = Path(os.fsdecode(path)).expanduser()
        content = file.read_bytes()
    except (OSError, TypeError, ValueError, RuntimeError) as error:  # no path at all; a zero in it; no such home
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"the plugin {shorten(str(path), 500)} cannot be read: {reason}"
        raise PluginError(message, "--plugin takes a Python file") from None
    load(Origin(str(file.resolve()), hashlib.sha256(content).hexdigest(), content))


def load(origin: Origin) -> None:
    """Register the components of `origin` in this process, unless they are already.

    Raises:
        PluginError: see `plugin`; or the object cannot be unpickled here.
    """
    known = (component.origin for registry in REGISTRIES.values() for component in registry.values())
    if origin not in known:
        _commit(_run(origin) if origin.path else [_unpickled(origin)], origin)


def register(key: str, name: str, component: Component) -> None:
    """Give a component of the user a name among those of the setting `key`.

    An object registered from Python replaces an earlier one of its name: the cell of a notebook can be run again.

    Raises:
        PluginError: the name is taken, or cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"{name!r} cannot be the name of a component", "use letters, digits and _")
    if "name" in component.params:
        raise PluginError(f"a parameter of {name} is called name", "in a spec, name is that of the component")
    entries, entry = _staged.get(), _Entry(key, name, component)
    if entries is None:
        defaults = {parameter: param.default for parameter, param in component.params.items()}
        twin = component.twin if isinstance(component, Activation) else None
        _commit([entry], Origin("", digest_of(name, component.target, twin, key, name, defaults)))
    else:
        entries.append(entry)


def shipped(entries: Iterable[tuple[str, str]]) -> tuple[Origin, ...]:
    """Return what `load` needs in another process to know the components of the user among `entries`, (key, name).

    Raises:
        PluginError: one was registered from Python, and cannot be sent to another process.
    """
    origins: dict[Origin, Origin] = {}
    for key, name in entries:
        component = REGISTRIES[key][name]
        if origin := component.origin:
            content = origin.content or _pickled(_Entry(key, name, component))
            origins.setdefault(origin, replace(origin, content=content))
    return tuple(origins.values())


def _commit(entries: Sequence[_Entry], origin: Origin) -> None:
    """Register all entries, or none: raises PluginError when a name is taken from elsewhere."""
    claimed: set[tuple[str, str]] = set()
    for key, name, _ in entries:
        present, owner = REGISTRIES[key].get(name), ""
        if present is None and name in ALIASES.get(key, {}):
            owner = f"gradlab's own, another name of {ALIASES[key][name]}"
        elif present is not None and present.origin is None:
            owner = "gradlab's own"
        elif present is not None and present.origin.path != origin.path:
            owner = f"of {present.origin.path or 'an object registered from Python'}"
        elif (key, name) in claimed:
            owner = "of the same file"
        if owner:
            prefix = f"{origin.path}: " if origin.path else ""
            raise PluginError(f"{prefix}the {key} {name!r} is there already, {owner}", "choose another name")
        claimed.add((key, name))
    if origin.path:
        for registry in REGISTRIES.values():
            for name in [name for name, known in registry.items() if known.origin and known.origin.path == origin.path]:
                del registry[name]
    for key, name, component in entries:
        REGISTRIES[key][name] = replace(component, origin=origin)


def _run(origin: Origin) -> list[_Entry]:
    module = ModuleType(f"gradlab_plugin_{origin.digest[:16]}")
    module.__file__ = origin.path
    entries: list[_Entry] = []
    token = _staged.set(entries)
    sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout may be a document, as of --json
            exec(compile(origin.content, origin.path, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise failure(origin, error) from error
    finally:
        _staged.reset(token)
    return entries


def failure(origin: Origin, error: BaseException, subject: str = "", place: str = "") -> PluginError:
    """Return an exception of the file as one message that begins with the file and the line.

    `subject` is said next, as ``model mynet: ``; `place` is where it comes from if no line of the file is running.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin.path]
    line = frames[-1].lineno if frames else error.lineno if isinstance(error, SyntaxError) else None
    location = f"{origin.path}:{line}" if line else place or origin.path
    if isinstance(error, GradlabError):
        return PluginError(f"{location}: {error.message}", error.hint)
    reason = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
    lines = origin.content.decode("utf-8", "replace").splitlines()
    code = lines[line - 1].strip() if line and line <= len(lines) else ""
    message = f"{subject}{type(error).__name__}: {reason}".rstrip(": ")
    return PluginError(f"{location}: {message}" if location else message, code)


def _pickled(entry: _Entry) -> bytes:
    subject = f"the {entry.key} {entry.name!r} was registered from Python, and"
    for name in ("cloudpickle", "ray.cloudpickle"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        try:
            content: bytes = module.dumps(entry)
        except Exception as error:  # whatever the object's own pickling raises
            message = f"{subject} it cannot be pickled ({type(error).__name__}: {error})"
            raise PluginError(message, _OWN_FILE) from error
        return content
    hint = f"{_OWN_FILE}, install cloudpickle, or work in this process: gl.run(…, workers=0)"
    raise PluginError(f"{subject} worker processes cannot get it without cloudpickle", hint)


def _unpickled(origin: Origin) -> _Entry:
    try:
        entry: _Entry = pickle.loads(origin.content)
    except Exception as error:  # its module is not importable here, for one
        message = f"an object registered from Python cannot be made in a worker: {type(error).__name__}: {error}"
        raise PluginError(message, _OWN_FILE) from error
    return entry
