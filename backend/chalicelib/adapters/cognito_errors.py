"""What Cognito says when it refuses, in the words of this application."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from chalicelib.domain.errors import (
    AppError,
    NotSignedIn,
    ServiceUnavailable,
    TooManyRequests,
    ValidationFailed,
)

SIGN_IN_REFUSED = "E-mail or password is wrong."
SESSION_ENDED = "Your session has ended. Sign in again."
WRONG_CODE = "The code is wrong or has expired. Ask for a new one."
_SLOW_DOWN = "Too many attempts. Wait a few minutes and try again."
_NO_ACCESS = frozenset(
    {
        "NotAuthorizedException",
        "UserNotFoundException",
        "UserNotConfirmedException",
        "InvalidParameterException",
        "UnauthorizedException",
    }
)
_THROTTLED = frozenset(
    {
        "TooManyRequestsException",
        "LimitExceededException",
        "TooManyFailedAttemptsException",
        "ThrottlingException",
    }
)
_BAD_CODE = frozenset({"CodeMismatchException", "ExpiredCodeException"})


def code_of(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def translate(error: ClientError | BotoCoreError, refused: AppError) -> AppError:
    """refused: what to say when the credentials are not accepted, the same for every reason of that."""
    code = code_of(error)
    message = _message_of(error)
    if code in _THROTTLED or "attempts exceeded" in message.lower():
        return TooManyRequests(_SLOW_DOWN)
    if code == "InvalidPasswordException":
        return ValidationFailed({"new_password": [message or "Does not meet the password policy."]})
    if code in _BAD_CODE:
        return ValidationFailed({"code": [WRONG_CODE]})
    if code == "PasswordResetRequiredException":
        return NotSignedIn("Your password must be set anew. Use “Forgot password” to get a code by mail.")
    # A session or token of a length that the pool never makes is refused before it is even sent.
    if code in _NO_ACCESS or isinstance(error, ParamValidationError):
        return refused
    return ServiceUnavailable("Signing in is not possible right now. Try again in a minute.")


def _message_of(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Message", ""))
