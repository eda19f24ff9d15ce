"""The grammar of queries, and its one parser.

    expression = alternatives {"," alternatives}
    alternatives = conjunction {"or" conjunction}
    conjunction = negation {["and"] negation}
    negation   = "not" negation | "(" expression ")" | condition
    condition  = NAME SIGN value | NAME SIGN list | NAME ["not"] "in" list | NAME ["not"] "in" RANGE
    list       = "[" value {"," value} "]"
    value      = NUMBER | RANGE | TEXT | COMPONENT | QUOTED TEXT
    statement  = quantity SIGN quantity | quantity "within" NUMBER ["%"] "of" quantity
    quantity   = NUMBER | [NUMBER "*"] column | column ("*" | "/") NUMBER
    column     = NAME ["[" [expression] "]"] | ("mean" | "min" | "max") "(" column ")"

A SIGN is one of ``= == != < <= > >=``. A RANGE is ``2..64``, ``2..64:2`` or ``1e-3..1*10``, a COMPONENT
``lstm(forget_bias=1)``; its name alone means it in every form. A text that holds a space, a sign or a bracket needs
quotation marks, a pair of which inside of the text stands for one.

A comma is an `and` that joins what stands on both sides of it, alternatives included.

An expression stands in `--where`, `--fail-on`, `exclude` and the filter of the page; a statement under `expect`, the
expression in its brackets being a selection of configurations; `--baseline` is an expression of equalities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from gradlab.cell import REGISTRIES, SETTINGS
from gradlab.components import ALIASES
from gradlab.errors import shorten
from gradlab.query.columns import WrittenCondition, like
from gradlab.query.expressions import And, Condition, Expression, Not, Or, conjuncts
from gradlab.query.scanner import DEEPEST, STATEMENT, QueryError, Scanner, Token
from gradlab.query.statements import AGGREGATES, COLUMNS, Quantity, Statement

__all__ = ["parse", "parse_statement"]

Bind = Callable[[WrittenCondition], Condition]
"""Gives a comparison its meaning; raises QueryError where it has none."""

_LONGEST_EXPONENT = 5
_EXAMPLE = "as in depth>=16, norm=none or activation in [relu, tanh]"
_METRICS = ("accuracy", "acc", "val_accuracy", "val_acc", "test_accuracy", "r2", "r2_score", "score")
"""What `metric` is called elsewhere."""
_WITHIN = "as in within 2% of theory_decay"


def parse(text: str, bind: Bind) -> Expression:
    """Return the expression that `text` is; `bind` gives each comparison its meaning.

    Raises QueryError for anything else than the grammar of this module, in time that is linear in the text.
    """
    parser = _Expressions(Scanner(text), bind)
    expression = parser.expression()
    if parser.scanner.token.kind != "end":
        parser.scanner.fail(f"expected and, or, or the end, found {parser.scanner.token}")
    return expression


def parse_statement(text: str, bind: Bind) -> Statement:
    """Return the statement that `text` is; `bind` gives the comparisons in its brackets their meaning.

    Raises QueryError as `parse` does.
    """
    return _Statements(Scanner(text, arithmetic=True), bind).statement()


class _Expressions:
    def __init__(self, scanner: Scanner, bind: Bind) -> None:
        self.scanner, self._bind = scanner, bind
        self._depth = 0

    def expression(self) -> Expression:
        parts = [self._alternatives()]
        while self.scanner.take(","):
            parts.append(self._alternatives())
        return parts[0] if len(parts) == 1 else And(tuple(part for each in parts for part in conjuncts(each)))

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


class _Statements:
    def __init__(self, scanner: Scanner, bind: Bind) -> None:
        self._scanner, self._bind = scanner, bind

    def statement(self) -> Statement:
        scanner = self._scanner
        if scanner.token.kind == "end":
            scanner.fail("there is no statement here", STATEMENT)
        left = self._quantity()
        if scanner.take_word("within"):
            statement = self._within(left)
        elif sign := scanner.take("sign"):
            statement = Statement(left, "=" if sign.text == "==" else sign.text, self._quantity())
        else:
            scanner.fail(f"expected a comparison, found {scanner.token}", f"<, <=, >, >=, == or within, {STATEMENT}")
        if scanner.token.kind == "sign":
            scanner.fail("a statement has one comparison", "write two statements")
        if scanner.token.kind != "end":
            hint = "conditions on settings stand in brackets, and each claim is a statement of its own"
            scanner.fail(f"expected the end, found {scanner.token}", f"{hint}, {STATEMENT}")
        if not statement.quantities:
            raise QueryError("this compares two numbers and says nothing of the results", 0, STATEMENT)
        return statement

    def _within(self, left: Quantity) -> Statement:
        at = self._scanner.token.at
        tolerance = self._number("after within", _WITHIN)
        relative = self._scanner.take("%") is not None
        if not self._scanner.take_word("of"):
            self._scanner.fail(f"expected 'of', found {self._scanner.token}", _WITHIN)
        if tolerance < 0 or tolerance.is_infinite():
            raise QueryError("a tolerance is a number of at least 0", at, _WITHIN)
        return Statement(left, "within", self._quantity(), tolerance / 100 if relative else tolerance, relative)

    def _quantity(self) -> Quantity:
        scanner = self._scanner
        if scanner.token.kind == "number":
            at = scanner.token.at
            factor = self._number("", "")
            if not scanner.take("*"):
                return Quantity(factor)
            return self._column(_finite(factor, at))
        quantity = self._column(Decimal(1))
        if operation := scanner.take("*", "/"):
            at = scanner.token.at
            number = _finite(self._number(f"after {operation.text}", ""), at)
            if operation.kind == "/" and not number:
                raise QueryError("a division by 0", at)
            return replace(quantity, factor=1 / number if operation.kind == "/" else number)
        return quantity

    def _column(self, factor: Decimal, aggregate: str = "") -> Quantity:
        scanner = self._scanner
        name = scanner.token
        if name.kind != "word" or name.text in ("within", "of"):
            scanner.fail(f"expected a column or a number, found {name}", STATEMENT)
        scanner.step()
        if name.text in AGGREGATES and scanner.token.kind == "(":
            if aggregate:
                raise QueryError(f"{name.text} is one number already", name.at)
            scanner.step()
            quantity = self._column(factor, name.text)
            if not scanner.take(")"):
                scanner.fail(f"expected ), found {scanner.token}")
            return quantity
        if name.text not in COLUMNS:
            otherwise = like(name.text, COLUMNS, f"there are {', '.join(COLUMNS)}")
            if name.text in _METRICS:
                otherwise = "write metric: the accuracy of classes, r2 of numbers"
            hint = f"settings stand in brackets, as in survival[{name.text}=…]" if name.text in SETTINGS else otherwise
            raise QueryError(f"there is no column '{name.text}'", name.at, hint)
        selection = self._selection(scanner.token) if scanner.token.kind == "[" else None
        return Quantity(factor, name.text, selection, aggregate)

    def _selection(self, opening: Token) -> Expression:
        """Return the expression in brackets, and go on after them."""
        if "]" not in self._scanner.text[opening.at :]:
            self._scanner.fail("this bracket is never closed")
        inner = Scanner(self._scanner.text, start=opening.at + 1)
        expression: Expression = And()
        if inner.token.kind != "]":
            expression = _Expressions(inner, self._bind).expression()
        if inner.token.kind == "end":
            raise QueryError("this bracket is never closed", opening.at)
        if inner.token.kind != "]":
            inner.fail(f"expected and, or, or ], found {inner.token}", "as in survival[activation=relu, depth>=16]")
        self._scanner.move(inner.token.at + 1)
        return expression

    def _number(self, place: str, hint: str) -> Decimal:
        token = self._scanner.token
        if token.kind != "number":
            self._scanner.fail(" ".join(f"expected a number {place}, found {token}".split()), hint)
        if len(token.text.lower().partition("e")[2].lstrip("+-")) > _LONGEST_EXPONENT:
            self._scanner.fail("this number is beyond all measure")
        self._scanner.step()
        return Decimal(token.text.replace("_", ""))


def _finite(number: Decimal, at: int) -> Decimal:
    if number.is_infinite():
        raise QueryError("a factor must be finite", at)
    return number


def _no_comparison(name: str, after: Token) -> str:
    """Return what to say to somebody who wrote a name and no written."""
    if after.kind == "[":
        return "brackets stand in statements under expect:; here write depth=32 and survival>1e-3"
    for key, registry in REGISTRIES.items():
        if name in registry or name in ALIASES.get(key, {}):
            return f"write {key}={name}"
    return _EXAMPLE
