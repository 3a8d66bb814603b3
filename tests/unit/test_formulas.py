"""TeX to MathML: what is shown, what is refused, and no active content."""

import pytest

from courses.formulas import FormulaError, to_mathml


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\frac{1}{n} \sum_{i=1}^{n} x_i", "<munderover><mo>∑</mo>"),
        (r"w_{\text{new}} = w - \eta g", "<mtext>new</mtext>"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "<mtable><mtr><mtd><mn>1</mn></mtd>"),
        (r"\hat{y} = \sigma(w \cdot x)", '<mover accent="true">'),
        (r"a < b > c", "<mo>&lt;</mo>"),
        (r"\{ x \mid x \ge 0 \}", '<mo stretchy="false">{</mo>'),
    ],
)
def test_a_formula_becomes_mathml(tex: str, part: str) -> None:
    assert part in to_mathml(tex)


@pytest.mark.parametrize(
    ("tex", "message"),
    [
        (r"x + \nosuch{y}", r"\nosuch is unknown"),
        (r"\begin{tikz} x \end{tikz}", r"\begin{tikz} is unknown"),
        (r"\frac{1}", "a fraction, root, index or exponent is incomplete"),
        (r"x^{2", "unbalanced braces"),
        (r"x}{", "unbalanced braces"),
        (r"\left( x", "unknown TeX"),
        (r"a & b", "a character is not allowed here"),
        (r"\href{javascript:alert(1)}{x}", "a formula cannot contain links, colours or classes"),
        (r"\class{a}{x}", "a formula cannot contain links, colours or classes"),
        (r"\style{color:red}{x}", "a formula cannot contain links, colours or classes"),
        (r"\text{<script>alert(1)</script>}", "a formula cannot contain links, colours or classes"),
        (r"\newcommand{\again}{\again}\again", "unknown TeX"),
        ("", "unknown TeX"),
    ],
)
def test_formula_that_cannot_be_shown_is_refused(tex: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        to_mathml(tex)
    assert str(caught.value).startswith(message)


def test_text_that_looks_like_markup_stays_text() -> None:
    shown = to_mathml(r"x <img src=a onerror=b>")
    assert "<img" not in shown
    assert "<mo>&lt;</mo><mi>i</mi><mi>m</mi><mi>g</mi>" in shown
