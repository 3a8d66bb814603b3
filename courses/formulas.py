"""TeX to MathML. Owns what a formula may contain: only what every browser shows the same way."""

import re
from xml.etree import ElementTree

from latex2mathml.commands import MATRICES
from latex2mathml.converter import convert

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
CHILDREN = {  # exact counts; the converter builds fewer if an argument is missing
    **dict.fromkeys(("mfrac", "msub", "msup", "munder", "mover", "mroot"), 2),
    **dict.fromkeys(("msubsup", "munderover"), 3),
}
ELEMENTS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "msqrt", "mpadded"),
    *("mphantom", "mtable", "mtr", "mtd", *CHILDREN),
}
ATTRIBUTES = {
    *("display", "displaystyle", "scriptlevel", "mathvariant", "mathsize", "stretchy", "fence"),
    *("form", "accent", "accentunder", "largeop", "movablelimits", "separator", "lspace", "rspace"),
    *("minsize", "maxsize", "symmetric", "linethickness", "width", "height", "depth", "voffset"),
    *("linebreak", "columnalign", "columnspacing", "rowspacing", "columnlines", "rowlines"),
}
ENVIRONMENT = re.compile(r"\\begin\s*\{([^{}]*)\}")
ESCAPED = re.compile(r"\\.", re.DOTALL)

ElementTree.register_namespace("", NAMESPACE.strip("{}"))


class FormulaError(Exception):
    pass


def to_mathml(tex: str) -> str:
    """A formula as a `math` element without active content. Raises FormulaError."""
    _check_source(tex)
    try:
        root = ElementTree.fromstring(convert(tex, display="block"))  # noqa: S314 our own output
    except ElementTree.ParseError as error:
        raise FormulaError("a character is not allowed here, such as a bare &") from error
    except Exception as error:  # the converter raises many types, even IndexError
        raise FormulaError(f"unknown TeX ({type(error).__name__})") from error
    for element in root.iter():
        _check_element(element)
    return ElementTree.tostring(root, encoding="unicode")


def _check_source(tex: str) -> None:
    """Rejects what the converter accepts: unbalanced braces and unknown environments."""
    bare = ESCAPED.sub("", tex)
    depth = 0
    for sign in bare:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            break
    if depth:
        raise FormulaError("unbalanced braces")
    for name in ENVIRONMENT.findall(tex):
        if f"\\{name}" not in MATRICES:
            raise FormulaError(f"\\begin{{{name}}} is unknown")


def _check_element(element: ElementTree.Element) -> None:
    name = element.tag.removeprefix(NAMESPACE)
    if name not in ELEMENTS or set(element.attrib) - ATTRIBUTES:
        raise FormulaError("a formula cannot contain links, colours or classes")
    if len(element) != CHILDREN.get(name, len(element)):
        raise FormulaError("a fraction, root, index or exponent is incomplete")
    if (element.text or "").startswith("\\") and len(element.text or "") > 1:
        raise FormulaError(f"{element.text} is unknown")
