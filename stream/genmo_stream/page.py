"""The built web page as static files, with the headers that keep it fresh and safe."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

WEB_ROOT = Path(__file__).parent / "web"
HASHED = "assets/"  # vite names these files by their content
# The page asks nobody but this server for anything; picked videos, and pictures in picked avatars,
# are blobs.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "connect-src 'self' blob: ws: wss:; media-src 'self' blob:; "
    "img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'"
)


class PageFiles(StaticFiles):
    """The page's files: those named by content are kept for ever, the others are checked."""

    def __init__(self) -> None:
        super().__init__(directory=WEB_ROOT, html=True)

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """One file with its headers; a missing one raises Starlette's 404."""
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if path.startswith(HASHED) else "no-cache"
        response.headers["Cache-Control"] = kept
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
