"""Statements about results, read from their text; the grammar stands in `parser`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from gradlab.cell import SETTINGS
from gradlab.query.columns import like
from gradlab.query.expressions import And, Expression
from gradlab.query.parser import Bind, Expressions
from gradlab.query.scanner import STATEMENT, QueryError, Scanner, Token
from gradlab.query.statements import AGGREGATES, BLOCK_COLUMNS, COLUMNS, LAST_BLOCK, Quantity, Statement

__all__ = ["parse_statement"]

_LONGEST_EXPONENT = 5
_METRICS = ("accuracy", "acc", "val_accuracy", "val_acc", "test_accuracy", "r2", "r2_score", "score")
"""What `metric` is called elsewhere."""
_WITHIN = "as in within 2% of theory_decay"
_SLOPE = "as in slope(weight_grad_norm(block=last), depth)"


def parse_statement(text: str, bind: Bind) -> Statement:
    """Return the statement that `text` is; `bind` gives the comparisons in its brackets their meaning.

    Raises QueryError as `parse` does.
    """
    return _Statements(Scanner(text, arithmetic=True), bind).statement()


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
        if name.text in (*AGGREGATES, "slope") and scanner.token.kind == "(":
            if aggregate:
                raise QueryError(f"{name.text} is one number already", name.at)
            scanner.step()
            quantity = self._column(factor, name.text)
            if name.text == "slope":
                quantity = replace(quantity, along=self._axis())
            if not scanner.take(")"):
                scanner.fail(f"expected ), found {scanner.token}")
            return quantity
        if name.text not in COLUMNS and name.text not in BLOCK_COLUMNS:
            known = (*COLUMNS, *BLOCK_COLUMNS)
            otherwise = like(name.text, known, f"there are {', '.join(known)}")
            if name.text in _METRICS:
                otherwise = "write metric: the accuracy of classes, r2 of numbers"
            hint = f"settings stand in brackets, as in survival[{name.text}=…]" if name.text in SETTINGS else otherwise
            raise QueryError(f"there is no column '{name.text}'", name.at, hint)
        block = self._block(name)
        selection = self._selection(scanner.token) if scanner.token.kind == "[" else None
        return Quantity(factor, name.text, selection, aggregate, block)

    def _block(self, name: Token) -> int | None:
        """Return the block in parentheses behind the name of a column, and go on after them; None without."""
        scanner, example = self._scanner, f"as in {name.text}(block=2) or {name.text}(block=last)"
        if name.text not in BLOCK_COLUMNS:
            if scanner.token.kind == "(":
                hint = f"{', '.join(BLOCK_COLUMNS)} are numbers of a block"
                scanner.fail(f"{name.text} is no number of a block", hint)
            return None
        for kind, text in (("(", "("), ("word", "block"), ("sign", "=")):
            if scanner.token.kind != kind or scanner.token.text != text:
                raise QueryError(f"{name.text} is a number of a block, and none is named", name.at, example)
            scanner.step()
        at, last = scanner.token.at, scanner.take_word("last")
        number = Decimal(LAST_BLOCK) if last else self._number("or last after block=", example)
        if not last and (number < 1 or number != int(number)):
            raise QueryError("blocks are counted from 1, next to the input", at, example)
        if not scanner.take(")"):
            scanner.fail(f"expected ), found {scanner.token}", example)
        return int(number)

    def _axis(self) -> str:
        """Return the setting that stands behind the comma of a slope, and go on after it."""
        scanner = self._scanner
        if not scanner.take(","):
            scanner.fail(f"expected a comma and a setting, found {scanner.token}", _SLOPE)
        setting = SETTINGS.get(scanner.token.text)
        if setting is None or setting.is_component or setting.param.many or setting.key == "seed":
            scanner.fail(f"expected a setting that is a number, found {scanner.token}", _SLOPE)
        return scanner.step().text

    def _selection(self, opening: Token) -> Expression:
        """Return the expression in brackets, and go on after them."""
        if "]" not in self._scanner.text[opening.at :]:
            self._scanner.fail("this bracket is never closed")
        inner = Scanner(self._scanner.text, start=opening.at + 1)
        expression: Expression = And()
        if inner.token.kind != "]":
            expression = Expressions(inner, self._bind).expression()
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
