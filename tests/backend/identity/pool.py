"""An in-memory user pool, of the port `SignIn`, and a client that calls the API in process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.test import Client
from chalicelib.domain.errors import NotSignedIn, TooManyRequests, ValidationFailed


@dataclass
class Account:
    subject: str
    email: str
    password: str
    name: str = ""
    must_change_password: bool = False
    email_verified: str | None = None


@dataclass
class FakePool:
    """Tokens are readable: `access-{subject}` and `refresh-{subject}`."""

    accounts: dict[str, Account] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    throttled: bool = False

    def add(self, email: str, password: str = "correct horse", **facts: Any) -> Account:
        account = Account(f"sub-{email}", email, password, **facts)
        self.accounts[email] = account
        return account

    def sign_in(self, email: str, password: str) -> Mapping[str, Any]:
        if self.throttled:
            raise TooManyRequests("Too many attempts. Wait a few minutes and try again.")
        account = self.accounts.get(email)
        if account is None or account.password != password:
            raise NotSignedIn("E-mail or password is wrong.")
        if account.must_change_password:
            return {"challenge": "new_password_required", "session": f"session-{email}"}
        return self._answer(account)

    def answer_new_password(self, email: str, session: str, new_password: str) -> Mapping[str, Any]:
        account = self.accounts.get(email)
        if account is None or session != f"session-{email}":
            raise NotSignedIn("This first sign-in has expired.")
        account.password, account.must_change_password = new_password, False
        return self._answer(account)

    def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        subject = refresh_token.removeprefix("refresh-")
        account = next((each for each in self.accounts.values() if each.subject == subject), None)
        if account is None or refresh_token in self.ended:
            raise NotSignedIn("Your session has ended. Sign in again.")
        return self._answer(account)

    def sign_out(self, refresh_token: str) -> None:
        self.ended.add(refresh_token)

    def forgot_password(self, email: str) -> None:
        if email in self.accounts:
            self.codes[email] = "123456"

    def confirm_forgot_password(self, email: str, code: str, new_password: str) -> None:
        if self.codes.get(email) != code:
            raise ValidationFailed({"code": ["The code is wrong or has expired. Ask for a new one."]})
        self.accounts[email].password = new_password

    def verify(self, access_token: str) -> Mapping[str, Any]:
        subject = access_token.removeprefix("access-")
        account = next((each for each in self.accounts.values() if each.subject == subject), None)
        if account is None:
            raise NotSignedIn("This is not a valid token. Sign in again.")
        claims = {"sub": account.subject, "email": account.email, "name": account.name}
        return (
            claims if account.email_verified is None else {**claims, "email_verified": account.email_verified}
        )

    def _answer(self, account: Account) -> Mapping[str, Any]:
        return {
            "access_token": f"access-{account.subject}",
            "refresh_token": f"refresh-{account.subject}",
            "expires_in_seconds": 3600,
        }


@dataclass
class Reply:
    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        assert self.body.get("success") is True, self.body
        return self.body["data"]


class Caller:
    """The API as one person sees it."""

    def __init__(self, client: Client, token: str | None = None) -> None:
        self._client = client
        self._token = token

    def as_token(self, token: str | None) -> Caller:
        return Caller(self._client, token)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = self._client.http.request(method, path, headers=sent, body=raw)
        return Reply(reply.status_code, json.loads(reply.body))
