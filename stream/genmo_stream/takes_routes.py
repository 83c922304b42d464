"""The HTTP face of takes: record, list, rename, delete, download, solve again."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.formats.bones import BONE_NAMES
from genmo_rt.smpl import Body
from genmo_stream.errors import NoRoom, TakeBusy, TakeError, UnknownTake
from genmo_stream.hub import Hub
from genmo_stream.json_body import json_object
from genmo_stream.problem import Problem
from genmo_stream.takes.export import FORMATS, SOLVES, ExportOptions, export_take, file_stem
from genmo_stream.takes.info import TakeInfo
from genmo_stream.takes.solving import SecondSolver
from genmo_stream.takes.store import Takes
from genmo_stream.whip import Authorize

MEDIA_TYPES = {
    ".npz": "application/octet-stream",
    ".bvh": "text/plain; charset=utf-8",
    ".glb": "model/gltf-binary",
    ".jsonl": "application/x-ndjson",
    ".zip": "application/zip",
}


class KnownStream(Protocol):
    """What recording needs of a stream."""

    hub: Hub


class TakesApi:
    """The routes under /v1 that have to do with takes."""

    def __init__(
        self,
        takes: Takes,
        solver: SecondSolver,
        find_stream: Callable[[str], KnownStream | None],
        body: Body,
        authorize: Authorize,
    ) -> None:
        """Puts takes on HTTP.

        Args:
            takes: the folder.
            solver: does second solves.
            find_stream: the stream of a name, None if nobody knows it.
            body: whose mesh a glb gets.
            authorize: checks a caller's scope.
        """
        self._takes = takes
        self._solver = solver
        self._find_stream = find_stream
        self._body = body
        self._authorize = authorize

    def routes(self) -> list[Route]:
        """What is under /v1."""
        return [
            Route("/streams/{stream}/takes", self._guarded(self.start), methods=["POST"]),
            Route(
                "/streams/{stream}/takes/{take}/stop", self._guarded(self.stop), methods=["POST"]
            ),
            Route("/takes", self._guarded(self.all)),
            Route("/takes/{take}/solve", self._guarded(self.solve), methods=["POST"]),
            Route("/takes/{take}", self._guarded(self.one), methods=["GET", "PATCH", "DELETE"]),
        ]

    async def start(self, request: Request) -> Response:
        """Starts recording a stream."""
        self._authorize(request, "publish")
        name = request.path_params["stream"]
        stream = self._find_stream(name)
        if stream is None:
            raise Problem(404, f"no stream is called '{name}'; publish to it or watch it first")
        fields = await json_object(request, ("name",))
        info = self._takes.start(stream.hub, fields.get("name"))
        location = {"Location": f"/v1/takes/{info.id}"}
        return JSONResponse(self._described(info), status_code=201, headers=location)

    async def stop(self, request: Request) -> Response:
        """Stops it; the same answer again for a take that has ended."""
        self._authorize(request, "publish")
        take, stream = request.path_params["take"], request.path_params["stream"]
        if (await run_in_threadpool(self._takes.get, take)).stream != stream:
            raise Problem(404, f"take {take} is not of stream '{stream}'")
        info = await run_in_threadpool(self._takes.stop, take)
        return JSONResponse(self._described(info))

    async def all(self, request: Request) -> Response:
        """Every take, the newest first."""
        self._authorize(request, "view")
        takes = await run_in_threadpool(self._takes.all)
        return JSONResponse({"takes": [self._described(info) for info in takes]})

    async def one(self, request: Request) -> Response:
        """One take: described, renamed, deleted or downloaded."""
        take, dot, ending = request.path_params["take"].partition(".")
        if request.method in ("GET", "HEAD"):
            self._authorize(request, "view")
            if dot:
                return await self._download(request, take, ending)
            info = await run_in_threadpool(self._takes.get, take)
            return JSONResponse(self._described(info))
        self._authorize(request, "publish")
        if dot:
            raise Problem(404, f"there is no take '{take}.{ending}'; leave the ending out")
        if request.method == "DELETE":
            await run_in_threadpool(self._takes.delete, take)
            return Response(status_code=204)
        fields = await json_object(request, ("name",))
        if "name" not in fields:
            raise Problem(400, 'nothing to change; expected {"name": "…"}')
        info = await run_in_threadpool(self._takes.rename, take, fields["name"])
        return JSONResponse(self._described(info))

    async def solve(self, request: Request) -> Response:
        """Solves a take again, in the background."""
        self._authorize(request, "publish")
        take = request.path_params["take"]
        await run_in_threadpool(self._solver.start, take)
        info = await run_in_threadpool(self._takes.get, take)
        location = {"Location": f"/v1/takes/{take}"}
        return JSONResponse(self._described(info), status_code=202, headers=location)

    async def _download(self, request: Request, take: str, ending: str) -> Response:
        options = _export_options(request, ending)
        info = await run_in_threadpool(self._takes.get, take)
        scratch = tempfile.TemporaryDirectory(prefix="genmo-take-")
        try:
            path = await run_in_threadpool(self._export, info, options, Path(scratch.name))
        except BaseException:
            scratch.cleanup()
            raise
        return FileResponse(
            path,
            media_type=MEDIA_TYPES[path.suffix],
            filename=path.name,
            background=BackgroundTask(scratch.cleanup),
        )

    def _export(self, info: TakeInfo, options: ExportOptions, scratch: Path) -> Path:
        out = scratch / f"{file_stem(info.name)}.{options.format}"
        content = self._takes.read(info.id)
        return export_take(content, self._takes.path(info.id), options, self._body, out)

    def _described(self, info: TakeInfo) -> dict[str, Any]:
        state = self._solver.state(info.id)
        return {
            **asdict(info),
            "solve": None if state is None else asdict(state),
            "comparison": self._solver.comparison(info.id),
        }

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            with _as_problems():
                return await answer(request)

        return guarded


@contextmanager
def _as_problems() -> Iterator[None]:
    """Says in HTTP what can be wrong with takes."""
    try:
        yield
    except UnknownTake as error:
        raise Problem(404, str(error)) from error
    except TakeBusy as error:
        raise Problem(409, str(error)) from error
    except NoRoom as error:
        raise Problem(507, str(error)) from error
    except (TakeError, InputError) as error:
        raise Problem(400, str(error)) from error
    except FileFormatError as error:
        raise Problem(500, str(error)) from error


def _export_options(request: Request, ending: str) -> ExportOptions:
    query = request.query_params
    if ending not in FORMATS:
        raise Problem(404, f"takes come as .{', .'.join(FORMATS)}; there is no .{ending}")
    person, solve = query.get("person"), query.get("solve", "live")
    bones = query.get("bones", "smpl")
    if person is not None and not (person.isascii() and person.isdigit() and len(person) < 10):
        raise Problem(400, f"person={person}; expected a person's number")
    if solve not in SOLVES:
        raise Problem(400, f"solve={solve}; expected {' or '.join(SOLVES)}")
    if bones not in BONE_NAMES:
        raise Problem(400, f"bones={bones}; expected {', '.join(BONE_NAMES)}")
    return ExportOptions(
        format=ending,  # type: ignore[arg-type]  # one of FORMATS, as was just checked
        person=None if person is None else int(person),
        solve=solve,  # type: ignore[arg-type]
        bones=bones,  # type: ignore[arg-type]
    )
