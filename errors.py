"""Our errors, which any layer may raise. Only `web/error_responses.py` maps them to HTTP."""


class NotFound(Exception):
    """It does not exist in this tenant, or the account may not see it: both look the same."""


class Conflict(Exception):
    pass


class Forbidden(Exception):
    """The account may see it, but not do this with it."""
