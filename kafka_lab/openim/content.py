"""What stands in a message's ``content``, and how OpenIM decodes it.

The server decodes content *weakly* (mapstructure's WeaklyTypedInput): ``"1"`` and ``true`` pass as 1, 123
passes as ``"123"``. What does not fit is refused with errCode 401, a required field that is missing or
zero with 403. The content is passed on as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kafka_lab.errors import InvalidNotificationError

__all__ = [
    "CONTENT_TYPES",
    "FOLLOWS",
    "OA_NOTIFICATION",
    "REVOKE",
    "TEXT",
    "check_content",
    "content_text",
    "preview",
]

TEXT = 101
REVOKE = 111
OA_NOTIFICATION = 1400
#: Whom the gateway follows: the article's table of content types, or what a v2.1.0 server takes.
FOLLOWS = ("article", "server")
_SMALL = 2000  # characters of a content that is worth remembering
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)

_NUMBERS = (bool, int, float)  # not "bool | int | float", which is made anew for each field of each request
_PLAIN = (str, int, float)

Decoder = Callable[[Any], object]
Fields = Mapping[str, "Decoder | Fields"]


def _string(value: Any) -> str:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, _PLAIN):
        return str(value)
    raise ValueError(f"expected a string, got {_kind(value)}")


def _integer(value: Any) -> int:  # noqa: ANN401 - JSON of any kind
    """Return a whole number of 64 bits; a text is read as Go's ParseInt with base 0 reads it.

    Raises
    ------
    ValueError
        It is none.
    """
    if isinstance(value, _NUMBERS):
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


def _float(value: Any) -> float:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, _NUMBERS):
        return float(value)
    if isinstance(value, str):
        return float(value or "0")
    raise ValueError(f"expected a number, got {_kind(value)}")


def _boolean(value: Any) -> bool:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, _NUMBERS):
        return bool(value)
    if isinstance(value, str) and value.lower() in {"1", "t", "true", "0", "f", "false", ""}:
        return value.lower() in {"1", "t", "true"}
    raise ValueError(f"expected true or false, got {_kind(value)}")


def _strings(value: Any) -> list[str]:  # noqa: ANN401 - JSON of any kind
    """Return a list of strings; a single value counts as a list of one, as in mapstructure."""
    return [_string(item) for item in (value if isinstance(value, list) else [value])]


def _anything(value: Any) -> object:  # noqa: ANN401 - JSON of any kind
    return value


_PICTURE: Fields = {
    "uuid": _string,
    "type": _string,
    "size": _integer,
    "width": _integer32,
    "height": _integer32,
    "url": _string,
}
_PICTURE_ELEM: Fields = {
    "sourcePath": _string,
    "sourcePicture": _PICTURE,
    "bigPicture": _PICTURE,
    "snapshotPicture": _PICTURE,
}
_SOUND_ELEM: Fields = {
    "uuid": _string,
    "soundPath": _string,
    "sourceUrl": _string,
    "dataSize": _integer,
    "duration": _integer,
}
_VIDEO_ELEM: Fields = {
    **dict.fromkeys(("videoPath", "videoUUID", "videoUrl", "videoType"), _string),
    **dict.fromkeys(("videoSize", "duration"), _integer),
    **dict.fromkeys(("snapshotPath", "snapshotUUID", "snapshotUrl"), _string),
    "snapshotSize": _integer,
    **dict.fromkeys(("snapshotWidth", "snapshotHeight"), _integer32),
}
_FILE_ELEM: Fields = {
    "filePath": _string,
    "uuid": _string,
    "sourceUrl": _string,
    "fileName": _string,
    "fileSize": _integer,
}
_OA_NOTIFICATION: Fields = {
    "notificationName": _string,
    "notificationFaceURL": _string,
    "notificationType": _integer32,
    "text": _string,
    "url": _string,
    "mixType": _integer32,
    "pictureElem": _PICTURE_ELEM,
    "soundElem": _SOUND_ELEM,
    "videoElem": _VIDEO_ELEM,
    "fileElem": _FILE_ELEM,
    "ex": _string,
}


class ContentType(NamedTuple):
    """What stands in one type of content.

    Attributes
    ----------
    name : str
        In a word or two.
    fields : mapping
        The fields known, with their decoders.
    required : tuple of str
        Those that may not be missing, ``""`` or 0.
    by_server : bool
        A v2.1.0 server takes it on the management call; else only the article's table has it.
    """

    name: str
    fields: Fields
    required: tuple[str, ...] = ()
    by_server: bool = True


#: The content types of the management call, by number.
CONTENT_TYPES: Mapping[int, ContentType] = {
    TEXT: ContentType("text", {"text": _string}, ("text",)),
    102: ContentType("picture", _PICTURE_ELEM),
    103: ContentType("voice", _SOUND_ELEM),
    104: ContentType("video", _VIDEO_ELEM),
    105: ContentType("file", _FILE_ELEM),
    106: ContentType(
        "@", {"text": _string, "atUserList": _strings, "isAtSelf": _boolean}, ("text",), by_server=False
    ),
    107: ContentType(
        "merged",
        {"title": _string, "abstractList": _strings, "multiMessage": _anything},
        ("title",),
        by_server=False,
    ),
    108: ContentType(
        "card",
        {"userID": _string, "nickname": _string, "faceURL": _string, "ex": _string},
        ("userID",),
        by_server=False,
    ),
    109: ContentType(
        "location", {"description": _string, "longitude": _float, "latitude": _float}, by_server=False
    ),
    110: ContentType("custom", {"data": _string, "description": _string, "extension": _string}, ("data",)),
    REVOKE: ContentType("revoke", {"revokeMsgClientID": _string}, ("revokeMsgClientID",)),
    112: ContentType("read receipt", {"msgIDList": _strings}, ("msgIDList",), by_server=False),
    114: ContentType("quote", {"text": _string, "quoteMessage": _anything}, ("text",), by_server=False),
    OA_NOTIFICATION: ContentType(
        "OA notification",
        _OA_NOTIFICATION,
        ("notificationName", "notificationFaceURL", "notificationType", "text"),
    ),
}
_READ_AS_IT_IS = {TEXT: "text", REVOKE: "revokeMsgClientID"}  # the whole content, by exact name


def check_content(content_type: int, content: Mapping[str, Any], *, follow: str = "article") -> None:
    """Decode content as the server does, and refuse what it refuses.

    Where the real server crashes after its checks (a text message whose ``text`` is not a string, or is spelt
    otherwise; it answers HTTP 500 with an empty body), this answers errCode 401.

    Parameters
    ----------
    content_type : int
        OpenIM's number for it.
    content : mapping
        The request's.
    follow : str, default "article"
        ``"server"``: only the types that a v2.1.0 server takes.

    Raises
    ------
    InvalidNotificationError
        With errCode 404, 401 or 403.

    Examples
    --------
    >>> check_content(101, {"text": "hello"})
    """
    kind = CONTENT_TYPES.get(content_type)
    if kind is None or (follow == "server" and not kind.by_server):
        raise InvalidNotificationError("contentType err", http_status=400, err_code=404)
    try:
        decoded = _decode(content, kind.fields)
    except (ValueError, OverflowError) as error:
        raise InvalidNotificationError(str(error), http_status=400, err_code=401) from error
    missing = [name for name in kind.required if not decoded.get(name)]
    if missing:
        message = "; ".join(f"content.{name} is required" for name in missing)
        raise InvalidNotificationError(message, http_status=400, err_code=403)
    exact = _READ_AS_IT_IS.get(content_type)
    if exact is not None and not isinstance(content.get(exact), str):
        raise InvalidNotificationError(f"content.{exact} must be a string", http_status=400, err_code=401)


def content_text(content_type: int, content: Mapping[str, Any]) -> str:
    """Return content as it travels: a text, a revoked message's ID, or else the content as JSON."""
    exact = _READ_AS_IT_IS.get(content_type)
    return str(content[exact]) if exact is not None else _ENCODER.encode(content)


def preview(content_type: int, content: str) -> tuple[str, str]:
    """Return what a list of conversations shows of travelled content: a title (or nothing) and a text.

    Examples
    --------
    >>> preview(102, '{"sourcePath": "a.png"}')
    ('', '[picture]')
    """
    look = _preview if len(content) <= _SMALL else _preview.__wrapped__
    return look(content_type, content)


@lru_cache(maxsize=4096)  # every worker asks for it, for each copy
def _preview(content_type: int, content: str) -> tuple[str, str]:
    if content_type == TEXT:
        return "", content
    kind = CONTENT_TYPES.get(content_type)
    name = kind.name if kind else str(content_type)
    if content_type == REVOKE:
        return "", f"[{name}]"
    fields = json.loads(content)
    if not isinstance(fields, dict):
        return "", f"[{name}]"
    text = str(fields.get("text") or fields.get("description") or f"[{name}]")
    return str(fields.get("notificationName", "")), text


def _decode(content: object, fields: Fields, path: str = "content") -> dict[str, object]:
    """Return the known fields, decoded; names match whatever their case, as in mapstructure.

    Raises
    ------
    ValueError
        A value does not fit; the message names the field.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object, got {_kind(content)}")  # noqa: TRY004
    decoded: dict[str, object] = {}
    for key, value in content.items():
        name = key if key in fields else _in_any_case(key, fields)
        if name is None or value is None:
            continue
        decoder = fields[name]
        if not callable(decoder):
            decoded[name] = _decode(value, decoder, f"{path}.{name}")
            continue
        try:
            decoded[name] = decoder(value)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{path}.{name}: {error}") from error
    return decoded


def _in_any_case(key: str, fields: Fields) -> str | None:
    return next((name for name in fields if name.lower() == key.lower()), None)
