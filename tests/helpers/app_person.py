"""Somebody at the page of tools/chat.py, without a browser."""

import re
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"
HOST = "127.0.0.1:8000"
QUERY = "a woman in a red coat"


class Person:
    """Somebody at the page, without a browser: posts forms as the page does.

    Attributes:
        client: starlette's TestClient.
    """

    def __init__(self, client):
        self.client = client
        self.get("/")

    def get(self, path, **headers):
        return self.client.get(path, headers={"host": HOST, **headers}, follow_redirects=False)

    def post(self, path, headers=(), **fields):
        sent = {"host": HOST, "origin": f"http://{HOST}", "hx-request": "true", "content-type": FORM, **dict(headers)}
        return self.client.post(path, content=urlencode(fields), headers=sent, follow_redirects=False)


def tokens(html):
    """Names of the pictures in the ranking, in its order."""
    return re.findall(r'class="card [^"]*">\s*<img src="/picture/([0-9a-f]+)"', html)


def index(folder, checkpoint, pictures):
    """An index of all pictures in a folder, closed again."""
    from tbpsbench.retrieval.build import build
    from tbpsbench.retrieval.opening import for_writing

    with for_writing(folder, checkpoint, pictures, None) as gallery:
        build(gallery)
    return folder
