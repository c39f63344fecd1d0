"""What stands in a message's ``content``, and how OpenIM decodes it.

The server decodes content *weakly* (mapstructure's WeaklyTypedInput): ``"1"`` and ``true`` pass as 1, 123
passes as ``"123"``. What does not fit is refused with errCode 401, a required field that is missing or
zero with 403. The content is passed on as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kafka_lab.errors import InvalidNotificationError

__all__ = ["OA_NOTIFICATION", "TEXT", "check_content", "content_text"]

TEXT = 101
OA_NOTIFICATION = 1400
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)

Decoder = Callable[[Any], object]
Fields = Mapping[str, "Decoder | Fields"]


def _string(value: Any) -> str:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"expected a string, got {_kind(value)}")


def _integer(value: Any) -> int:  # noqa: ANN401 - JSON of any kind
    """Return a whole number of 64 bits; a text is read as Go's ParseInt with base 0 reads it.

    Raises
    ------
    ValueError
        It is none.
    """
    if isinstance(value, bool | int | float):
        number = int(value)
    elif isinstance(value, str) and _INTEGER.fullmatch(value or "0"):
        number = int(re.sub(r"^([+-]?)0(?=[0-7])", r"\g<1>0o", value or "0"), 0)
    else:
        raise ValueError(f"expected a whole number, got {_kind(value)}")
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{value!r} does not fit into 64 bits")
    return number


def _integer32(value: Any) -> int:  # noqa: ANN401 - JSON of any kind
    """Return a whole number of 32 bits; a larger one wraps, as in Go."""
    return (_integer(value) + 2**31) % 2**32 - 2**31


def _kind(value: Any) -> str:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else repr(value)


_PICTURE: Fields = {
    "uuid": _string,
    "type": _string,
    "size": _integer,
    "width": _integer32,
    "height": _integer32,
    "url": _string,
}
_OA_NOTIFICATION: Fields = {
    "notificationName": _string,
    "notificationFaceURL": _string,
    "notificationType": _integer32,
    "text": _string,
    "url": _string,
    "mixType": _integer32,
    "pictureElem": {
        "sourcePath": _string,
        "sourcePicture": _PICTURE,
        "bigPicture": _PICTURE,
        "snapshotPicture": _PICTURE,
    },
    "soundElem": {
        "uuid": _string,
        "soundPath": _string,
        "sourceUrl": _string,
        "dataSize": _integer,
        "duration": _integer,
    },
    "videoElem": {
        **dict.fromkeys(("videoPath", "videoUUID", "videoUrl", "videoType"), _string),
        **dict.fromkeys(("videoSize", "duration"), _integer),
        **dict.fromkeys(("snapshotPath", "snapshotUUID", "snapshotUrl"), _string),
        "snapshotSize": _integer,
        **dict.fromkeys(("snapshotWidth", "snapshotHeight"), _integer32),
    },
    "fileElem": {
        "filePath": _string,
        "uuid": _string,
        "sourceUrl": _string,
        "fileName": _string,
        "fileSize": _integer,
    },
    "ex": _string,
}

# By content type: the fields known, and those required (not missing, not "" and not 0).
_TYPES: Mapping[int, tuple[Fields, tuple[str, ...]]] = {
    TEXT: ({"text": _string}, ("text",)),
    OA_NOTIFICATION: (
        _OA_NOTIFICATION,
        ("notificationName", "notificationFaceURL", "notificationType", "text"),
    ),
}


def check_content(content_type: int, content: Mapping[str, Any]) -> None:
    """Decode content as the server does, and refuse what it refuses.

    Where the real server crashes after its checks (a text message whose ``text`` is not a string, or is spelt
    otherwise; it answers HTTP 500 with an empty body), this answers errCode 401.

    Raises
    ------
    InvalidNotificationError
        With errCode 404, 401 or 403.

    Examples
    --------
    >>> check_content(101, {"text": "hello"})
    """
    if content_type not in _TYPES:
        raise InvalidNotificationError("contentType err", http_status=400, err_code=404)
    fields, required = _TYPES[content_type]
    try:
        decoded = _decode(content, fields)
    except (ValueError, OverflowError) as error:
        raise InvalidNotificationError(str(error), http_status=400, err_code=401) from error
    missing = [name for name in required if not decoded.get(name)]
    if missing:
        message = "; ".join(f"content.{name} is required" for name in missing)
        raise InvalidNotificationError(message, http_status=400, err_code=403)
    if content_type == TEXT and not isinstance(content.get("text"), str):
        raise InvalidNotificationError("content.text must be a string", http_status=400, err_code=401)


def content_text(content_type: int, content: Mapping[str, Any]) -> str:
    """Return content as it travels: a text message's text, else the content as JSON."""
    if content_type == TEXT:
        return str(content["text"])
    return json.dumps(content, ensure_ascii=False)


def _decode(content: object, fields: Fields, path: str = "content") -> dict[str, object]:
    """Return the known fields, decoded; names match whatever their case, as in mapstructure.

    Raises
    ------
    ValueError
        A value does not fit; the message names the field.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object, got {_kind(content)}")  # noqa: TRY004
    known = {name.lower(): name for name in fields}
    decoded: dict[str, object] = {}
    for key, value in content.items():
        name = known.get(key.lower())
        if name is None or value is None:
            continue
        decoder = fields[name]
        where = f"{path}.{name}"
        if not callable(decoder):
            decoded[name] = _decode(value, decoder, where)
            continue
        try:
            decoded[name] = decoder(value)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{where}: {error}") from error
    return decoded
