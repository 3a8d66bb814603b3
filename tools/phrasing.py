"""Numbers, lists and capitals in sentences that are spoken, and numbers in what is heard."""

NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth"),
)


def number_word(number: int) -> str:
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)


def find_number(text: str) -> int | None:
    """The first number in normal text, as digits, word or ordinal: "lesson two" -> 2."""
    for word in text.split():
        if word.isdecimal() and len(word) < 5:
            return int(word)
        if word in NUMBERS:
            return NUMBERS.index(word)
        if word in ORDINALS:
            return ORDINALS.index(word)
    return None


def join_with_and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def capitalise_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def first_words(text: str, max_chars: int) -> str:
    """The text, or as many of its first words as fit."""
    if len(text) <= max_chars:
        return text
    return text[:max_chars].rsplit(None, 1)[0]
