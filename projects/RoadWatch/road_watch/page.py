"""The page's server: what it answers. FastAPI is imported here and nowhere else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from d2ext.evaluation import instance_rows
from d2ext.evaluation.writers import kitti_text

from .asker import Answer, Asker, BusyError, Scene
from .guard import Guard
from .live import VIEWS, Live, jpeg
from .outputs import BOXES, COUNTS, EVENTS, TRACKS
from .pictures import HandCamera, Pictures, calibration_text, camera_of, with_grid

_WEB = Path(__file__).with_name("web")
#: Files of the page and of a run, by the names under which they are asked for: no path comes from outside.
_PAGE = {
    "style.css": ("style.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"{name}.js": (f"built/{name}.js", "text/javascript") for name in ("app", "api", "words", "views")},
}
_FILES = {TRACKS: "text/csv", COUNTS: "text/csv", EVENTS: "application/jsonl", BOXES: "text/plain"}
_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/bmp")
_LONGEST = 400  # characters of a sentence

Finite = Field(allow_inf_nan=False)


class Hand(BaseModel):
    """:class:`~.pictures.HandCamera` as a viewer gives it."""

    model_config = ConfigDict(extra="forbid")
    horizon: Annotated[float, Field(ge=-3, le=3, allow_inf_nan=False)] = 0.4
    height: Annotated[float, Field(ge=0.3, le=100, allow_inf_nan=False)] = 6.0
    fov: Annotated[float, Field(ge=5, le=150, allow_inf_nan=False)] = 60.0
    focal: Annotated[float, Field(ge=20, le=100_000, allow_inf_nan=False)] | None = None
    roll: Annotated[float, Field(ge=-45, le=45, allow_inf_nan=False)] = 0.0

    def camera(self) -> HandCamera:
        """The same."""
        return HandCamera(self.horizon, self.height, self.fov, self.focal, self.roll)


class Question(BaseModel):
    """A sentence about the live picture, or about one that was brought, with its calibration."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    picture: Annotated[str, Field(max_length=40)] | None = None
    hand: Hand = Hand()
    single: bool | None = None


class Page:
    """What the routes have in common.

    Args:
        live: the run; its state is "none" where there is no video.
        asker: of sentences; None: no model was given.
    """

    def __init__(self, live: Live, asker: Asker | None) -> None:
        self.live, self.asker, self.pictures = live, asker, Pictures()

    def scene(self, question: Question) -> Scene:
        """What a question is about."""
        if question.picture is None:
            scene = self.live.scene()
            if scene is None:
                raise HTTPException(409, "there is no live picture yet")
            return scene
        image = self.image(question.picture)
        hand = question.hand.camera()
        view = hand.view(image.shape[:2])
        return Scene((question.picture, hand), image, camera_of(view), view.plane)

    def image(self, name: str) -> Any:
        """A picture that was brought."""
        image = self.pictures.get(name)
        if image is None:
            raise HTTPException(404, "no such picture, or no more: bring it again")
        return image

    def answer(self, number: int) -> Answer:
        """One of the last."""
        answer = None if self.asker is None else self.asker.answer(number)
        if answer is None:
            raise HTTPException(404, "no such answer, or no more: ask again")
        return answer


def build_app(live: Live, asker: Asker | None, **guard: Any) -> Guard:
    """The application.

    Args:
        guard: as :class:`~.guard.Guard` has it.
    """
    app = FastAPI(title="d2ext RoadWatch", docs_url=None, redoc_url=None, openapi_url=None)
    page = Page(live, asker)
    for add in (_add_errors, _add_page, _add_live, _add_pictures, _add_questions):
        add(app, page)
    return Guard(app, **guard)


def _add_errors(app: FastAPI, page: Page) -> None:
    def told(status: int, text: str) -> JSONResponse:
        line = " ".join(text.split())[:299].encode("utf-8", "replace").decode()
        headers = {"Retry-After": "2"} if status == 503 else None
        return JSONResponse({"error": line}, status, headers)

    def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, str))[:80]
        return told(422, f"{place}: {first['msg']}")

    def refused(_: Request, error: Exception) -> Response:
        return told(getattr(error, "status_code", 500), str(getattr(error, "detail", error)))

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(404, lambda *_: refused(_[0], _[1]))
    app.add_exception_handler(405, lambda *_: refused(_[0], _[1]))
    app.add_exception_handler(ValueError, lambda _, error: told(422, str(error)))
    app.add_exception_handler(Exception, lambda *_: told(500, "that failed: the server's log says why"))
    app.add_exception_handler(BusyError, lambda _, error: told(503, str(error)))


def _add_page(app: FastAPI, page: Page) -> None:
    @app.get("/")
    def index() -> Response:
        return Response((_WEB / "index.html").read_bytes(), media_type="text/html; charset=utf-8")

    @app.get("/page/{name}")
    def file(name: str) -> Response:
        if name not in _PAGE:
            raise HTTPException(404, "no such file")
        place, kind = _PAGE[name]
        return Response((_WEB / place).read_bytes(), media_type=kind)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return file("icon.svg")


def _add_live(app: FastAPI, page: Page) -> None:
    @app.get("/api/status")
    def status() -> dict[str, Any]:
        asks = page.asker is not None
        passes = page.asker.passes if page.asker is not None else 0
        return page.live.status() | {"asks": asks, "passes": passes}

    @app.get("/api/live/{view}.jpg")
    def view(view: Literal["picture", "above", "graph"], request: Request) -> Response:
        assert view in VIEWS
        seen = page.live.view(view)
        if seen is None:
            raise HTTPException(409, "there is no live picture yet")
        tag = f'"{view}-{seen[0]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(seen[1], media_type="image/jpeg", headers={"ETag": tag, "Cache-Control": "no-cache"})

    @app.get("/api/alarms")
    def alarms() -> list[dict[str, Any]]:
        return page.live.alarms()

    @app.get("/api/alarms/{alarm}/picture.jpg")
    def alarm_picture(alarm: int) -> Response:
        return _picture(page.live.alarm_picture(alarm))

    @app.get("/api/alarms/{alarm}/clip/{number}.jpg")
    def clip(alarm: int, number: int) -> Response:
        return _picture(page.live.clip(alarm, number))

    @app.get("/api/files/{name}")
    def file(name: str) -> Response:
        folder = page.live.folder
        if name not in _FILES or folder is None or not (folder / name).is_file():
            raise HTTPException(404, "no such file")
        return _download((folder / name).read_bytes(), name, _FILES[name])


def _add_pictures(app: FastAPI, page: Page) -> None:
    @app.post("/api/pictures")
    async def bring(request: Request) -> dict[str, Any]:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in _IMAGES:
            raise HTTPException(415, f"expected a picture: {', '.join(_IMAGES)}")
        name, image = await _in_thread(page.pictures.add, await request.body())
        return {"picture": name, "size": list(image.shape[:2])}

    @app.get("/api/pictures/{name}/plain.jpg")
    def plain(name: str) -> Response:
        return _picture(jpeg(page.image(name)))

    @app.get("/api/pictures/{name}/grid.jpg")
    def grid(name: str, hand: Annotated[Hand, Query()]) -> Response:
        return _picture(jpeg(with_grid(page.image(name), hand.camera())))

    @app.get("/api/pictures/{name}/{file}.txt")
    def calibration(name: str, file: Literal["calib", "denorm"], hand: Annotated[Hand, Query()]) -> Response:
        texts = calibration_text(hand.camera(), page.image(name).shape[:2])
        return _download(texts[file == "denorm"].encode(), f"{file}.txt", "text/plain")


def _add_questions(app: FastAPI, page: Page) -> None:
    @app.post("/api/ask")
    def ask(question: Question) -> dict[str, Any]:
        if page.asker is None:
            raise HTTPException(409, "no model for sentences was given to the server")
        answer = page.asker.ask(page.scene(question), question.text, question.single)
        return _content(answer)

    @app.get("/api/answers/{number}/picture.jpg")
    def picture(number: int) -> Response:
        return _picture(jpeg(page.answer(number).scene.image))

    @app.get("/api/answers/{number}/{form}")
    def labels(number: int, form: Literal["labels.json", "kitti.txt", "rope3d.txt"]) -> Response:
        answer = page.answer(number)
        if form == "labels.json":
            data = json.dumps(_content(answer), ensure_ascii=False, indent=1).encode("utf-8", "replace")
            return _download(data, form, "application/json")
        # KITTI's angle is around the camera's y axis, Rope3D's around the normal of the road.
        plane = answer.plane if form == "rope3d.txt" else None
        text = kitti_text(instance_rows(answer.found, plane), answer.names)
        return _download(text.encode(), form, "text/plain")


def _content(answer: Answer) -> dict[str, Any]:
    height, width = answer.scene.image.shape[:2]
    content = {
        "answer": answer.number,
        "text": answer.text,
        "size": [height, width],
        "P2": [[float(v) for v in row] for row in answer.scene.camera.P.tolist()],
        "plane": answer.scene.plane,
    }
    objects = []
    for row in answer.objects():
        x, _, z = row["location"]
        objects.append(row | {"distance": round(math.hypot(x, z), 2)})
    return content | {"objects": objects}


async def _in_thread(work: Callable[..., Any], *given: Any) -> Any:
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(work, *given)


def _picture(data: bytes | None) -> Response:
    if data is None:
        raise HTTPException(404, "no such picture, or no more")
    return Response(data, media_type="image/jpeg")


def _download(data: bytes, name: str, kind: str) -> Response:
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=kind, headers=head)
