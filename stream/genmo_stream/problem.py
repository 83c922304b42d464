"""RFC 9457 problem responses: what was wrong and what to do, as application/problem+json."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that can't be served; a handler turns it into its response.

    Attributes:
        status: HTTP status code.
        detail: what was wrong, what was expected and the next step, for the caller.
        headers: extra response headers (Retry-After, Allow, …).
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The problem as an HTTP response."""
        return problem_response(self.status, self.detail, self.headers)


def problem_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An application/problem+json response (RFC 9457) titled by its status."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        },
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )
