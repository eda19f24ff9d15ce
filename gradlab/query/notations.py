"""Several numbers in one text, as other tools write them: ``2 4 8``, ``(2, 4, 8)``, ``range(2, 10)``, ``np.linspace``.

What has one meaning is read; of the rest, such as ``2:10`` (with its end in MATLAB, without it in Python), the message
says how it is written here. Numbers are computed in decimal, so that ``np.linspace(0.1, 0.5, 5)`` holds 0.3.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from decimal import Decimal

from gradlab.errors import shorten
from gradlab.query.ranges import END, LONGEST, RangeError
from gradlab.query.values import NUMBER

__all__ = ["HOW", "arithmetic_hint", "is_notation", "numbers_of"]

_SPACED = re.compile(rf"{NUMBER}(?:\s+{NUMBER})+")
_LISTED = re.compile(rf"{NUMBER}(?:\s*[,;]\s*{NUMBER})+(?:\s*[,;])?")
_PAIR = re.compile(r"([0-9]+),([0-9]+)")
_CALL = re.compile(r"(?:[A-Za-z_]{1,20}\.){0,2}([A-Za-z_]{1,20})?\(([^()]*)\)")
_COLONS = re.compile(rf"(?:({END})\s*)?:\s*(?:({END})\s*)?(?::\s*(?:({END}))?)?")
_DASH = re.compile(r"([0-9]+)\s*(?:-|–|—|to|…|through|until)\s*([0-9]+)")
_WRAPPED = re.compile(r"(?:[A-Za-z_]{1,20}\.){0,2}(?:list|tuple|array|asarray|tensor|choice)\((.{1,200})\)")
_BRACKETED = re.compile(r"[\[{]([^\[\]{}]*)[\]}]")
_CONTEXT = decimal.Context(prec=40, Emax=9999, Emin=-9999)
HOW = "several values are a list, [2, 4, 8], or a range, 2..64, 2..64:2 (step) or 2..64*2 (factor)"


def is_notation(text: str) -> bool:
    """Whether a text means to be several numbers in the notation of another tool; in linear time."""
    text = text.strip()
    if any(pattern.fullmatch(text) for pattern in (_SPACED, _LISTED, _DASH)):
        return True
    if _COLONS.fullmatch(text):
        return any(character.isdigit() for character in text)
    call = _CALL.fullmatch(text)
    if call is not None and call[1] is None:
        return _LISTED.fullmatch(call[2].strip()) is not None
    return (call is not None and call[1] in _FUNCTIONS) or _inner(text) is not None


def _inner(text: str) -> str | None:
    """Return the text of several numbers inside of brackets, ``list(...)``, ``np.array([...])`` and the like."""
    wrapped = _WRAPPED.fullmatch(text)
    content = text if wrapped is None else wrapped[1].strip()
    bracketed = _BRACKETED.fullmatch(content)
    if wrapped is None and bracketed is None:
        return None
    inner = content if bracketed is None else bracketed[1]
    return inner if is_notation(inner) else None


def numbers_of(text: str, *, whole: bool = False) -> list[str]:
    """Return the numbers that a text for which `is_notation` holds means, as texts in the order they have there.

    Where only `whole` numbers can stand, a comma between two of them is no decimal comma.
    Raises RangeError for what has more than one meaning or none, with how it is written here.
    """
    text = text.strip()
    excerpt = shorten(text)
    if _SPACED.fullmatch(text):
        return text.split()
    pair = _PAIR.fullmatch(text)
    thousands = pair is not None and (len(pair[2]) == 3 if whole else pair[2].startswith("0") or len(pair[2]) == 3)
    if pair is not None and (thousands or not whole):
        point = f"{pair[1]}{pair[2]}" if thousands else f"{pair[1]}.{pair[2]}"
        raise RangeError(f"'{excerpt}' may be one number or two", f"write {point} or [{int(pair[1])}, {int(pair[2])}]")
    if _LISTED.fullmatch(text):
        return [part.strip() for part in re.split("[,;]", text) if part.strip()]
    if (ends := _DASH.fullmatch(text)) is not None:
        raise RangeError(f"cannot read '{excerpt}'", f"write {ends[1]}..{ends[2]}, both ends included")
    if (colons := _COLONS.fullmatch(text)) is not None:
        raise RangeError(f"cannot read '{excerpt}' as a range", _colon_hint(*colons.groups()))
    if (inner := _inner(text)) is not None:
        return numbers_of(inner, whole=whole)
    call = _CALL.fullmatch(text)
    assert call is not None
    if call[1] is None:
        return numbers_of(call[2], whole=whole)
    try:
        return _FUNCTIONS[call[1]](*_arguments(call[2]))
    except (TypeError, ValueError, decimal.DecimalException):
        raise RangeError(f"cannot read '{excerpt}'", HOW) from None


def _colon_hint(first: str | None, second: str | None, third: str | None) -> str:
    if first is None or second is None:
        return HOW
    if third is None:
        return f"write {first}..{second}, both ends included"
    last, by = (third, second) if Decimal(third) > Decimal(second) else (second, third)
    return f"write {first}..{last}:{by} for the numbers from {first} to {last} by {by}, both ends included"


def _arguments(text: str) -> list[Decimal]:
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    values = []
    for key, equals, value in parts:
        if equals and key.strip() not in ("num", "steps", "start", "stop", "end", "step"):
            raise ValueError(key)
        values.append(Decimal((value if equals else key).strip().replace("_", "")))
    if any(not value.is_finite() or abs(value.adjusted()) > 320 for value in values):
        raise ValueError(text)
    return values


def _steps(first: Decimal, last: Decimal | None = None, by: Decimal = Decimal(1)) -> list[str]:
    """Return what Python's range and arange hold: without the end."""
    if last is None:
        first, last = Decimal(0), first
    count = int((_CONTEXT.divide(_CONTEXT.subtract(last, first), by)).to_integral_value(decimal.ROUND_CEILING))
    if count < 1:
        raise ValueError
    return _spread(count, lambda index: _CONTEXT.fma(by, index, first))


def _linspace(first: Decimal, last: Decimal, count: Decimal = Decimal(50)) -> list[str]:
    return _spread(_whole(count), lambda index: _between(first, last, index, _whole(count)))


def _logspace(first: Decimal, last: Decimal, count: Decimal = Decimal(50), base: Decimal = Decimal(10)) -> list[str]:
    return _spread(_whole(count), lambda index: _CONTEXT.power(base, _between(first, last, index, _whole(count))))


def _geomspace(first: Decimal, last: Decimal, count: Decimal = Decimal(50)) -> list[str]:
    if first <= 0 or last <= 0:
        raise ValueError
    return _logspace(_CONTEXT.log10(first), _CONTEXT.log10(last), count)


def _between(first: Decimal, last: Decimal, index: int, count: int) -> Decimal:
    share = _CONTEXT.divide(Decimal(index), Decimal(max(count - 1, 1)))
    return _CONTEXT.fma(_CONTEXT.subtract(last, first), share, first)


def _whole(count: Decimal) -> int:
    if count != int(count) or count < 1:
        raise ValueError
    return int(count)


def _spread(count: int, value: Callable[[int], Decimal]) -> list[str]:
    if count > LONGEST:
        raise RangeError(f"these are more than {LONGEST:,} values", "take fewer")
    return [_text(value(index)) for index in range(count)]


def _text(value: Decimal) -> str:
    """Return the number that is a double's nearest, whole ones without a point."""
    return str(int(value)) if abs(value) < 10**15 and value == value.to_integral_value() else repr(float(value))


def _listed(*values: Decimal) -> list[str]:
    if not values:
        raise ValueError
    return [_text(value) for value in values]


_FUNCTIONS: dict[str, Callable[..., list[str]]] = {
    "range": _steps, "arange": _steps, "linspace": _linspace, "logspace": _logspace, "geomspace": _geomspace,
    "choice": _listed, "list": _listed, "tuple": _listed, "array": _listed, "tensor": _listed,
}  # fmt: skip


_SUFFIX = {"k": 10**3, "K": 10**3, "M": 10**6}
_TYPOGRAPHY = {ord("−"): "-", ord("–"): "-", ord("—"): "-", ord("\u00a0"): None, ord("\u202f"): None, ord("٫"): "."}
"""Signs that a text program makes of what was typed."""
_PERCENT = re.compile(rf"({NUMBER})\s*%")
_POWER = re.compile(r"([0-9]{1,4})\s*(?:\*\*|\^)\s*(-?[0-9]{1,3})")
_QUOTIENT = re.compile(r"([0-9.]{1,15})\s*/\s*([0-9.]{1,15})")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,' ][0-9]{3})+")
_WITH_SUFFIX = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([kKM])")


def arithmetic_hint(text: str) -> str:
    """Return how a number written as ``10%``, ``2**6``, ``1/3`` or ``64k`` is written here; empty for others."""
    if (typed := text.translate(_TYPOGRAPHY)) != text and re.fullmatch(NUMBER, typed):
        return f"write {typed}, in plain ASCII"
    try:
        if (match := _PERCENT.fullmatch(text)) is not None:
            return f"write {_text(Decimal(match[1].replace('_', '')) / 100)}"
        if (match := _POWER.fullmatch(text)) is not None:
            return f"write {_text(_CONTEXT.power(Decimal(match[1]), Decimal(match[2])))}"
        if (match := _QUOTIENT.fullmatch(text)) is not None:
            return f"write {_text(_CONTEXT.divide(Decimal(match[1]), Decimal(match[2])))}"
        if (match := _WITH_SUFFIX.fullmatch(text)) is not None:
            return f"write {_text(Decimal(match[1]) * _SUFFIX[match[2]])}"
        if _THOUSANDS.fullmatch(text):
            return f"write {re.sub(r'[^0-9]', '', text)}"
    except (decimal.DecimalException, OverflowError, ValueError):
        return ""
    return ""
