"""Errors that only web/ raises. `web/error_responses.py` turns them into responses."""


class SignInRequired(Exception):
    pass


class RateExceeded(Exception):
    pass


class SignInUnavailable(Exception):
    pass


class AccountBlocked(Exception):
    pass
