"""The HTTP face of sinks: list, add, remove while the server runs."""

from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from genmo_stream.errors import SinkError
from genmo_stream.json_body import json_object
from genmo_stream.problem import Problem
from genmo_stream.sinks import Outputs, SinkConfig
from genmo_stream.sinks.outputs import Running
from genmo_stream.whip import Authorize


class SinksApi:
    """The routes under /v1 that have to do with sinks."""

    def __init__(self, outputs: Outputs, authorize: Authorize) -> None:
        self._outputs = outputs
        self._authorize = authorize

    def routes(self) -> list[Route]:
        """What is under /v1."""
        return [
            Route("/sinks", self.all, methods=["GET"]),
            Route("/sinks", self.add, methods=["POST"]),
            Route("/sinks/{sink}", self.remove, methods=["DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        """Every sink with how it goes."""
        self._authorize(request, "view")
        return JSONResponse({"sinks": [_described(running) for running in self._outputs.all()]})

    async def add(self, request: Request) -> Response:
        """Starts one."""
        self._authorize(request, "admin")  # it makes this machine send packets elsewhere
        try:
            running = self._outputs.add(SinkConfig.from_fields(await json_object(request)))
        except SinkError as error:
            raise Problem(400, str(error)) from error
        location = {"Location": f"/v1/sinks/{running.id}"}
        return JSONResponse(_described(running), status_code=201, headers=location)

    async def remove(self, request: Request) -> Response:
        """Stops one."""
        self._authorize(request, "admin")
        sink = request.path_params["sink"]
        if not await run_in_threadpool(self._outputs.remove, sink):
            raise Problem(404, f"there is no sink '{sink}'; GET /v1/sinks lists those that are")
        return Response(status_code=204)


def _described(running: Running) -> dict[str, Any]:
    return {
        "id": running.id,
        **asdict(running.sink.config),
        "status": asdict(running.sink.status),
    }
