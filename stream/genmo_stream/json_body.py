"""Small JSON objects as request bodies."""

import json
from typing import Any

from starlette.requests import Request

from genmo_stream.problem import Problem

MAX_BODY = 4096  # bytes


async def json_object(request: Request, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The JSON object of a request; an empty body is an empty object.

    Args:
        request: whose body is read.
        known: the keys that it may have; None for any.
    Raises:
        Problem: it is too long, not an object, or has other keys.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise Problem(413, f"the body is over {MAX_BODY} bytes; expected a short JSON object")
    if not content.strip():
        return {}
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Problem(400, f"the body is JSON {type(fields).__name__}; expected an object")
    unknown = [key for key in fields if known is not None and key not in known]
    if unknown:
        raise Problem(400, f"the body has '{unknown[0]}'; expected {', '.join(known or ())}")
    return fields
