"""Our errors, which any layer may raise. `web/errors.py` alone turns them into HTTP statuses."""


class NotFound(Exception):
    """It does not exist in this tenant, or the account may not see it: both look the same."""


class Conflict(Exception):
    """The current state does not allow this."""


class Forbidden(Exception):
    """The account may see it, but not do this with it."""
