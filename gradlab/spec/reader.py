"""YAML text to a document with marks. Nothing in a spec can import or run code, or grow without bound.

PyYAML composes the nodes; the subclass here adds what they do not tell: where an alias stands, whether a tag was
written, how deep and how large the document is. Scalars are resolved as in YAML 1.2 (`ScalarNode.plain`), not 1.1.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml import events
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from gradlab.errors import Problem, SpecError, printable, shorten
from gradlab.spec.node import Entry, MappingNode, Mark, Node, Problems, ScalarNode, SequenceNode

__all__ = ["compose", "compose_value", "read_text"]

LARGEST_FILE = 1_000_000
"""Bytes. A spec is written by hand; a larger file is something else."""
DEEPEST = 20
MOST_VALUES = 100_000
"""Values of a document, aliases written out."""

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LINES = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def read_text(path: Path) -> str:
    """Return the text of a spec file.

    Raises:
        SpecError: it is missing, a directory, unreadable, too large, binary or not UTF-8.
    """
    source = str(path)
    try:
        if path.is_dir():
            raise _fatal(Mark(source), "is a directory, not a spec", _specs_in(path))
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        name, equals, value = source.partition("=")
        hint = f"a setting is overridden by -s {name.lstrip('+-')}={value}" if equals else ""
        raise _fatal(Mark(source), "there is no such file", hint) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _fatal(Mark(source), f"cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    if len(data) > LARGEST_FILE:
        raise _fatal(Mark(source), f"is larger than {LARGEST_FILE:,} bytes: this is not a spec")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _fatal(Mark(source), "is UTF-16 text", "save it as UTF-8")
    if b"\0" in data:
        raise _fatal(Mark(source), "is a binary file, not a spec")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _fatal(Mark(source), f"is not UTF-8 text (line {line})", "save it as UTF-8") from None


def _specs_in(directory: Path) -> str:
    names = sorted(entry.name for entry in directory.iterdir() if entry.suffix in (".yaml", ".yml"))
    return f"it holds {', '.join(names[:5])}{', …' * (len(names) > 5)}" if names else ""


def _fatal(mark: Mark, message: str, hint: str = "") -> SpecError:
    return SpecError((Problem(message, mark.source, mark.line, mark.column, mark.text, hint),))


def compose(text: str, source: str, problems: Problems) -> MappingNode:
    """Return the mapping that `text` is; duplicate keys are added to `problems`.

    Raises:
        SpecError: the text is not one YAML mapping.
    """
    node = _Document(text.removeprefix("\ufeff"), source, problems).root()
    if node is None or (isinstance(node, ScalarNode) and node.empty):
        raise _fatal(Mark(source), "is empty", "a spec needs at least a name, as in: name: my_first_run")
    if not isinstance(node, MappingNode):
        kind = "a list" if isinstance(node, SequenceNode) else "a single value"
        raise _fatal(node.mark, f"a spec is a mapping of settings, this is {kind}", "write one 'key: value' a line")
    return node


def compose_value(text: str, mark: Mark, problems: Problems) -> Node | None:
    """Return a value of an option or a condition: YAML in brackets or quotes, else plain text; every place is `mark`.

    None, and a problem added, if it is not YAML.
    """
    if text[:1] not in ("{", "[", "'", '"'):
        return ScalarNode.plain(mark, text)
    before = len(problems)
    try:
        node = _Document(text, mark.source, problems, fixed=mark).root()
    except SpecError as error:
        problems.extend(error.problems)
        return None
    return node if len(problems) == before else None


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer of untagged nodes, with bounds. `mark_of` turns a mark of PyYAML into one of ours."""

    def __init__(self, text: str, mark_of: Callable[[Any], Mark]) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._mark_of = mark_of
        self._depth = self._values = 0
        self._sizes: dict[str, int] = {}
        """Values under each anchor, aliases written out; 0 while its node is not complete."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node, or the one that the next alias stands for."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark, anchor = self._mark_of(event.start_mark), event.anchor
        if isinstance(event, events.AliasEvent):
            if anchor not in self._sizes:
                raise _fatal(mark, f"the alias *{anchor} stands for nothing: there is no &{anchor} above it")
            if not self._sizes[anchor]:
                raise _fatal(mark, f"the alias *{anchor} stands inside of what it stands for")
            self._count(self._sizes[anchor], mark)
            return super().compose_node(parent, index)
        if event.tag is not None:
            tag = shorten(event.tag.replace("tag:yaml.org,2002:", "!!"))
            raise _fatal(mark, f"the tag {tag} is not allowed: a spec holds plain values only", "remove the tag")
        before = self._values
        self._count(1, mark)
        self._depth += isinstance(event, events.CollectionStartEvent)
        if self._depth > DEEPEST:
            raise _fatal(mark, f"nested more than {DEEPEST} levels deep")
        if anchor is not None:
            self.anchors.pop(anchor, None)  # YAML lets an anchor be given anew, PyYAML does not
            self._sizes[anchor] = 0
        node = super().compose_node(parent, index)
        self._depth -= isinstance(event, events.CollectionStartEvent)
        if anchor is not None:
            self._sizes[anchor] = self._values - before
        return node

    def _count(self, size: int, mark: Mark) -> None:
        self._values += size
        if self._values > MOST_VALUES:
            raise _fatal(mark, f"this file holds more than {MOST_VALUES:,} values, counting what its aliases stand for")


class _Document:
    """One YAML text: its root as a `Node`, and its syntax errors as problems of a spec."""

    def __init__(self, text: str, source: str, problems: Problems, fixed: Mark | None = None) -> None:
        self._text, self._source, self._problems, self._fixed = text, source, problems, fixed
        self._lines = [printable(line.rstrip().replace("\t", " ")) for line in _LINES.split(text)]

    def root(self) -> Node | None:
        """Return the node of the one document, or None for an empty stream."""
        try:
            node = _Composer(self._text, self._mark).get_single_node()
            return None if node is None else self._node(node)
        except ReaderError as error:
            before = _LINES.split(self._text[: error.position])
            raise _strange(self._place(len(before) - 1, len(before[-1])), self._text[error.position]) from None
        except yaml.MarkedYAMLError as error:
            raise self._syntax(error) from None
        except (ValueError, OverflowError) as error:  # PyYAML turns "\\U00110000" and version numbers into trouble
            raise _fatal(Mark(self._source), f"this is not YAML: {error}") from None

    def _mark(self, start: Any) -> Mark:
        return self._place(start.line, start.column)

    def _place(self, line: int, column: int) -> Mark:
        if self._fixed:
            return self._fixed
        text = self._lines[line] if line < len(self._lines) else ""
        return Mark(self._source, line + 1, column + 1, text)

    def _node(self, node: yaml.Node) -> Node:
        mark = self._mark(node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            text = _PAIR.sub(_of_pair, node.value)  # two escapes for one character, as JSON has them
            if strange := Reader.NON_PRINTABLE.search(text):  # by an escape such as "\\e"
                raise _strange(mark, strange[0])
            if node.style is None:
                return ScalarNode.plain(mark, text)
            return ScalarNode(mark, text, text, quoted=True)
        if isinstance(node, yaml.SequenceNode):
            return SequenceNode(mark, tuple(map(self._node, node.value)))
        entries: dict[str, Entry] = {}
        for key, value in ((self._node(key), self._node(value)) for key, value in node.value):
            if not isinstance(key, ScalarNode):
                self._problems.add(key.mark, "a key must be a name, this is a list or a mapping")
            elif key.text == "<<" and not key.quoted:
                self._problems.add(key.mark, "merge keys (<<) are not known here", "write the settings out")
            elif first := entries.get(key.text):
                self._problems.add(key.mark, f"duplicate key '{key.text}', first given at line {first.mark.line}")
            else:
                entries[key.text] = Entry(key.text, key.mark, value)
        return MappingNode(mark, tuple(entries.values()))

    def _syntax(self, error: yaml.MarkedYAMLError) -> SpecError:
        problem, context = error.problem or "", error.context or ""
        at = error.problem_mark or error.context_mark
        began = error.context_mark or at
        assert at is not None
        assert began is not None
        problem_mark, start_mark = self._place(at.line, at.column), self._place(began.line, began.column)
        if "another document" in problem:
            hint = "a file holds one spec; remove the '---' or make two files"
            return _fatal(problem_mark, "a second document begins here", hint)
        if "character '\\t'" in problem:
            return _fatal(problem_mark, "a tab where YAML wants spaces", "indent with spaces")
        if "that cannot start any token" in problem:
            quoted = problem.partition("character ")[2].partition(" that")[0]
            return _fatal(problem_mark, f"a value cannot begin with {quoted}", "put the value in quotes")
        if "mapping values are not allowed" in problem:
            hint = "check the indentation, or quote a value that holds ': '"
            return _fatal(problem_mark, "a second ':' in one value, or a line that is indented too far", hint)
        if "unexpected end of stream" in problem and "quoted scalar" in context:
            return _fatal(start_mark, "this quote is never closed")
        if "while parsing a flow" in context:
            collection = "list [" if "sequence" in context else "mapping {"
            if "stream end" in problem:
                return _fatal(start_mark, f"the {collection} is never closed")
            return _fatal(
                problem_mark,
                f"the {collection} that begins at {start_mark} is not closed, or a comma is missing before this",
            )
        if "expected <block end>" in problem or ("expected the node content" in problem and "block" in context):
            return _fatal(problem_mark, "the indentation of this line does not fit the lines above")
        if "could not find expected ':'" in problem:
            return _fatal(start_mark, "a key without a ':' and a value")
        return _fatal(problem_mark, f"this is not YAML: {problem or context}")


def _of_pair(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _strange(mark: Mark, character: str) -> SpecError:
    return _fatal(mark, f"the character U+{ord(character):04X} cannot stand in a spec")
