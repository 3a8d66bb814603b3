"""Responses that are sent in pieces, and close what the pieces are read from."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

Pieces = AsyncGenerator[bytes, None]


async def respond_in_pieces(
    pieces: Pieces, *, headers: Mapping[str, str], media_type: str, status_code: int = 200
) -> StreamingResponse:
    """Reads the first piece, so that an error before it is answered by its status.

    The response closes the pieces when it ends, even if the client goes away.
    """
    first = await anext(pieces)
    return _PiecesResponse(
        pieces, first, status_code=status_code, headers=headers, media_type=media_type
    )


class _PiecesResponse(StreamingResponse):
    def __init__(
        self,
        rest: Pieces,
        first: bytes,
        *,
        status_code: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(_first_then_rest(first, rest), status_code, headers, media_type)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)


async def _first_then_rest(first: bytes, rest: Pieces) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
