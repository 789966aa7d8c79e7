"""Stand-in for the Svelte frontend and the proxy before it: one page, and /api/ handed on to the API.

The page and the API have one origin, as behind the proxy of the real stack. The page keeps its token
itself; cookies are not handed on in either direction.
"""

import os
import urllib.error
import urllib.request
from pathlib import Path

from stand_ins.serving import Answer, Asked, port_of, serve

PAGE = Path(__file__).with_name("webui") / "index.html"
HANDED_ON = ("content-type", "authorization")


def main() -> None:
    """Serve the page until a signal comes."""
    api = os.environ["API_URL"]
    page = Answer(PAGE.read_bytes(), "text/html; charset=utf-8")
    routes = {"/": lambda _: page, "/api/": lambda asked: hand_on(api, asked)}
    serve(port_of(), "the web page, small, before the real API", routes)


def hand_on(api: str, asked: Asked) -> Answer:
    """The API's answer to the same request; 502 when it gives none."""
    headers = {name: value for name, value in asked.headers.items() if name.lower() in HANDED_ON}
    request = urllib.request.Request(api + asked.path, asked.body or None, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.read(), answer.headers.get("Content-Type", ""), answer.status)
    except urllib.error.HTTPError as refused:
        return Answer(refused.read(), refused.headers.get("Content-Type", ""), refused.code)
    except OSError as failure:
        return Answer(f"the API does not answer: {failure}\n".encode(), "text/plain", 502)


if __name__ == "__main__":
    main()
