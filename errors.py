"""Our errors, which any layer may raise. `web/errors.py` alone turns them into HTTP statuses."""


class NotFound(Exception):
    """The thing does not exist in this tenant. "Not there" and "not yours" are the same."""


class Conflict(Exception):
    """The state of the thing does not allow this."""


class Forbidden(Exception):
    """The account may see the thing but may not do this with it."""
