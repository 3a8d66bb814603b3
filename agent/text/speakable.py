"""Turns written text into spoken text, without symbols that a voice cannot say."""

import re
from collections.abc import Callable
from html import unescape
from re import Match
from unicodedata import category

import prompts
from agent.text.spoken_math import FRACTIONS, GREEK_LETTERS, SYMBOLS, spoken_formula

Rule = tuple[re.Pattern[str], str | Callable[[Match[str]], str]]

MAX_CODE_LINES = 2  # longer code is shown, not read aloud

UNITS = {
    "km/h": "kilometre per hour", "m/s": "metre per second", "m/s²": "metre per second squared",
    "m²": "square metre", "m³": "cubic metre", "km²": "square kilometre", "km": "kilometre",
    "cm": "centimetre", "mm": "millimetre", "nm": "nanometre", "m": "metre", "kg": "kilogram",
    "mg": "milligram", "g": "gram", "ml": "millilitre", "l": "litre", "ms": "millisecond",
    "µs": "microsecond", "μs": "microsecond", "ns": "nanosecond", "s": "second",
    "min": "minute", "h": "hour", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte",
    "TB": "terabyte", "kbit/s": "kilobit per second", "Mbit/s": "megabit per second",
    "W": "watt", "kW": "kilowatt", "kWh": "kilowatt hour", "V": "volt", "N": "newton",
    "J": "joule", "Pa": "pascal", "dB": "decibel", "px": "pixel", "fps": "frame per second",
    "rpm": "turn per minute", "°C": "degree Celsius", "°F": "degree Fahrenheit", "°": "degree",
}  # fmt: skip
SAME_IN_PLURAL = {"hertz", "kilohertz", "megahertz", "gigahertz"}
CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "₹": "rupee", "¥": "yen"}

ABBREVIATIONS = {
    r"e\.\s?g\.": "for example", r"i\.\s?e\.": "that is", r"w\.\s?r\.\s?t\.": "with respect to",
    r"a\.\s?k\.\s?a\.": "also known as", r"et al\.": "and others", r"vs\.?": "versus",
    r"cf\.": "compare", r"approx\.": "about", r"resp\.": "respectively", r"incl\.": "including",
    r"p\.\s?m\.": "P M", r"a\.\s?m\.": "A M", r"Dr\.": "Doctor", r"Mr\.": "Mister",
    r"Prof\.": "Professor", r"C#": "C sharp", r"w/o": "without",
    r"w/": "with", r"iff": "if and only if", r"Q&A": "questions and answers",
}  # fmt: skip
NUMBERED_ABBREVIATIONS = {
    r"[Ff]igs?\.": "figure", r"[Ee]qs?\.": "equation", r"[Cc]h\.": "chapter",
    r"[Ss]ec\.": "section", r"[Nn]o\.": "number", r"[Tt]ab\.": "table", r"p\.": "page",
    r"pp\.": "pages",
    r"[Vv]ol\.": "volume", r"[Vv]er\.": "version",
}  # fmt: skip
PRONUNCIATIONS = {
    "LaTeX": "lay tech", "NumPy": "num pie", "PyTorch": "pie torch", "ReLU": "ray loo",
    "SciPy": "sigh pie", "PyPI": "pie P I", "matplotlib": "mat plot lib",
}  # fmt: skip

CODE_SIGNS = {
    "==": "is equal to", "!=": "is not equal to", "<=": "is at most", ">=": "is at least",
    "+=": "plus equals", "-=": "minus equals", "*=": "times equals", "**": "to the power of",
    "//": "divided in whole numbers by", "->": "gives", "=": "equals", "+": "plus", "-": "minus",
    "*": "times", "/": "divided by", "%": "modulo", "<": "is less than", ">": "is greater than",
    "&": "and", "|": "or", "@": "at", "#": "comment", ",": ",", ":": ",", "(": ",", "[": ",",
}  # fmt: skip
CODE_TOKEN = re.compile(r"\d+\.\d+|\w+|--?(?=[A-Za-z])|[=!<>+\-*]=|\*\*|//|->|\.(?=\w)|\S")


def speakable(text: str) -> str:
    """What a voice says for Markdown, formulas, code and prose.

    Keeps white space at both ends, so a text can be converted in parts.
    """
    lead, body, tail = split_white_space(text)
    for pattern, replacement in ALL_RULES:
        body = pattern.sub(replacement, body)
    lines = (line.strip() for line in body.split("\n"))
    body = tidy_punctuation("\n".join(line for line in lines if line))
    return lead + (body if text.rstrip()[-1:] in ",;:" else body.rstrip(",;: ")) + tail


def split_white_space(text: str) -> tuple[str, str, str]:
    body = text.strip()
    if not body:
        return text, "", ""
    at = text.index(body)
    return text[:at], body, text[at + len(body) :]


def tidy_punctuation(text: str) -> str:
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" ([,.;:?!])", r"\1", text)
    text = re.sub(r"([,;:])(?:\s*[,;:])+", r"\1", text)
    text = re.sub(r",\s*([.?!])", r"\1", text)
    text = re.sub(r"(^|\n)[,;:]\s*", r"\1", text)
    return re.sub(r"([?!,;:])(?=[^\W\d])|\.(?=[A-Z])", lambda m: f"{m[0]} ", text)


def spoken_code_block(match: Match[str]) -> str:
    language, code = match["language"].strip(), match["code"].strip("\n")
    lines = [line for line in code.splitlines() if line.strip()]
    if len(lines) <= MAX_CODE_LINES:
        return "\n" + ". ".join(spoken_code(line) for line in lines) + ".\n"
    kind = language.capitalize() or None
    told = prompts.render("code_on_page", lines=len(lines), language=kind)
    return f"\n{told}\n"


def spoken_code(code: str) -> str:
    words = []
    for sign in CODE_TOKEN.findall(code):
        if sign[0].isalnum() or sign[0] == "_":
            words.append(spoken_code_name(sign))
        elif sign == ".":
            words.append("dot")
        elif sign in ("-", "--") and (not words or words[-1] not in ("equals", "dot")):
            words.append("minus" if sign == "-" else "dash dash")
        else:
            words.append(CODE_SIGNS.get(sign, ""))
    return re.sub(r"\s+", " ", " ".join(words)).strip(" ,")


def spoken_code_name(name: str) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", name)
    return name.replace("_", " ").strip().lower() if "_" in name or " " in name else name


def spoken_table(match: Match[str]) -> str:
    rows = []
    for line in match[0].strip().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            rows.append(", ".join(cell for cell in cells if cell))
    return "\n" + ". ".join(rows) + ".\n"


def spoken_unit(match: Match[str]) -> str:
    number, unit = match["number"], UNITS[match["unit"]]
    return f"{number} {unit if number == '1' else plural_unit(unit)}"


def plural_unit(unit: str) -> str:
    if unit in SAME_IN_PLURAL:
        return unit
    head, separator, rest = unit.partition(" per ")
    if head.startswith("degree "):
        return head.replace("degree", "degrees", 1)
    return f"{head}s{separator}{rest}"


def spoken_money(match: Match[str]) -> str:
    whole, cents, scale = match["whole"].replace(",", ""), match["cents"], match["scale"] or ""
    name = CURRENCIES[match["sign"]]
    name = name if (whole == "1" and not scale) or name == "yen" else f"{name}s"
    if scale:
        whole += f" point {' '.join(cents)}" if cents else ""
        return f"{whole} {scale.strip()} {name}"
    return f"{whole} {name}" + (f" {int(cents)}" if cents and int(cents) else "")


def spoken_fraction(match: Match[str]) -> str:
    over, under = match[1], match[2]
    return FRACTIONS.get((over, under), f"{over} over {under}")


def spoken_url(match: Match[str]) -> str:
    """The host only: a spoken path is no use to a listener."""
    host = re.sub(r"^www\.", "", match["host"].lower())
    return host.replace(".", " dot ").replace("-", " dash ").replace(":", " port ")


def spoken_decimal(match: Match[str]) -> str:
    return f"{match[1]} point {' '.join(match[2])}"


def spoken_delimited_formula(match: Match[str]) -> str:
    return f" {spoken_formula(match[1])} "


def spoken_inline_formula(match: Match[str]) -> str:
    body, end = match[0].rstrip(".,;:?!"), match[0][len(match[0].rstrip(".,;:?!")) :]
    return spoken_formula(body) + end


def spoken_heading(match: Match[str]) -> str:
    return end_with_stop(match[1].rstrip("# \t"))


def spoken_item(match: Match[str]) -> str:
    return end_with_stop(match[1])


def spoken_numbered_item(match: Match[str]) -> str:
    return f"{match[1]}: {end_with_stop(match[2])}"


def rule(
    pattern: str, replacement: str | Callable[[Match[str]], str], flags: re.RegexFlag = re.NOFLAG
) -> Rule:
    return re.compile(pattern, flags), replacement


def abbreviation_rules(table: dict[str, str], behind: str) -> list[Rule]:
    return [rule(rf"(?<!\w){short}{behind}", said) for short, said in table.items()]


UNIT_NAMES = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
NUMBER_PATTERN = r"-?\d++(?:[.,]\d++)*+"
SIGNS_WITH_OWN_RULES = {
    ",",
    ";",
    ":",
    "'",
    "''",
    "!",
    "…",
    "...",
    "-",
    "/",
    "*",
    "~",
}
SIGNS_ALONE = {sign: said for sign, said in SYMBOLS.items() if sign not in SIGNS_WITH_OWN_RULES}

GREEK_SIGNS = dict(zip("αβγδεζηθικλμνξπρστυφχψω", GREEK_LETTERS.split(), strict=True))
GREEK_SIGNS |= {"Δ": "delta", "Σ": "sigma", "Ω": "omega", "Θ": "theta", "Φ": "phi", "Π": "pi"}

# Every rule takes linear time: it runs on the event loop, on text that a learner chose. So a part
# between two signs contains neither of them, a run of signs or spaces is matched from its start
# only, and nothing but a line break crosses lines. tests/unit/test_linear_time.py checks it.
BRACED = r"\{(?:[^{}\n]|\{[^{}\n]*\})*\}"  # with one level of braces inside

BLOCK_RULES: list[Rule] = [
    rule(r"```(?P<language>[^\n`]*)\n(?P<code>.*?)(?:```|\Z)", spoken_code_block, re.DOTALL),
    rule(r"\$\$(.+?)\$\$", spoken_delimited_formula, re.DOTALL),
    rule(r"\\\[((?:(?!\\\[).)+?)\\\]", spoken_delimited_formula, re.DOTALL),
    rule(r"\\\(((?:(?!\\\().)+?)\\\)", spoken_delimited_formula, re.DOTALL),
    rule(r"\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\d)", spoken_delimited_formula),
    rule(r"`([^`\n]+)`", lambda m: spoken_code(m[1])),
]
MARKDOWN_RULES: list[Rule] = [
    rule(r"\[\[\d+(?:\.\d+)?\]\]", ""),
    rule(r"<!--(?:(?!<!--).)*?-->", "", re.DOTALL),
    rule(r"!?\[([^\[\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s\"[^\"\n]*\")?\)", r"\1"),
    rule(r"^[ \t]*\|.*\|[ \t]*$(?:\n[ \t]*\|.*\|[ \t]*$)*", spoken_table, re.MULTILINE),
    rule(r"^[ \t]{0,3}(?:[-*_][ \t]*){3,}$", "", re.MULTILINE),
    rule(r"^[ \t]{0,3}#{1,6}[ \t]+(.*)$", spoken_heading, re.MULTILINE),
    rule(r"^[ \t]{0,3}>\s?", "", re.MULTILINE),
    rule(r"^[ \t]*[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?(.*)$", spoken_item, re.MULTILINE),
    rule(r"^[ \t]*(\d{1,2})[.)][ \t]+(.*)$", spoken_numbered_item, re.MULTILINE),
    rule(r"(?:^|(?<=\s))\(?([A-H])\)\s+(?=\S)", r"option \1: ", re.MULTILINE),
    rule(r"^([A-H])[.:]\s+(?=\S)", r"option \1: ", re.MULTILINE),
    rule(r"(\*\*|__|~~)(?=\S)((?:(?!\1).)+?)(?<=\S)\1", r"\2"),
    rule(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?!\w)", r"\1"),
    rule(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)", r"\1"),
    rule(r"</?[a-zA-Z][^<>\n]*>", " "),
    rule(r"&(?:amp|lt|gt|nbsp|quot|#39);", lambda m: unescape(m[0])),
    rule(r"(?<!\w)[:;]-?[)(DP](?!\w)", ""),
]
ADDRESS_RULES: list[Rule] = [
    rule(r"(?:https?|wss?|ftp)://(?P<host>[\w.:-]*\w)(?:/[^\s)>\]]*[\w/])?", spoken_url),
    rule(r"\b(?P<host>www\.[\w.-]*\w)(?:/[^\s)>\]]*[\w/])?", spoken_url),
    rule(r"(?<![\w.+-])([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)\b",
         lambda m: f"{m[1].replace('.', ' dot ')} at {m[2].replace('.', ' dot ')}"),
]  # fmt: skip
WORD_RULES: list[Rule] = [
    rule(r"[“”„]", '"'),
    rule(r"[‘’]", "'"),  # noqa: RUF001
    rule(r"(?<!\w)etc\.(?=\s+[A-Z]|\s*$)", "and so on."),
    rule(r"(?<!\w)etc\.?(?!\w)", "and so on"),
    *abbreviation_rules(ABBREVIATIONS, r"(?!\w)"),
    *abbreviation_rules(
        {short: f"{said} " for short, said in NUMBERED_ABBREVIATIONS.items()}, r"\s*(?=\d)"
    ),
    rule(r"\b(?:" + "|".join(PRONUNCIATIONS) + r")\b", lambda m: PRONUNCIATIONS[m[0]]),
    rule(r"\b(?:[A-Z]\.){2,}", lambda m: " ".join(m[0].replace(".", ""))),
    rule(r"\band/or\b", "and or"),
    rule(r"(?<!\w)#(?=\d)", "number "),
    rule(r"(?<!§)§+\s*(?=\d)", "section "),
]
NUMBER_RULES: list[Rule] = [
    rule(r"(?P<sign>[$€£₹¥])\s?(?P<whole>\d[\d,]*)(?:\.(?P<cents>\d+))?"
         r"(?P<scale>\s(?:thousand|million|billion|trillion)\b)?", spoken_money),
    rule(r"(?<=\d),(?=\d{3}(?!\d))", ""),
    rule(r"\b(\d+(?:\.\d+)?)e([+-]?\d+)\b", lambda m: spoken_formula(f"{m[1]}*10^{{{m[2]}}}")),
    rule(r"(?<![\w.])\d+(?:\s?[x×]\s?\d+)+\b(?!\s*=)",  # noqa: RUF001
         lambda m: re.sub(r"\s?[x×]\s?", " by ", m[0])),  # noqa: RUF001
    rule(r"\b(\d+)x(?!\w)", r"\1 times"),
    rule(r"(?<![\w.-])(\d+(?:\.\d+)?\s?[%°]?[A-Za-z]{0,2})[-\u2013](?=\d+(?:\.\d+)?(?![\d-]))",
         r"\1 to "),
    rule(r"(?<=[\d%])\s?[\u2013]\s?(?=\d)", " to "),
    rule(r"(?<!\d)(\d{1,2}):([0-5]\d)(?!\d)", r"\1 \2"),
    rule(r"(?<!\d)(\d+):(\d+)(?!\d)", r"\1 to \2"),
    rule(rf"(?<!\d)(?<!\d[.,])(?P<number>{NUMBER_PATTERN})\s?(?P<unit>{UNIT_NAMES})(?![\w/²³])",
         spoken_unit),
    rule(r"(?<=\d)\s?%", " percent"),
    rule(r"[~≈]\s?(?=\d)", "about "),
    rule(r"(?<![\w/.])(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)", spoken_fraction),
    rule(r"½", "one half"), rule(r"¼", "one quarter"), rule(r"¾", "three quarters"),
]  # fmt: skip
FORMULA_RULES: list[Rule] = [
    rule(r"(?<![\w\\()])(?=[()]*[A-Za-z0-9])[A-Za-z0-9()]++(?<!\()\^[\w{}()+-]+[.,;:?!]?",
         spoken_inline_formula),
    rule(rf"(?<!\w)[A-Za-z]_(?:\w+|{BRACED})(?:\([\w, ]*\))?", lambda m: spoken_formula(m[0])),
    rule(r"(?<![\w'])([fghFGPpO]'?\([A-Za-z0-9](?:\s?[,|+*-]\s?[A-Za-z0-9])*\))",
         lambda m: spoken_formula(m[1].replace("|", r"\mid "))),
    rule(rf"\\[a-zA-Z]+(?:{BRACED}|_\w|\^\w)*", lambda m: spoken_formula(m[0])),
    rule(r"\b([A-Za-z_]\w*)\(([\w, ]*)\)", lambda m: spoken_code(m[0])),
    rule(r"\b\w+_\w+\b", lambda m: spoken_code_name(m[0])),
    rule(r"(?<=\w)²", " squared"), rule(r"(?<=\w)³", " cubed"),
]  # fmt: skip
SIGN_RULES: list[Rule] = [
    rule(r"(?<=\d)\s*[-−]\s+(?=[\d(])|(?<=\b[A-Za-z])\s+[-−]\s+(?=[A-Za-z\d](?!\w\w))",  # noqa: RUF001
         " minus "),
    rule(r"(?<![\w-])[-−](?=\d)", "minus "),  # noqa: RUF001
    rule(r"(?<!\s)\s+[-\u2013\u2014]+\s+|\u2014", ", "),
    rule(r"(?<![\d.])(\d+)\.(\d+)(?!\.?\d)", spoken_decimal),
    rule(r"(?<=\d)\.(?=\d)", " point "),
    rule(r"(?<=\w)\.(?=[a-z]{2,4}\b)", " dot "),
    rule(r"&", " and "),
    rule(r"(?<=[A-Za-z\d])\s*([+*=<>]|==|<=|>=|!=|->|=>)\s*(?=[A-Za-z\d(-])",
         lambda m: f" {SYMBOLS[m[1]]} "),
    rule("|".join(sorted(map(re.escape, SIGNS_ALONE), key=len, reverse=True)),
         lambda m: f" {SIGNS_ALONE[m[0]]} "),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", " or "),
    rule(r"(?<=\w)\s*/\s*(?=\w)", " over "),
    rule("[\u0370-\u03ff]", lambda m: f" {GREEK_SIGNS.get(m[0], '')} "),
    rule(r"…|\.{2,}", ","),
    rule(r"[\[\](){}]", ", "),
    rule(r"[\u200d\ufe0f]", ""),
    rule(r"[#$%*+/<=>@\\^_`|~]", " "),
    rule(r"[^\w\s]", lambda m: m[0] if category(m[0])[0] in "PM" else " "),
    rule(r'"', ""),
]  # fmt: skip


def end_with_stop(line: str) -> str:
    line = line.strip()
    return line if not line or line[-1] in ".,;:?!" else f"{line}."


ALL_RULES = [
    *BLOCK_RULES,
    *MARKDOWN_RULES,
    *ADDRESS_RULES,
    *WORD_RULES,
    *NUMBER_RULES,
    *FORMULA_RULES,
    *SIGN_RULES,
]
