"""The device flow of GitHub's OAuth apps (RFC 8628; GitHub docs: Authorizing OAuth apps, Device flow)."""

from __future__ import annotations

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, Field

from webhook.simulator.exchange import Call, Reply

CODE_PATH = "/login/device/code"
TOKEN_PATH = "/login/oauth/access_token"  # noqa: S105 - a path
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LIFETIME = timedelta(minutes=15)


class OAuthApp(BaseModel):
    """An OAuth app."""

    client_id: str
    device_flow: bool = True
    interval: int = 5


class DeviceCode(BaseModel):
    """A code that was issued, and what its user did."""

    client_id: str
    user_code: str
    scopes: list[str]
    expires_at: datetime
    interval: int
    state: Literal["pending", "approved", "denied", "used"] = "pending"
    login: str = ""
    asked_at: datetime | None = None


class DeviceFlows(BaseModel):
    """All codes of a host by device code."""

    apps: dict[str, OAuthApp] = Field(default_factory=dict)
    codes: dict[str, DeviceCode] = Field(default_factory=dict, repr=False)
    foreign_page: str = ""
    """A verification URI that replaces the host's own, as an attacker in the middle would send it."""

    def decide(self, user_code: str, login: str, *, approve: bool = True) -> None:
        """A user enters a code, and approves or denies."""
        for code in self.codes.values():
            if code.user_code == user_code:
                code.state, code.login = ("approved" if approve else "denied"), login

    def issue(self, call: Call, web_url: str, now: datetime) -> Reply:
        """Answer `POST /login/device/code`."""
        fields = _fields(call)
        app = self.apps.get(fields.get("client_id", ""))
        if app is None:
            return Reply.json(404, {"error": "Not Found"})
        if not app.device_flow:
            return _error("device_flow_disabled", status=400)
        user_code = f"{token_hex(2)}-{token_hex(2)}".upper()
        device_code = token_hex(20)
        scopes = fields.get("scope", "").replace(",", " ").split()
        self.codes[device_code] = DeviceCode(
            client_id=app.client_id,
            user_code=user_code,
            scopes=scopes,
            expires_at=now + _LIFETIME,
            interval=app.interval,
        )
        document = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": self.foreign_page or f"{web_url}/login/device",
            "expires_in": int(_LIFETIME.total_seconds()),
            "interval": app.interval,
        }
        return Reply.json(200, document)

    def redeem(self, call: Call, now: datetime) -> DeviceCode | Reply:
        """Return the approved code of `POST /login/oauth/access_token`, or the reply to another one."""
        fields = _fields(call)
        code = self.codes.get(fields.get("device_code", ""))
        if fields.get("grant_type") != _GRANT:
            return _error("unsupported_grant_type")
        if code is None or code.client_id != fields.get("client_id") or code.state == "used":
            return _error("incorrect_device_code")
        if now >= code.expires_at:
            return _error("expired_token")
        before, code.asked_at = code.asked_at, now
        if before is not None and now < before + timedelta(seconds=code.interval):
            code.interval += 5
            return _error("slow_down", interval=code.interval)
        if code.state == "denied":
            return _error("access_denied")
        if code.state == "pending":
            return _error("authorization_pending")
        code.state = "used"
        return code


def _fields(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode(errors="replace")).items()}


def _error(name: str, *, status: int = 200, **more: int) -> Reply:
    return Reply.json(status, {"error": name, "error_description": f"The simulator says {name}.", **more})
