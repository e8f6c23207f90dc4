"""What is sent by nobody at the page is refused, or shown as text."""

import asyncio
import shutil

import pytest
from app_person import HOST, QUERY, index, tokens

from tbpsbench.app.guard import MAX_BODY, Guard
from tbpsbench.app.visitors import Rates, Visitors


@pytest.fixture
def someone(person):
    return person()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:8001", "", "evil.example:8000"])
def test_another_name_of_this_machine_is_not_answered(someone, host):
    assert someone.get("/", host=host).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", f"http://{HOST}.evil.example", "http://127.0.0.1"]
)
def test_a_form_of_another_site_is_refused(someone, origin):
    assert someone.post("/search", {"origin": origin}, query=QUERY).status_code == 403
    assert "Nothing has been searched" in someone.get("/").text


def test_a_form_without_origin_is_refused(someone):
    sent = someone.client.post("/search", data={"query": QUERY})
    assert sent.status_code == 403


def test_another_site_may_link_here_but_not_embed_or_post(someone):
    assert someone.get("/", **{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200
    assert someone.get("/", **{"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code == 403
    assert someone.post("/search", {"sec-fetch-site": "cross-site"}, query=QUERY).status_code == 403


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_only_forms_are_read(someone, kind):
    assert someone.post("/search", {"content-type": kind}, query=QUERY).status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(someone, method):
    assert someone.client.request(method, "/search").status_code == 405


def test_the_headers_forbid_everything_but_the_page(someone):
    for path in ("/", "/static/chat.css", "/nothing"):
        headers = someone.get(path).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    page = someone.get("/").text
    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    assert "<script>" not in page


def sent_raw(path, body_parts=(), headers=(), method="GET"):
    """What the guard does with a request that no client library would send: (status, parts that were read)."""
    read, answers = [], []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        number = len(read)
        read.append(number)
        return {"type": "http.request", "body": body_parts[number], "more_body": number + 1 < len(body_parts)}

    async def send(message):
        answers.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", HOST.encode()), *headers],
    }  # fmt: skip
    asyncio.run(Guard(app, [HOST], large=["/open"])(scope, receive, send))
    return answers[0]["status"], len(read)


FORM = [(b"origin", f"http://{HOST}".encode()), (b"content-type", b"application/x-www-form-urlencoded")]


def test_a_body_of_100_mb_is_refused_before_it_is_read():
    assert sent_raw("/search", [b"x"], [*FORM, (b"content-length", b"100000000")], "POST") == (413, 0)


def test_a_body_that_does_not_say_how_long_it_is_is_read_no_further_than_allowed():
    parts = [b"x" * 4096] * 25_000
    status, read = sent_raw("/search", parts, FORM, "POST")
    assert status == 413
    assert read == MAX_BODY // 4096 + 1


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"99999999999999999999", b"1, 2", b""])
def test_a_length_that_is_none_is_refused(length):
    assert sent_raw("/search", [b"x"], [*FORM, (b"content-length", length)], "POST")[0] == 413


def test_headers_that_stand_there_twice_are_refused():
    assert sent_raw("/search", [b""], [*FORM, (b"host", b"evil.example")], "POST")[0] == 400
    assert sent_raw("/search", [b""], [*FORM, (b"origin", b"http://evil.example")], "POST")[0] == 400


def test_a_long_address_is_refused():
    assert sent_raw("/" + "x" * 3000)[0] == 414


def test_a_web_socket_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(None, [HOST])({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


PATHS = [
    "/picture/../../../etc/passwd", "/picture/..%2f..%2fetc%2fpasswd", "/picture//etc/passwd",
    "/picture/%2fetc%2fpasswd",
    "/picture/01.png", "/picture/0", "/picture/", "/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/",
    "/static//etc/passwd", "/static/htmx.LICENSE", "/static/", "/docs", "/openapi.json", "/templates/page.html",
    "/..%5c..%5cwindows", "/picture/%00", "/static/chat.css%00.png", "/picture/" + "a" * 24,
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_served_by_its_path(someone, path):
    someone.post("/search", query=QUERY)
    answer = someone.get(path)
    assert answer.status_code == 404
    assert answer.text == "There is nothing here.\n"


def test_a_picture_is_shown_only_to_whom_it_was_found_for(someone, systems):
    from starlette.testclient import TestClient

    token = tokens(someone.post("/search", query=QUERY).text)[0]
    assert someone.get(f"/picture/{token}").status_code == 200
    other = TestClient(someone.client.app, base_url=f"http://{HOST}")
    assert other.get(f"/picture/{token}").status_code == 404, "without a cookie"
    other.get("/")
    assert other.get(f"/picture/{token}").status_code == 404, "with another one"


HTML = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_html_is_shown_as_text(someone):
    pages = [someone.post("/search", query=HTML)]
    pages.append(someone.post("/refine", text=f"{HTML} a coat"))
    pages.append(someone.get("/"))
    slot = pages[0].text.partition('name="slot" value="')[2].partition('"')[0]
    pages.append(someone.post("/answer", slot=slot, answer=f"a hat {HTML}"))
    pages.append(someone.post("/answer", slot=HTML, answer=HTML))
    pages.append(someone.post("/open", session=HTML))
    pages.append(someone.post("/person", picture=HTML))
    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    assert "&lt;script&gt;alert" in pages[0].text


@pytest.mark.parametrize(
    "body",
    [
        b"query=%ff%fe",
        b"query=" + "ü".encode(),
        b"&".join(b"a%d=1" % n for n in range(50)),
        b"query=%ED%A0%80",
        b"\x00",
    ],
)
def test_a_damaged_form_is_refused(someone, body):
    headers = {"origin": f"http://{HOST}", "content-type": "application/x-www-form-urlencoded", "hx-request": "true"}
    assert someone.client.post("/search", content=body, headers=headers).status_code == 422


def test_a_picture_that_has_become_a_link_out_of_its_folder_is_not_shown(person, app_checkpoints, photos, tmp_path):
    from tbpsbench.app.systems import Systems
    from tbpsbench.retrieval.gallery import Gallery

    inside, outside = tmp_path / "inside", tmp_path / "outside.png"
    inside.mkdir()
    for name in ("01.png", "02.png", "03.png"):
        shutil.copy(photos / name, inside / name)
    shutil.copy(photos / "04.png", outside)
    folder = index(tmp_path / "index", app_checkpoints[0], inside)
    (inside / "02.png").unlink()
    (inside / "02.png").symlink_to(outside)
    (inside / "03.png").unlink()
    systems = Systems([Gallery.open(folder)])
    someone = person(on=systems)
    found = tokens(someone.post("/search", query=QUERY).text)
    assert len(found) == 3
    assert sorted(someone.get(f"/picture/{token}").status_code for token in found) == [200, 404, 404]
    systems.close()


def clocked(**rates):
    """Visitors whose time is told by hand: (visitors, function that lets seconds pass)."""
    now = [1000.0]
    visitors = Visitors(Rates(**rates), clock=lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return visitors, wait


def test_whoever_asks_too_often_waits(person):
    visitors, wait = clocked(actions=(3, 0.5))
    someone = person(visitors=visitors)
    answers = [someone.post("/search", query=QUERY).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    refused = someone.post("/undo")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3"
    wait(2)
    assert someone.post("/undo").status_code == 200
    assert someone.get("/export").status_code == 429


def test_pictures_have_a_rate_of_their_own(person):
    visitors, wait = clocked(pictures=(2, 1))
    someone = person(visitors=visitors)
    found = tokens(someone.post("/search", query=QUERY).text)
    assert [someone.get(f"/picture/{token}").status_code for token in found[:3]] == [200, 200, 429]
    wait(1)
    assert someone.get(f"/picture/{found[2]}").status_code == 200


def test_new_visitors_have_a_rate_and_are_forgotten(person):
    visitors, wait = clocked(visitors=(2, 1))
    someone = person(visitors=visitors)
    someone.post("/search", query=QUERY)
    fresh = [someone.client.get("/", headers={"cookie": ""}) for _ in range(2)]
    assert [answer.status_code for answer in fresh] == [200, 429]
    assert len(visitors) == 2
    wait(13 * 3600)
    forgotten = someone.post("/undo")
    assert "was forgotten" in forgotten.text
