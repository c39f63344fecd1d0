"""A request's body, which is only read as far as it may be large."""

from __future__ import annotations

from starlette.types import Receive

__all__ = ["read_body"]


async def read_body(receive: Receive, most_bytes: int) -> bytes | None:
    """Return the body, or None as soon as it is larger than ``most_bytes``."""
    body = bytearray()
    while len(body) <= most_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":  # nobody is left to answer; half a body is no request
            return b""
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body) if len(body) <= most_bytes else None
    return None
