"""What may be told of an error: its class, and a message that cannot hold a secret or anything of a recording."""

from __future__ import annotations

from volcasr_async.errors import AuthenticationFailed, ServiceError, TransportError, in_one_line

_LONGEST = 200


def error_type(error: BaseException) -> str:
    """Name the kind of error; whatever ends a task from outside is "cancelled"."""
    return type(error).__name__ if isinstance(error, Exception) else "cancelled"


def error_message(error: BaseException) -> str | None:
    """Tell the message of a refusal and of a failure on the way.

    Others may quote what the caller gave, or the beginning of a reply, which may be a transcript. A refused key may be
    echoed by who refuses it.
    """
    if isinstance(error, TransportError):
        cause = f"{type(error.__cause__).__name__}, " if error.__cause__ is not None else ""
        return f"{cause}sent: {error.sent}"
    if isinstance(error, ServiceError) and not isinstance(error, AuthenticationFailed):
        return in_one_line(error.message)[:_LONGEST] or None
    return None


def described(error: BaseException) -> str:
    """Tell both in one phrase."""
    message, code = error_message(error), getattr(error, "code", None)
    number = f" {code}" if code is not None else ""
    return error_type(error) + number + (f" ({message})" if message else "")
