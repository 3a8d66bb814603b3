r"""Formulas in words: `\frac{1}{n} \sum_{i=1}^{n} x_i^2` as a lecturer reads it aloud."""

import contextlib
import re
from collections.abc import Callable, Iterator

TOKEN_PATTERN = re.compile(
    r"\\[a-zA-Z]+\*?|\\.|\d+(?:[.,]\d+)*|\*\*|<=|>=|!=|==|->|=>|\+-|[A-Za-z]+|'+|\.\.\.|\S",
    re.DOTALL,
)

GREEK_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega"
)
GREEK_NAMES = {name: name for name in GREEK_LETTERS.split()} | {
    "varepsilon": "epsilon",
    "varphi": "phi",
    "vartheta": "theta",
}
GREEK_NAMES |= {name.capitalize(): f"capital {name}" for name in list(GREEK_NAMES)}

COMMAND_WORDS = GREEK_NAMES | {
    "cdot": "times", "times": "times", "div": "divided by", "pm": "plus or minus",
    "le": "is at most", "leq": "is at most", "ge": "is at least", "geq": "is at least",
    "ne": "is not equal to", "neq": "is not equal to", "approx": "is about",
    "sim": "is distributed as", "equiv": "is equivalent to", "propto": "is proportional to",
    "ll": "is much less than", "gg": "is much greater than", "in": "in", "notin": "not in",
    "subset": "is a subset of", "cup": "union", "cap": "intersection", "emptyset": "the empty set",
    "forall": "for all", "exists": "there exists", "neg": "not", "land": "and", "lor": "or",
    "to": "goes to", "rightarrow": "goes to", "leftarrow": "becomes", "mapsto": "maps to",
    "Rightarrow": "implies", "Leftrightarrow": "if and only if", "iff": "if and only if",
    "infty": "infinity", "partial": "partial", "nabla": "the gradient of", "mid": "given",
    "ldots": "and so on", "cdots": "and so on", "dots": "and so on", "degree": "degrees",
    "circ": "composed with", "log": "log", "ln": "natural log", "exp": "exp", "sin": "sine",
    "cos": "cosine", "tan": "tangent", "tanh": "hyperbolic tangent", "max": "the maximum",
    "min": "the minimum", "arg": "the argument of", "argmax": "arg max", "argmin": "arg min",
    "prime": "prime", "ell": "l", "odot": "times", "oplus": "plus", "star": "star", "top": "top",
    "ast": "star", "%": "percent", "&": "and", "#": "number", "$": "dollars",
}  # fmt: skip

SYMBOLS = {
    "+": "plus", "-": "minus", "−": "minus", "*": "times", "/": "over", "=": "equals",  # noqa: RUF001
    "==": "is equal to", "<": "is less than", ">": "is greater than", "<=": "is at most",
    ">=": "is at least", "!=": "is not equal to", "≤": "is at most", "≥": "is at least",
    "≠": "is not equal to", "≈": "is about", "×": "times", "·": "times", "÷": "divided by",  # noqa: RUF001
    "±": "plus or minus", "+-": "plus or minus", "->": "goes to", "→": "goes to",
    "=>": "implies", "⇒": "implies", "∞": "infinity", "∈": "in", "∂": "partial",
    "∇": "the gradient of", "∑": "the sum of", "Σ": "the sum of", "√": "the square root of",
    "∏": "the product of", "%": "percent", "!": "factorial", "…": "and so on", "...": "and so on",
    "²": "squared", "³": "cubed", "°": "degrees", "'": "prime", "''": "double prime", "~": "about",
    "∝": "is proportional to", "∀": "for all", "∃": "there exists", "ᵀ": "transposed",
    ",": ",", ";": ",", ":": ",", "π": "pi",
}  # fmt: skip

ACCENT_WORDS = {"hat": "hat", "bar": "bar", "tilde": "tilde", "dot": "dot", "ddot": "double dot",
           "overline": "bar", "widehat": "hat"}  # fmt: skip
TEXT_COMMANDS = {
    "text", "mathrm", "mathbf", "mathit", "mathcal", "mathsf", "operatorname", "boldsymbol",
    "textbf", "mbox", "underline", "boxed",
}  # fmt: skip
BIG_OPERATORS = {"sum": "the sum", "prod": "the product", "int": "the integral", "lim": "the limit"}
NUMBER_SETS = {
    "R": "the real numbers", "N": "the natural numbers", "Z": "the integers",
    "C": "the complex numbers", "Q": "the rationals",
}  # fmt: skip
FUNCTION_NAMES = {
    "f", "g", "h", "F", "G", "P", "p", "E", "L", "J", "O", "sigma", "phi", "exp", "log",
    "sine", "cosine", "tangent", "natural log", "softmax", "relu", "sigmoid",
}  # fmt: skip
FRACTIONS = {("1", "2"): "one half", ("1", "3"): "one third", ("2", "3"): "two thirds",
             ("1", "4"): "one quarter", ("3", "4"): "three quarters"}  # fmt: skip
POWER_WORDS = {"2": "squared", "3": "cubed", "T": "transposed", "top": "transposed", "star": "star",
          "prime": "prime", "composed with": "degrees", "minus 1": "inverse"}  # fmt: skip
CLOSING_BRACKETS = {"(": ")", "[": "]", "|": "|", r"\{": r"\}", r"\|": r"\|", "{": "}"}
SKIPPED_TOKENS = {
    r"\left", r"\right", r"\,", r"\;", r"\!", r"\:", r"\ ", r"\quad", r"\qquad", r"\\",
    r"\displaystyle", r"\limits", r"\big", r"\Big", r"\bigl", r"\bigr", "&", "$", "}",
    ")", "]", r"\}", "^", "_",
}  # fmt: skip
CALLEE_WORDS = 3  # before a bracket: `f`, and up to two primes
MAX_DEPTH = 100  # of nested parts: some thirty brackets in brackets, more than anyone can follow
LETTER_NAMES = {"a": "ay", "A": "ay"}  # else a voice reads the article


def spoken_formula(formula: str) -> str:
    """The words of a TeX or plain formula. Never raises."""
    reader = FormulaReader(TOKEN_PATTERN.findall(split_numbers_from_letters(formula)))
    try:
        words = " ".join(reader.read_until(None))
    except TooDeepError:
        return "the formula on your page"
    words = re.sub(r" ?,(?: ?,)* ?", ", ", " ".join(words.split()))
    return words.replace("equals,", "equals").strip(" ,")


def split_numbers_from_letters(formula: str) -> str:
    """Puts a space into `2x` and `w1`, so number and letter are read separately."""
    formula = re.sub(r"(?<![A-Za-z\\])(\d)([A-Za-z])", r"\1 \2", formula)
    formula = re.sub(r"\bd([a-z])\b", r"d \1", formula)
    return re.sub(r"\b([A-Za-z])(\d+)\b", r"\1 \2", formula)


class TooDeepError(Exception):
    pass


class FormulaReader:
    """Reads tokens from left to right; an unclosed bracket ends with the formula."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def read_until(self, closing: str | None) -> list[str]:
        """The words up to the closing sign, which is consumed. Raises TooDeepError."""
        words: list[str] = []
        while (sign := self._peek_token()) is not None:
            if sign == closing:
                self._at += 1
                break
            words += self._read_with_scripts(words)
        return words

    def _peek_token(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next_token(self) -> str:
        sign = self._peek_token()
        self._at += 1
        return sign or ""

    def _read_with_scripts(self, before: list[str]) -> list[str]:
        sign = self._peek_token() or ""
        grouped = sign in ("(", "[")
        name = sign[1:] if sign.startswith("\\") else ""
        with self._counting_depth():
            if name in BIG_OPERATORS:
                return self._read_big_operator(name)
            words = self._read_atom(before)
            while (mark := self._peek_token()) in ("^", "_", "**") and mark is not None:
                self._at += 1
                script = " ".join(self._read_argument())
                if mark == "_":
                    words += self._spoken_index(script, words)
                else:
                    words += spoken_power(script, all_of=grouped and len(words) > 1)
        return words

    @contextlib.contextmanager
    def _counting_depth(self) -> Iterator[None]:
        """Counts nested parts, each of which copies the words inside it. Raises TooDeepError."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooDeepError
        try:
            yield
        finally:
            self._depth -= 1

    def _spoken_index(self, script: str, words: list[str]) -> list[str]:
        if words in (["the maximum"], ["the minimum"], ["arg max"], ["arg min"]):
            return ["over", script, "of"]
        if words == ["log"]:
            return ["base", script, "of"]
        letters = script.split()
        if len(letters) == 1 and letters[0].isalpha() and letters[0].islower():
            small = letters[0]
            script = " ".join(small) if len(small) == 2 else small
        return ["sub", script]

    def _read_big_operator(self, name: str) -> list[str]:
        self._at += 1
        low = high = ""
        while (mark := self._peek_token()) in ("^", "_") and mark is not None:
            self._at += 1
            bound = " ".join(self._read_argument())
            low, high = (bound, high) if mark == "_" else (low, bound)
        if name == "lim":
            return ["the limit as", low, "of"] if low else ["the limit of"]
        low = low.replace(" equals ", " from ") if high else low
        over = "over " if low and name != "int" else ""
        start = "from " if low and high and " from " not in low else ""
        words = [BIG_OPERATORS[name], start or over, low]
        return [*words, *(["to", high] if high else []), "of"]

    def _read_argument(self) -> list[str]:
        sign = self._peek_token()
        if sign is None:
            return []
        with self._counting_depth():
            if sign in ("{", "("):
                self._at += 1
                return self.read_until(CLOSING_BRACKETS[sign])
            if sign in ("-", "+"):
                self._at += 1
                return [SYMBOLS[sign], *self._read_atom([])]
            return self._read_atom([])

    def _read_atom(self, before: list[str]) -> list[str]:
        sign = self._next_token()
        if not sign or sign in SKIPPED_TOKENS:  # a formula may break off here
            return []
        if sign in CLOSING_BRACKETS:
            return self._read_group(sign, before)
        if sign.startswith("\\"):
            return self._read_command(sign[1:].rstrip("*"))
        if sign in SYMBOLS:
            return [SYMBOLS[sign]]
        if sign in LETTER_NAMES:
            return [LETTER_NAMES[sign]]
        return [sign.replace(",", "") if sign[0].isdigit() else sign]

    def _read_group(self, opening: str, before: list[str]) -> list[str]:
        inner = self.read_until(CLOSING_BRACKETS[opening])
        if opening == "{":
            return inner
        if opening == "|":
            return ["the absolute value of", *inner]
        if opening == r"\|":
            return ["the norm of", *inner]
        if opening == r"\{":
            return ["the set of", *inner]
        nearest = reversed(before[-CALLEE_WORDS:])
        callee = next((word for word in nearest if "prime" not in word), "")
        if callee in FUNCTION_NAMES and inner:
            return ["of", *inner, *("," for _ in inner[1:2])]
        if len(inner) == 1 or not before:
            return inner if "," in inner or len(inner) == 1 else [*inner, ","]
        return [",", *inner, ","]

    def _read_command(self, name: str) -> list[str]:
        special: dict[str, Callable[[], list[str]]] = {
            "frac": self._read_fraction, "dfrac": self._read_fraction, "tfrac": self._read_fraction,
            "sqrt": self._read_root, "binom": self._read_binomial, "begin": self._read_matrix,
            "mathbb": self._read_set, "vec": lambda: ["vector", *self._read_argument()],
            "boldsymbol": self._read_argument, "end": lambda: self._read_argument()[:0],
        }  # fmt: skip
        if name in special:
            return special[name]()
        if name in ACCENT_WORDS:
            return [*self._read_argument(), ACCENT_WORDS[name]]
        if name in TEXT_COMMANDS:
            return ["".join(self._read_raw_group())]
        if "\\" + name in SKIPPED_TOKENS:
            return []
        if name in ("|", "{"):
            return self._read_group("\\" + name, [])
        return [COMMAND_WORDS.get(name, name if name.isalpha() else "")]

    def _read_fraction(self) -> list[str]:
        over, under = " ".join(self._read_argument()), " ".join(self._read_argument())
        if derivative := re.fullmatch(
            r"(?:d|partial) ?(.*)\|(?:d|partial) ?(.+)", f"{over}|{under}"
        ):
            partial = "partial " if over.startswith("partial") else ""
            of, by = derivative.groups()
            return [f"the {partial}derivative", *(["of", of] if of else []), "with respect to", by]
        if (over, under) in FRACTIONS:
            return [FRACTIONS[over, under]]
        if len(over.split()) > 1 or len(under.split()) > 1:
            return [",", over, ", over", under, ","]
        return [over, "over", under]

    def _read_root(self) -> list[str]:
        degree = ""
        if self._peek_token() == "[":
            self._at += 1
            degree = " ".join(self.read_until("]"))
        kind = {"": "square", "2": "square", "3": "cube"}.get(degree, f"{degree}-th")
        return [f"the {kind} root of", *self._read_argument()]

    def _read_binomial(self) -> list[str]:
        return [*self._read_argument(), "choose", *self._read_argument()]

    def _read_set(self) -> list[str]:
        letter = "".join(self._read_raw_group())
        return [NUMBER_SETS.get(letter, letter)]

    def _read_raw_group(self) -> list[str]:
        if self._peek_token() != "{":
            return [self._next_token()]
        self._at += 1
        tokens: list[str] = []
        while (sign := self._peek_token()) not in (None, "}") and sign is not None:
            tokens += [" "] if tokens else []
            tokens.append(self._next_token())
        self._at += 1
        return tokens

    def _read_matrix(self) -> list[str]:
        kind = "".join(self._read_raw_group())
        rows: list[list[str]] = [[]]
        while (sign := self._peek_token()) is not None and sign != r"\end":
            if sign == r"\\":
                self._at += 1
                rows.append([])
            elif sign == "&":
                self._at += 1
                rows[-1].append(",")
            else:
                rows[-1] += self._read_with_scripts(rows[-1])
        self._at += 1
        self._read_raw_group()
        joined = " , and ".join(" ".join(row) for row in rows if row)
        if "matrix" not in kind:
            return [joined]
        return ["the matrix with rows", joined] if len(rows) > 1 else ["the row", joined]


def spoken_power(script: str, *, all_of: bool) -> list[str]:
    """`squared`, `to the power of n`; after a bracket `all squared`."""
    if script in POWER_WORDS:
        return [", all", POWER_WORDS[script]] if all_of else [POWER_WORDS[script]]
    return [", all to the power of" if all_of else "to the power of", script]
