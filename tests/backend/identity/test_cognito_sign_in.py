from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from chalicelib.adapters.cognito import CognitoSignIn
from chalicelib.adapters.cognito_errors import translate
from chalicelib.domain.errors import (
    AppError,
    NotSignedIn,
    ServiceUnavailable,
    TooManyRequests,
    ValidationFailed,
)
from moto import mock_aws

REGION = "eu-west-1"
EMAIL, GIVEN, OWN = "sam@example.com", "Given-by-admin-1", "Chosen-by-me-22"


@pytest.fixture
def idp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("cognito-idp", region_name=REGION)


@pytest.fixture
def pool(idp: Any) -> CognitoSignIn:
    pool_id = idp.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
    client_id = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="site",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )["UserPoolClient"]["ClientId"]
    idp.admin_create_user(
        UserPoolId=pool_id,
        Username=EMAIL,
        TemporaryPassword=GIVEN,
        UserAttributes=[{"Name": "email", "Value": EMAIL}, {"Name": "email_verified", "Value": "true"}],
    )
    return CognitoSignIn(pool_id, client_id, idp)


def _with_own_password(pool: CognitoSignIn) -> dict[str, Any]:
    challenge = pool.sign_in(EMAIL, GIVEN)
    assert challenge["challenge"] == "new_password_required"
    return dict(pool.answer_new_password(EMAIL, challenge["session"], OWN))


def test_the_first_sign_in_is_a_challenge_and_then_a_session(pool: CognitoSignIn) -> None:
    session = _with_own_password(pool)
    assert set(session) == {"access_token", "refresh_token", "expires_in_seconds"}
    assert set(pool.sign_in(EMAIL, OWN)) == set(session)


def test_wrong_password_and_unknown_email_raise_the_same(pool: CognitoSignIn) -> None:
    _with_own_password(pool)
    messages = set()
    for email, password in ((EMAIL, "wrong"), ("nobody@example.com", "wrong")):
        with pytest.raises(NotSignedIn) as caught:
            pool.sign_in(email, password)
        messages.add(caught.value.message)
    assert messages == {"E-mail or password is wrong."}


def test_a_refresh_keeps_the_refresh_token(pool: CognitoSignIn) -> None:
    session = _with_own_password(pool)
    fresh = pool.refresh(session["refresh_token"])
    assert fresh["refresh_token"] == session["refresh_token"]
    assert fresh["access_token"]
    with pytest.raises(NotSignedIn, match="session has ended"):
        pool.refresh("unknown")


def test_asking_for_a_code_for_an_unknown_email_is_silent(pool: CognitoSignIn) -> None:
    pool.forgot_password("nobody@example.com")


def _error(code: str, message: str = "m") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "InitiateAuth")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_error("TooManyRequestsException"), TooManyRequests),
        (_error("LimitExceededException"), TooManyRequests),
        (_error("NotAuthorizedException", "Password attempts exceeded"), TooManyRequests),
        (_error("NotAuthorizedException"), NotSignedIn),
        (_error("UserNotFoundException"), NotSignedIn),
        (_error("PasswordResetRequiredException"), NotSignedIn),
        (_error("InvalidPasswordException", "Password not long enough"), ValidationFailed),
        (_error("CodeMismatchException"), ValidationFailed),
        (_error("ExpiredCodeException"), ValidationFailed),
        (_error("InternalErrorException"), ServiceUnavailable),
        (ConnectTimeoutError(endpoint_url="https://x"), ServiceUnavailable),
    ],
)
def test_every_refusal_of_the_pool_has_its_kind(error: Any, kind: type[AppError]) -> None:
    assert type(translate(error, NotSignedIn("no"))) is kind


class _Refusing:
    """A client that refuses everything with one error."""

    def __init__(self, error: ClientError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(**_arguments: Any) -> None:
            raise self._error

        return refuse


def _refusing(code: str) -> CognitoSignIn:
    return CognitoSignIn("eu-west-1_x", "client", _Refusing(_error(code)))  # type: ignore[arg-type]


def test_signing_out_of_an_ended_session_is_fine_and_an_outage_is_not() -> None:
    _refusing("NotAuthorizedException").sign_out("token")
    _refusing("UnsupportedTokenTypeException").sign_out("token")
    with pytest.raises(ServiceUnavailable):
        _refusing("InternalErrorException").sign_out("token")


def test_an_outdated_challenge_asks_to_sign_in_again() -> None:
    for code in ("CodeMismatchException", "ExpiredCodeException", "NotAuthorizedException"):
        with pytest.raises(NotSignedIn, match="Sign in again"):
            _refusing(code).answer_new_password(EMAIL, "session", OWN)
    with pytest.raises(ValidationFailed):
        _refusing("InvalidPasswordException").answer_new_password(EMAIL, "session", "x")


def test_an_unknown_email_and_a_wrong_code_read_the_same() -> None:
    details = []
    for code in ("UserNotFoundException", "CodeMismatchException"):
        with pytest.raises(ValidationFailed) as caught:
            _refusing(code).confirm_forgot_password("a@example.com", "123456", OWN)
        details.append(caught.value.details)
    assert details[0] == details[1]


def test_a_session_too_short_to_be_one_asks_to_sign_in_again(pool: CognitoSignIn) -> None:
    with pytest.raises(NotSignedIn, match="Sign in again"):
        pool.answer_new_password(EMAIL, "short", OWN)


def test_too_many_codes_are_said_aloud_but_unknown_emails_are_not() -> None:
    with pytest.raises(TooManyRequests):
        _refusing("LimitExceededException").forgot_password(EMAIL)
    _refusing("UserNotFoundException").forgot_password(EMAIL)
