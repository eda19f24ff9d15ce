"""Formulas of the site: indices and exponents go into their places, and no character of a page is lost."""

from __future__ import annotations

import html
import re

import pytest
from documented import text_of
from sitepages import formulas


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("σ_w² E φ'(x_{l-1})²", "σ<sub>w</sub>² E φ'(x<sub>l-1</sub>)²"),
        ("φ'_aφ'_b", "φ'<sub>a</sub>φ'<sub>b</sub>"),
        ("g²_{l-1}", "g²<sub>l-1</sub>"),
        ("A_i'j' u_ii'", "A<sub>i'j'</sub> u<sub>ii'</sub>"),
        ("e^{s_ij}/Σ_jl", "e<sup>s<sub>ij</sub></sup>/Σ<sub>jl</sub>"),
        ("10^-19.5, over", "10<sup>-19.5</sup>, over"),
        ("B^(-1/(2m-2))", "B<sup>(-1/(2m-2))</sup>"),
        ("SS_factor", "SS<sub>factor</sub>"),
        ("he_normal, t_fixup, seq_len, 1/fan_in, xi_grad", "he_normal, t_fixup, seq_len, 1/fan_in, xi_grad"),
        ("`x_l` and [a_b](c_d.md)", "`x_l` and [a<sub>b</sub>](c_d.md)"),
        ("```\nx_l\n\n    y_l = 1\n\n```", "```\nx_l\n\n    y_l = 1\n\n```"),
        (
            "is\n\n    h < W x_l,  E f\n    `code_l`\n\nwith",
            'is\n\n<div class="formula" markdown="0"><i>h</i> &lt; <i>W</i> <i>x</i><sub><i>l</i></sub>,  E <i>f</i>\n'
            "<code>code_l</code></div>\n\nwith",
        ),
    ],
)
def test_a_formula_is_set(written: str, shown: str) -> None:
    assert formulas.typeset(written) == shown


@pytest.mark.parametrize("name", sorted(formulas.PAGES))
def test_no_character_is_lost(name: str) -> None:
    written = text_of(f"docs/{name}")
    tags = r'</?(?:sub|sup|i|code)>|<div class="formula" markdown="0">|</div>'
    shown = html.unescape(re.sub(tags, "", formulas.typeset(written)))
    assert re.sub(r"[_^{}\s`]", "", shown) == re.sub(r"[_^{}\s`]", "", html.unescape(written))


def test_the_formulas_of_the_derivations_are_set() -> None:
    shown = formulas.typeset(text_of("docs/derivations.md"))
    assert shown.count('class="formula"') > 20
    outside = re.sub(r"`[^`]+`|\]\([^)]*\)|<[^>]+>", "", shown)
    left = {word.strip(".,") for word in re.findall(r"\S*[_^]\S*", outside)}
    assert left == {"fan_in", "post_activation", "pre_activation", "sigma_b2"}
