"""Errors that only web/ raises. `web/error_responses.py` turns them into responses."""


class SignInRequired(Exception):
    pass


class RateExceeded(Exception):
    pass


class SignInUnavailable(Exception):
    """The identity provider's keys cannot be fetched."""


class AccountBlocked(Exception):
    """An operator has blocked the account."""
