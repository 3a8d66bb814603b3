"""Errors that only web/ raises. `web/error_responses.py` turns them into responses."""


class SignInRequired(Exception):
    """The sign-in is missing or not valid."""


class RateExceeded(Exception):
    """The account made too many requests in the current minute."""


class SignInUnavailable(Exception):
    """The identity provider's keys cannot be fetched."""
