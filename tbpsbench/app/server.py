"""The routes: one page, its form posts, thumbnails and the export. All state is the visitor's, in memory."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from tbpsbench.app import talk as talks
from tbpsbench.app.assistant import Assistant
from tbpsbench.app.guard import Guard
from tbpsbench.app.replies import Form, nothing, read_form, slower
from tbpsbench.app.systems import Systems
from tbpsbench.app.talk import Talk
from tbpsbench.app.thumbnails import Thumbnails
from tbpsbench.app.view import DONT_KNOW, MORE, MOST, ranks_at, view
from tbpsbench.app.visitors import Visitor, Visitors
from tbpsbench.errors import DataError, TBPSError

# With the port, since a browser sends a host's cookies to all its ports: each page has its own.
COOKIE = "tbpsbench-chat-{port}"
STATIC = {
    "chat.css": "text/css",
    "chat.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
SESSION_TYPE = "application/x-ndjson"
Action = Callable[[Visitor, Form], Awaitable[str]]


@cache
def templates() -> Environment:
    """The page's templates; everything that they are given is shown as text."""
    return Environment(
        loader=PackageLoader("tbpsbench.app"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip


class Page:
    """What the routes do.

    Args:
        systems: that are searched.
        visitors: who is there.
        assistant: a model that looks on, or None.
        port: of the page.
    """

    def __init__(self, systems: Systems, visitors: Visitors, assistant: Assistant | None, port: str) -> None:
        self.systems, self.visitors, self.assistant = systems, visitors, assistant
        self.cookie = COOKIE.format(port=port)
        self.thumbnails = Thumbnails(systems)
        self._fixed = {
            "names": [searched.name for searched in systems.searched], "pictures": len(systems),
            "only_in_one": systems.only_in_one, "assistant": assistant.names if assistant else "",
            "max_query": talks.MAX_QUERY, "max_refined": talks.MAX_REFINED, "dont_know": DONT_KNOW,
        }  # fmt: skip

    # -- what a visitor does: each changes the visitor and gives a sentence about what has happened --------------

    async def search(self, visitor: Visitor, form: Form) -> str:
        """A new search."""
        visitor.begin(await talks.search(self.systems, form.get("query", "")))
        return ""

    async def person(self, visitor: Visitor, form: Form) -> str:
        """ "This is the person"."""
        return await self._judged(visitor, form, yes=True)

    async def aside(self, visitor: Visitor, form: Form) -> str:
        """ "Not this one"."""
        return await self._judged(visitor, form, yes=False)

    async def _judged(self, visitor: Visitor, form: Form, *, yes: bool) -> str:
        position = visitor.position(form.get("picture", ""))
        if position is None:
            raise DataError("That picture is not on the page any more.")
        talk = _begun(visitor)
        _, before_G = talk.scores(self.systems, 0)
        visitor.talk = await talks.judge(self.systems, talk, position, yes=yes)
        was = ranks_at(before_G, [position])[0]
        return f"Picture #{was} is marked as the person." if yes else f"Picture #{was} is set aside."

    async def answer(self, visitor: Visitor, form: Form) -> str:
        """An answer to the question."""
        talk = await talks.answer(self.systems, _begun(visitor), form.get("slot", ""), form.get("answer", ""))
        visitor.talk = talk
        return "The query has been refined." if talk.refined != talk.query else "The answer is noted."

    async def refine(self, visitor: Visitor, form: Form) -> str:
        """The refined query, as the visitor writes it."""
        visitor.talk = await talks.refine(self.systems, _begun(visitor), form.get("text", ""))
        return "The refined query is yours now."

    async def undo(self, visitor: Visitor, _form: Form) -> str:
        """Take the last turn back."""
        talk = _begun(visitor)
        if not talk.first.turns:
            return "There is nothing to undo."
        visitor.talk = talk.undone()
        return "The last step is undone."

    async def more(self, visitor: Visitor, _form: Form) -> str:
        """Show more pictures."""
        _begun(visitor)
        visitor.shown = min(MOST, visitor.shown + MORE)
        return "More pictures are shown."

    async def look(self, visitor: Visitor, _form: Form) -> str:
        """Let the model look."""
        if self.assistant is None:
            raise DataError("No model is configured (--mllm).")
        talk = _begun(visitor)
        visitor.talk, why = await self.assistant.look(self.systems, talk)
        taken = len(visitor.talk.first.turns) - len(talk.first.turns)
        if why:
            visitor.error = True
            return f"The model could not go on, the search can: {why}"
        return f"The model has taken {taken} steps; see below." if taken else "The model has nothing to add."

    async def open(self, visitor: Visitor, form: Form) -> str:
        """Go on with an exported search."""
        talk, same = await talks.replayed(self.systems, form.get("session", ""), "The file")
        visitor.begin(talk)
        return "The search is open again" + (
            "; its result is the same." if same else ", but its result is NOT the same."
        )

    async def forget(self, visitor: Visitor, _form: Form) -> str:
        """End the search."""
        visitor.begin(None)
        return ""

    # -- answers ---------------------------------------------------------------------------------------------------

    async def act(self, request: Request, action: Action) -> Response:
        """Do one of the above, then show the page."""
        visitor = self.visitors.known(request.cookies.get(self.cookie))
        if visitor is None:
            return await self.show(request, "This page was forgotten; please search again.")
        if wait := visitor.actions.take(self.visitors.clock()):
            return slower(wait)
        form = read_form(await request.body())
        async with visitor.lock:
            visitor.error = False
            try:
                if form is None:
                    raise DataError("The form was damaged.")
                visitor.notice = await action(visitor, form)
            except TBPSError as error:
                visitor.notice, visitor.error = str(error), True
            if "hx-request" not in request.headers:
                return RedirectResponse("/", 303)
            status = 422 if visitor.error else 200
            return HTMLResponse(await self._rendered(visitor, whole=False), status)

    async def show(self, request: Request, notice: str = "") -> Response:
        """The page as it stands."""
        visitor = self.visitors.known(request.cookies.get(self.cookie))
        made = self.visitors.new() if visitor is None else visitor
        if isinstance(made, float):
            return slower(made)
        async with made.lock:
            if notice:
                made.notice, made.error = notice, True
            body = await self._rendered(made, whole="hx-request" not in request.headers)
        response = HTMLResponse(body)
        if visitor is None:
            response.set_cookie(self.cookie, made.key, httponly=True, samesite="strict", path="/")
        return response

    async def _rendered(self, visitor: Visitor, *, whole: bool) -> str:
        talk = visitor.talk
        seen = None
        if talk is not None:
            seen = await self.systems.think(lambda: view(self.systems, talk, visitor.shown, visitor.token))
        template = templates().get_template("page.html" if whole else "work.html")
        text = template.render(view=seen, notice=visitor.notice, error=visitor.error, **self._fixed)
        visitor.notice, visitor.error = "", False
        return text

    async def picture(self, request: Request, token: str) -> Response:
        """A thumbnail of a picture that this visitor was shown."""
        visitor = self.visitors.known(request.cookies.get(self.cookie))
        position = visitor.position(token) if visitor else None
        if visitor is None or position is None:
            return nothing()
        if wait := visitor.pictures.take(self.visitors.clock()):
            return slower(wait)
        try:
            data = await self.systems.run(lambda: self.thumbnails.get(position))
        except TBPSError:
            return nothing()
        return Response(data, media_type="image/jpeg")

    async def export(self, request: Request) -> Response:
        """The search as a file."""
        visitor = self.visitors.known(request.cookies.get(self.cookie))
        if visitor is None or visitor.talk is None:
            return RedirectResponse("/", 303)
        if wait := visitor.actions.take(self.visitors.clock()):
            return slower(wait)
        talk: Talk = visitor.talk
        text = await self.systems.run(lambda: talks.export(self.systems, talk))
        headers = {"content-disposition": 'attachment; filename="search.jsonl"'}
        return Response(text, media_type=SESSION_TYPE, headers=headers)


def make_app(
    systems: Systems, hosts: Collection[str], *, visitors: Visitors | None = None, assistant: Assistant | None = None
) -> Guard:
    """The whole application.

    Args:
        systems: that are searched.
        hosts: values of the header Host that are answered, with their ports.
        visitors: who is there.
        assistant: a model that looks on.
    """
    port = next((host.rpartition(":")[2] for host in hosts if host[-1:].isdigit()), "80")
    page = Page(systems, Visitors() if visitors is None else visitors, assistant, port)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if assistant is not None:
            await assistant.open()
        # A walk through all that was imported would hold everybody up for a third of a second now and then.
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        if assistant is not None:
            await assistant.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    static = static_files()

    @app.get("/")
    async def show(request: Request) -> Response:
        return await page.show(request)

    @app.get("/static/{name}")
    async def file(name: str) -> Response:
        return Response(static[name], media_type=STATIC[name]) if name in static else nothing()

    @app.get("/picture/{token}")
    async def picture(request: Request, token: str) -> Response:
        return await page.picture(request, token)

    @app.get("/export")
    async def export(request: Request) -> Response:
        return await page.export(request)

    actions: dict[str, Action] = {
        "search": page.search, "person": page.person, "aside": page.aside, "answer": page.answer,
        "refine": page.refine, "undo": page.undo, "more": page.more, "look": page.look, "open": page.open,
        "forget": page.forget,
    }  # fmt: skip
    for name, action in actions.items():
        # A plain route: there is nothing that FastAPI could read from or check in these requests.
        app.add_route(f"/{name}", _route(page, action), methods=["POST"])

    @app.exception_handler(404)
    async def missing(_request: Request, _error: Any) -> Response:
        return nothing()

    return Guard(app, hosts, large=("/open",))


def static_files() -> Mapping[str, bytes]:
    """The only files that are served as they are, by name."""
    return {name: (resources.files("tbpsbench.app") / "static" / name).read_bytes() for name in STATIC}


def _route(page: Page, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        return await page.act(request, action)

    return route


def _begun(visitor: Visitor) -> Talk:
    if visitor.talk is None:
        raise DataError("Search first.")
    return visitor.talk
