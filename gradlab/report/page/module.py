"""A measured model as one HTML page that needs no network and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from gradlab.definitions import FIRST_STEPS
from gradlab.errors import printable
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.marks import Mark
from gradlab.report.model.module_conclusions import conclusions, details, heading
from gradlab.report.model.module_cures import CureRow, loss_text
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.module_table import block_table
from gradlab.report.page.build import stylesheet

__all__ = ["blocks", "escaped", "image", "listed", "module_page", "standalone", "survival"]

_STYLE = "".join(
    f"td.{side}{shade} {{ background: var(--{side}{shade}); color: var(--on); }}\n"
    for side in "ve"
    for shade in range(1, 6)
)
_OWN = (
    "td, th { padding: 2px 10px; text-align: right; } td.text, th.text { text-align: left; } img { max-width: 100%; }\n"
    "h2 { margin-top: 26px; } thead { position: sticky; top: 0; }\n"
)
_POLICY = "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"


def module_page(result: ModuleReport, cures: Sequence[CureRow], picture: bytes) -> str:
    """Return the page: conclusions, picture (an SVG), blocks, what was tried, how it was measured."""
    row = '<tr><th class="text">{}</th><td class="text">{}</td></tr>'
    how = "".join(row.format(escaped(name), escaped(text)) for name, text in details(result))
    return standalone(heading(result, UNICODE.dot), [
        listed("Conclusions", conclusions(result)),
        image("Norm of the gradient at each block, as in the table", picture),
        f"<h2>Blocks, from the data to the loss</h2>{blocks(result)}",
        _cures(cures),
        f"<h2>How it was measured</h2><table>{how}</table>",
    ])  # fmt: skip


def standalone(title: str, parts: Sequence[str]) -> str:
    """Return a page of some parts, which are markup."""
    style = stylesheet() + _STYLE + _OWN
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(hash=digest)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{style}</style></head>\n"
        f"<body><header><h1>{escaped(title)}</h1></header><main>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def image(words: str, svg: bytes) -> str:
    """Return a picture as markup; `words` are what a reader without pictures has."""
    drawn = base64.b64encode(svg).decode("ascii")
    return f'<img alt="{escaped(words)}" src="data:image/svg+xml;base64,{drawn}">'


def listed(title: str, sentences: Sequence[str]) -> str:
    """Return sentences as a list below a heading; nothing without any."""
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escaped(line)}</li>' for line in sentences)}</ul>" if sentences else ""


def escaped(text: str) -> str:
    """Return a text as it stands in markup."""
    return escape(printable(text))


def blocks(result: ModuleReport) -> str:
    """Return the table of the blocks."""
    table = block_table(result, None)
    heads = "".join(f'<th title="{escaped(column.meaning)}">{escaped(column.title)}</th>' for column in table.columns)
    rows = []
    for row in table.rows:
        fields = "".join(
            survival(row.mark) if column.key == "log10_survival" else f"<td>{escaped(row.texts[column.key])}</td>"
            for column in table.columns
        )
        rows.append(f'<tr><td>{row.number}</td><td class="text">{escaped(table.prefix + row.name)}</td>{fields}</tr>')
    head = f'<tr><th></th><th class="text">block</th>{heads}</tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def survival(mark: Mark) -> str:
    """Return the field of a survival in its colour."""
    shade = f' class="{"v" if mark.shade < 0 else "e"}{abs(mark.shade)}"' if mark.shade else ""
    return f"<td{shade}>{escaped(f'{mark.text} {UNICODE.sign(mark.sign)}'.strip())}</td>"


def _cures(rows: Sequence[CureRow]) -> str:
    if not rows:
        return ""
    trained = any(row.trained is not None for row in rows)

    def fields(row: CureRow) -> str:
        later = survival(row.trained) if row.trained else "<td></td>"
        return survival(row.start) + (f"{later}<td>{escaped(loss_text(row))}</td>" if trained else "")

    body = "".join(
        f'<tr><td class="text">{escaped(row.what)}</td>{fields(row)}<td class="text">{escaped(row.verdict)}</td></tr>'
        for row in rows
    )
    best = next((row for row in rows if row.helps), None)
    code = f"<h3>The code of the first change</h3><pre>{escape(best.code)}</pre>" if best else ""
    later = f"<th>after {FIRST_STEPS} steps</th><th>loss</th>" if trained else ""
    head = f'<tr><th class="text">change</th><th>at the start</th>{later}<th></th></tr>'
    return f"<h2>Changes, each measured on a copy (log10 of the survival)</h2><table>{head}{body}</table>{code}"
