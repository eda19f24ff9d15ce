"""The grammar of queries, and the parser of expressions; `statement_parser` has that of statements.

    expression = alternatives {"," alternatives}
    alternatives = conjunction {"or" conjunction}
    conjunction = negation {["and"] negation}
    negation   = "not" negation | "(" expression ")" | condition
    condition  = NAME SIGN value | NAME SIGN list | NAME ["not"] "in" list | NAME ["not"] "in" RANGE
    list       = "[" value {"," value} "]"
    value      = NUMBER | RANGE | TEXT | COMPONENT | QUOTED TEXT
    statement  = quantity SIGN quantity | quantity "within" NUMBER ["%"] "of" quantity
    quantity   = NUMBER | [NUMBER "*"] column | column ("*" | "/") NUMBER
    column     = NAME [of_block] ["[" [expression] "]"] | ("mean" | "min" | "max") "(" column ")"
               | "slope" "(" column "," NAME ")"
    of_block   = "(" "block" "=" (NUMBER | "last") ")"

A SIGN is one of ``= == != < <= > >=``. A RANGE is ``2..64``, ``2..64:2`` or ``1e-3..1*10``, a COMPONENT
``lstm(forget_bias=1)``; its name alone means it in every form. A text that holds a space, a sign or a bracket needs
quotation marks, a pair of which inside of the text stands for one.

A comma is an `and` that joins what stands on both sides of it, alternatives included.

An expression stands in `--where`, `--fail-on`, `exclude` and the filter of the page; a statement under `expect`, the
expression in its brackets being a selection of configurations; `--baseline` is an expression of equalities.
"""

from __future__ import annotations

from collections.abc import Callable

from gradlab.cell import REGISTRIES
from gradlab.components import ALIASES
from gradlab.errors import shorten
from gradlab.query.columns import WrittenCondition
from gradlab.query.expressions import And, Condition, Expression, Not, Or, conjuncts
from gradlab.query.scanner import DEEPEST, QueryError, Scanner, Token

__all__ = ["Bind", "Expressions", "parse"]

Bind = Callable[[WrittenCondition], Condition]
"""Gives a comparison its meaning; raises QueryError where it has none."""

_EXAMPLE = "as in depth>=16, norm=none or activation in [relu, tanh]"


def parse(text: str, bind: Bind) -> Expression:
    """Return the expression that `text` is; `bind` gives each comparison its meaning.

    Raises QueryError for anything else than the grammar of this module, in time that is linear in the text.
    """
    parser = Expressions(Scanner(text), bind)
    expression = parser.expression()
    if parser.scanner.token.kind != "end":
        parser.scanner.fail(f"expected and, or, or the end, found {parser.scanner.token}")
    return expression


class Expressions:
    """Reads an expression from where a scanner stands."""

    def __init__(self, scanner: Scanner, bind: Bind) -> None:
        self.scanner, self._bind = scanner, bind
        self._depth = 0

    def expression(self) -> Expression:
        parts = [self._alternatives()]
        while self.scanner.take(","):
            parts.append(self._alternatives())
        return parts[0] if len(parts) == 1 else And(tuple(conjunct for part in parts for conjunct in conjuncts(part)))

    def _alternatives(self) -> Expression:
        parts = [self._conjunction()]
        while self.scanner.take_word("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Expression:
        parts = [self._negation()]
        while self.scanner.take_word("and") or self._begins():
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _begins(self) -> bool:
        """Whether a further condition follows without a joiner."""
        token = self.scanner.token
        return token.kind == "(" or (token.kind == "word" and token.keyword in ("", "not"))

    def _negation(self) -> Expression:
        opening = self.scanner.take_word("not") or self.scanner.take("(")
        if opening is None:
            return self._condition()
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryError(f"more than {DEEPEST} parentheses and nots are inside of each other", opening.at)
        if opening.kind == "word":
            expression: Expression = Not(self._negation())
        else:
            expression = self.expression()
            if self.scanner.token.kind == "end":
                raise QueryError("this parenthesis is never closed", opening.at)
            if not self.scanner.take(")"):
                self.scanner.fail(f"expected and, or, or ), found {self.scanner.token}")
        self._depth -= 1
        return expression

    def _condition(self) -> Condition:
        scanner = self.scanner
        name = scanner.token
        if name.kind != "word" or name.keyword:
            scanner.fail(f"expected the name of a column, found {name}", _EXAMPLE)
        scanner.step()
        if scanner.token.keyword == "not" and scanner.ahead().keyword in ("", "in"):
            scanner.step()
            sign = "!=" if scanner.token.keyword == "in" else ""
        else:
            sign = "=" if scanner.token.keyword == "in" else ""
        if sign:
            scanner.step()
            if scanner.token.kind != "[" and ".." not in scanner.token.text:
                scanner.fail(f"expected a list after in, found {scanner.token}", "as in depth in [16, 32]")
            operand = scanner.items("in the list") if scanner.token.kind == "[" else scanner.operand("after in")
        elif token := scanner.take("sign"):
            sign = "=" if token.text == "==" else token.text
            listed = scanner.token.kind == "["
            operand = scanner.items("in the list") if listed else scanner.operand(f"after {token.text}")
        else:
            hint = _no_comparison(name.text, scanner.token)
            scanner.fail(f"expected a comparison after {shorten(name.text)}, found {scanner.token}", hint)
        return self._bind(WrittenCondition(name.text, name.at, sign, operand))


def _no_comparison(name: str, after: Token) -> str:
    """Return what to say to somebody who wrote a name and no written."""
    if after.kind == "[":
        return "brackets stand in statements under expect:; here write depth=32 and survival>1e-3"
    for key, registry in REGISTRIES.items():
        if name in registry or name in ALIASES.get(key, {}):
            return f"write {key}={name}"
    return _EXAMPLE
