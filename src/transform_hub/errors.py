"""The errors of this package, as one tree.

HubError
├── PackageError            a Sequence package that can't be packed, read or unpacked
├── HubStartError           a Hub can't be started here: port in use, no permission, ...
├── ProfileError            a profile of si can't be used: it can't be read, has a wrong value, ...
│   ├── ProfileNotFoundError  there is no such profile
│   └── ProfileValueError     a name or value that a profile can't have
├── AmbiguousNameError      a name that several Sequences have
├── InstanceFailedError     an Instance ended with an exit code other than 0
├── InstanceTimeoutError    an Instance did not run, or end, in time
├── OutputTooLargeError     an Instance wrote more than the limit
├── HubConnectionError      no Hub answered, or it closed the connection during a call
│   └── HubTimeoutError     it did not answer within the deadline
├── StreamError             a byte stream broke off before its end
│   ├── StreamTimeoutError  it was silent, or lost, for longer than the timeout
│   ├── InstanceEndedError  the Instance ended; has exit code and reason
│   └── InstanceRestartedError  the run of the Instance ended, and its restart policy starts another one
└── HubResponseError        the Hub answered with an error status
    ├── BadRequestError             400
    ├── AuthenticationError         401
    ├── PermissionDeniedError       403
    ├── NotFoundError               404
    │   └── InstanceGoneError           the Hub forgot an Instance before it told how that ended
    ├── MethodNotAllowedError       405   (e.g. input for an Instance that reads a topic)
    ├── NotAcceptableError          406
    ├── ConflictError               409
    ├── PayloadTooLargeError        413
    ├── UnsupportedMediaTypeError   415
    ├── OverloadedError             419, 429, 503, 507
    ├── UnprocessableError          422   (a package the Hub refuses)
    └── ServerError                 any other 5xx
"""

from __future__ import annotations

from typing import Any


class HubError(Exception):
    """Base of all errors of this package."""


class PackageError(HubError):
    """A Sequence package can't be packed, read or unpacked.

    Attributes:
        code: a stable word for the defect, e.g. ``not-an-archive`` or ``no-main``.
    """

    def __init__(self, message: str, *, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


class HubStartError(HubError):
    """A Hub can't be started: its port is in use, its data directory can't be written, ..."""


class ProfileError(HubError):
    """A profile of ``si`` can't be used: it can't be read, has a wrong value, ..."""


class ProfileNotFoundError(ProfileError):
    """There is no such profile of ``si``, or no such file."""


class ProfileValueError(ProfileError):
    """A name or value that a profile of ``si`` can't have."""


class AmbiguousNameError(HubError):
    """Several Sequences have this name.

    Attributes:
        name: the name.
        ids: of the Sequences.
    """

    def __init__(self, name: str, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} Sequences are named {name!r}; use one of their ids: {', '.join(ids)}")
        self.name = name
        self.ids = ids


class _RunError(HubError):
    """Base of errors of an Instance that was run.

    Attributes:
        id: of the Instance.
        output, stdout, stderr: what it wrote, if that was collected.
    """

    def __init__(self, message: str, *, id: str, output: bytes = b"", stdout: bytes = b"", stderr: bytes = b"") -> None:
        super().__init__(message)
        self.id = id
        self.output = output
        self.stdout = stdout
        self.stderr = stderr


class InstanceFailedError(_RunError):
    """An Instance ended with an exit code other than 0.

    Attributes:
        id: of the Instance.
        returncode: its exit code.
        reason: why it ended.
        output, stdout, stderr: what it wrote.
    """

    def __init__(self, message: str, *, returncode: int, reason: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.returncode = returncode
        self.reason = reason


class InstanceTimeoutError(_RunError, TimeoutError):
    """An Instance did not run, or end, in time.

    Attributes:
        id: of the Instance.
        output, stdout, stderr: what it wrote, if that was collected.
    """


class OutputTooLargeError(_RunError):
    """An Instance wrote more than the limit, and was killed.

    Attributes:
        id: of the Instance.
        output, stdout, stderr: what it wrote before.
    """


class RequestError(HubError):
    """An error that belongs to one request.

    Attributes:
        method, url: the request. The URL never holds credentials.
        hint: the obvious next step; may be empty.
        request_id: id of the request, as in the Hub's log; may be empty.
    """

    def __init__(self, message: str, *, method: str = "", url: str = "", hint: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.url = url
        self.hint = hint
        self.request_id = request_id

    def __str__(self) -> str:
        request = f" ({self.method} {self.url})" if self.url else ""
        return f"{self.message}{request}" + (f"; {self.hint}" if self.hint else "")


class HubConnectionError(RequestError, ConnectionError):
    """No Hub answered, or it closed the connection during a call."""


class HubTimeoutError(HubConnectionError, TimeoutError):
    """The Hub did not answer within the call's deadline."""


class StreamError(RequestError):
    """A byte stream broke off before its end."""


class StreamTimeoutError(StreamError, TimeoutError):
    """A byte stream was silent, or its connection lost, for longer than the timeout."""


class InstanceEndedError(StreamError):
    """A stream broke off because its Instance ended.

    Attributes:
        exit_code: the Instance's exit code; None if the Hub has none.
        reason: why it ended.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, reason: str = "", **request: str) -> None:
        super().__init__(message, **request)
        self.exit_code = exit_code
        self.reason = reason


class InstanceRestartedError(StreamError):
    """A stream broke off because the Instance restarts: it can be opened again when that runs."""


class HubResponseError(RequestError):
    """The Hub answered with an error status.

    Attributes:
        status: the HTTP status code.
        body: the answer's JSON, or its text, or None if it was empty.
    """

    def __init__(self, message: str, *, status: int, body: Any = None, **request: str) -> None:
        super().__init__(message, **request)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        return f"{self.status} {super().__str__()}"


class BadRequestError(HubResponseError):
    """400: the request is malformed, or the Sequence could not be started with it."""


class AuthenticationError(HubResponseError):
    """401: no token, or an unknown one."""


class PermissionDeniedError(HubResponseError):
    """403: the token does not allow this."""


class NotFoundError(HubResponseError):
    """404: there is no such Sequence, Instance, topic or route."""


class InstanceGoneError(NotFoundError):
    """The Hub forgot an Instance before it told how that ended."""


class MethodNotAllowedError(HubResponseError):
    """405: not possible here, e.g. input for an Instance that reads a topic."""


class NotAcceptableError(HubResponseError):
    """406: input without a content type."""


class ConflictError(HubResponseError):
    """409: in use, or the id is taken."""


class PayloadTooLargeError(HubResponseError):
    """413: the package is larger than the Hub accepts."""


class UnsupportedMediaTypeError(HubResponseError):
    """415: a content type that this route or topic does not take."""


class UnprocessableError(HubResponseError):
    """422: a package that the Hub refuses."""


class OverloadedError(HubResponseError):
    """419, 429, 503 or 507: the Hub has no room for this now."""


class ServerError(HubResponseError):
    """Any other 5xx: the Hub failed."""


_BY_STATUS: dict[int, type[HubResponseError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    406: NotAcceptableError,
    409: ConflictError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
    419: OverloadedError,
    422: UnprocessableError,
    429: OverloadedError,
    503: OverloadedError,
    507: OverloadedError,
}


def error_class(status: int) -> type[HubResponseError]:
    """The class for an HTTP error status."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else HubResponseError)
