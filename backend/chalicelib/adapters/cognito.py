"""The user pool: e-mail and password in, verified tokens out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
import jwt
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.cognito_errors import (
    SESSION_ENDED,
    SIGN_IN_REFUSED,
    WRONG_CODE,
    code_of,
    translate,
)
from chalicelib.adapters.cognito_keys import PoolKeys
from chalicelib.domain.errors import AppError, NotSignedIn, ServiceUnavailable, ValidationFailed

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

_CHALLENGES = {"NEW_PASSWORD_REQUIRED": "new_password_required"}
_REFUSED = (ClientError, BotoCoreError)
# Servers' clocks differ a little; a token of this very second must not be refused.
_LEEWAY_SECONDS = 10
_PROFILES_KEPT = 1000


class CognitoSignIn:
    """ports.SignIn over a public app client with USER_PASSWORD_AUTH.

    Access tokens are checked here: RS256 signature by the pool's published keys, issuer, `client_id`,
    `token_use`, expiry (Amazon Cognito developer guide, "Verifying JSON web tokens").
    """

    def __init__(
        self, user_pool_id: str, client_id: str, client: CognitoIdentityProviderClient | None = None
    ) -> None:
        region = user_pool_id.partition("_")[0]
        self._client_id = client_id
        self._issuer = f"https://cognito-idp.{region}.amazonaws.com/{user_pool_id}"
        # A stand-in signs with the real issuer's name and publishes its keys under its own address.
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        base = f"{endpoint}/{user_pool_id}" if endpoint else self._issuer
        self._keys = PoolKeys(f"{base}/.well-known/jwks.json")
        self._client = client or boto3.client(
            "cognito-idp",
            region_name=region,
            config=Config(
                connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 2}
            ),
        )
        self._profiles: dict[str, dict[str, str]] = {}

    def sign_in(self, email: str, password: str) -> Mapping[str, Any]:
        """{access_token, refresh_token, expires_in_seconds} or {challenge, session}."""
        try:
            reply = self._client.initiate_auth(
                ClientId=self._client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": password},
            )
        except _REFUSED as error:
            raise translate(error, NotSignedIn(SIGN_IN_REFUSED)) from error
        return _answer(reply)

    def answer_new_password(self, email: str, session: str, new_password: str) -> Mapping[str, Any]:
        refused = NotSignedIn(
            "This first sign-in has expired. Sign in again with the password you were given."
        )
        try:
            reply = self._client.respond_to_auth_challenge(
                ClientId=self._client_id,
                ChallengeName="NEW_PASSWORD_REQUIRED",
                Session=session,
                ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": new_password},
            )
        except _REFUSED as error:
            raise _code_is_session(translate(error, refused), refused) from error
        return _answer(reply)

    def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        try:
            reply = self._client.initiate_auth(
                ClientId=self._client_id,
                AuthFlow="REFRESH_TOKEN_AUTH",
                AuthParameters={"REFRESH_TOKEN": refresh_token},
            )
        except _REFUSED as error:
            raise translate(error, NotSignedIn(SESSION_ENDED)) from error
        return _answer(reply, refresh_token)

    def sign_out(self, refresh_token: str) -> None:
        """A token that is spent or unknown is signed out already."""
        try:
            self._client.revoke_token(Token=refresh_token, ClientId=self._client_id)
        except _REFUSED as error:
            refused = NotSignedIn(SESSION_ENDED)
            problem = translate(error, refused)
            if problem is not refused and code_of(error) != "UnsupportedTokenTypeException":
                raise problem from error

    def forgot_password(self, email: str) -> None:
        """The same silence for known and unknown e-mails; a mail goes out for known ones only."""
        try:
            self._client.forgot_password(ClientId=self._client_id, Username=email)
        except _REFUSED as error:
            refused = NotSignedIn(SIGN_IN_REFUSED)
            problem = translate(error, refused)
            if problem is not refused:
                raise problem from error

    def confirm_forgot_password(self, email: str, code: str, new_password: str) -> None:
        try:
            self._client.confirm_forgot_password(
                ClientId=self._client_id, Username=email, ConfirmationCode=code, Password=new_password
            )
        except _REFUSED as error:
            raise translate(error, ValidationFailed({"code": [WRONG_CODE]})) from error

    def verify(self, access_token: str) -> Mapping[str, Any]:
        """Claims of a valid access token, with the person's `email`, `email_verified` and `name`.

        NotSignedIn when the token is not one of this pool's, ServiceUnavailable when that cannot be told.
        """
        claims = self._verified(access_token)
        subject = str(claims["sub"])
        if subject not in self._profiles:
            if len(self._profiles) >= _PROFILES_KEPT:
                self._profiles.clear()
            self._profiles[subject] = self._profile(access_token)
        return {**self._profiles[subject], **claims}

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(str(header.get("kid", ""))) if header.get("alg") == "RS256" else None
            if key is None:
                raise NotSignedIn("This token was not issued by this deployment. Sign in again.")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "sub", "token_use"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotSignedIn(SESSION_ENDED) from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise NotSignedIn("This is not a valid token. Sign in again.") from error
        kind, client_id = claims["token_use"], claims.get("client_id")
        if kind != "access" or client_id != self._client_id:
            raise NotSignedIn("This token was made for something else. Sign in again to get an access token.")
        return claims

    def _profile(self, access_token: str) -> dict[str, str]:
        """An access token carries no e-mail; asking the pool also refuses tokens that were revoked."""
        try:
            reply = self._client.get_user(AccessToken=access_token)
        except _REFUSED as error:
            raise translate(error, NotSignedIn(SESSION_ENDED)) from error
        values = {each["Name"]: each.get("Value", "") for each in reply["UserAttributes"]}
        return {name: values[name] for name in ("email", "email_verified", "name") if name in values}


def _answer(reply: Any, refresh_token: str | None = None) -> dict[str, Any]:
    name = reply.get("ChallengeName")
    if name:
        if name not in _CHALLENGES:
            raise ServiceUnavailable(
                f"The user pool asks for {name}, which this site cannot answer. Ask an administrator."
            )
        return {"challenge": _CHALLENGES[name], "session": reply["Session"]}
    result = reply["AuthenticationResult"]
    return {
        "access_token": result["AccessToken"],
        "refresh_token": result.get("RefreshToken") or refresh_token,
        "expires_in_seconds": int(result["ExpiresIn"]),
    }


def _code_is_session(problem: AppError, refused: AppError) -> AppError:
    """Cognito calls an outdated challenge session a wrong code; here no code was asked for."""
    if isinstance(problem, ValidationFailed) and "code" in problem.details:
        return refused
    return problem
