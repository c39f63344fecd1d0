"""The tokens of the management call: JSON Web Tokens, signed with HS256, claims as OpenIM names them."""

from __future__ import annotations

import secrets
import time

import jwt

from kafka_lab.errors import ConfigurationError, InvalidNotificationError

__all__ = ["ADMINS", "Tokens"]

#: ``manager.appManagerUid`` of OpenIM's shipped configuration: who may call the management interface.
ADMINS = ("openIM123456", "openIM654321", "openIM333", "openIMAdmin")
_LIFETIME_S = 24 * 3600
_WEB = 5  # platform
_MOST_REMEMBERED = 50_000


class Tokens:
    """Issues and checks tokens with a secret of its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_urlsafe(32)
        self._checked: dict[str, tuple[str, float]] = {}  # users and ends of tokens found good

    def issue(self, user: str = ADMINS[0], lifetime_s: int = _LIFETIME_S) -> str:
        """Return a token for a user, by default for an admin, valid for a day.

        Raises
        ------
        ConfigurationError
            ``user`` is empty.
        """
        if not user:
            raise ConfigurationError("a token needs a user ID, such as 'openIM123456'")
        now = int(time.time())
        claims = {"UID": user, "Platform": _WEB, "iat": now, "nbf": now, "exp": now + lifetime_s}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def check_admin(self, token: str | None) -> str:
        """Return the admin to whom a token belongs.

        Raises
        ------
        InvalidNotificationError
            The token is missing, forged or expired, or its user is no admin: errCode 400.
        """
        user = self.check(token)
        if user not in ADMINS:
            raise InvalidNotificationError("not authorized", http_status=400, err_code=400)
        return user

    def check(self, token: str | None) -> str:
        """Return the user to whom a token belongs.

        Raises
        ------
        InvalidNotificationError
            The token is missing, forged or expired: errCode 400.
        """
        user, end_s = self._checked.get(token or "", ("", 0.0))
        if end_s > time.time():
            return user
        try:
            claims = jwt.decode(
                token or "",
                self._secret,
                algorithms=["HS256"],
                options={"require": ["UID", "exp", "iat", "nbf"]},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidNotificationError("parse token failed", http_status=400, err_code=400) from error
        if len(self._checked) >= _MOST_REMEMBERED:
            self._checked.clear()
        self._checked[token or ""] = str(claims["UID"]), claims["exp"]
        return str(claims["UID"])
