"""The first person of a deployment, the provider's key, and the API token that tools and tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
from botocore.exceptions import ClientError

from stack.deployment import client
from stack.lasting_settings import LastingSettings

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_ssm import SSMClient

TOKEN_NAME = "one-machine stack"  # noqa: S105 - a name, not a secret
TIMEOUT_SECONDS = 30.0


class SignInError(RuntimeError):
    """The API refused the owner's sign-in or the making of a token."""


def store_secrets(settings: LastingSettings, deployment: str) -> None:
    """Put the provider's key and the webhook secret where the Lambdas read them."""
    ssm: SSMClient = client("ssm", settings.aws_url)
    _store_secret(ssm, f"/{deployment}/runpod-api-key", settings.runpod_api_key)
    _store_secret(ssm, f"/{deployment}/webhook-secret", settings.webhook_secret)


def _store_secret(ssm: SSMClient, name: str, value: str) -> None:
    try:
        found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        found = None
    if found != value:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def verify_sender(settings: LastingSettings, sender: str) -> None:
    """Let SES send mails from this address; it refuses those of a sender nobody has verified, as AWS does."""
    client("ses", settings.aws_url).verify_email_identity(EmailAddress=sender)


def ensure_owner(settings: LastingSettings, user_pool_id: str) -> None:
    """Make the owner's account with its permanent password; leaves an existing one alone."""
    cognito: CognitoIdentityProviderClient = client("cognito-idp", settings.aws_url)
    email = settings.owner_email
    try:
        cognito.admin_get_user(UserPoolId=user_pool_id, Username=email)
        return
    except ClientError as error:
        if error.response["Error"]["Code"] != "UserNotFoundException":
            raise
    cognito.admin_create_user(
        UserPoolId=user_pool_id,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
    )
    cognito.admin_set_user_password(
        UserPoolId=user_pool_id, Username=email, Password=settings.owner_password, Permanent=True
    )


def api_token(api_url: str, settings: LastingSettings, previous: str | None) -> str:
    """The token of the previous run if the API still takes it, else a new one. Raises SignInError."""
    with httpx.Client(timeout=TIMEOUT_SECONDS) as http:
        if previous:
            headers = {"Authorization": f"Bearer {previous}"}
            if http.get(f"{api_url}/me", headers=headers).status_code == httpx.codes.OK:
                return previous
        credentials = {"email": settings.owner_email, "password": settings.owner_password}
        session = _data(http.post(f"{api_url}/session", json=credentials))
        created = http.post(
            f"{api_url}/tokens",
            json={"name": TOKEN_NAME, "scopes": ["*"]},
            headers={"Authorization": f"Bearer {_text(session, 'access_token', 'id_token')}"},
        )
        return _text(_data(created), "token")


def _data(response: httpx.Response) -> dict[str, Any]:
    asked = f"{response.request.method} {response.request.url.path}"
    if response.status_code >= httpx.codes.BAD_REQUEST:
        raise SignInError(f"{asked} answered {response.status_code}: {response.text[:500]}")
    body = response.json()
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise SignInError(f"{asked} answered without a data object: {response.text[:500]}")
    return data


def _text(data: dict[str, Any], *names: str) -> str:
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and isinstance(value.get("token"), str):
            return str(value["token"])
    raise SignInError(f"The API's answer holds none of {', '.join(names)} (it holds {', '.join(data)}).")
