"""The page's types of the API follow its OpenAPI document."""

from scripts.client_types import TYPES, generated


def test_the_types_of_the_page_are_current() -> None:
    assert TYPES.read_text() == generated(), "run `make types`"
