"""The containers' health check: `python -m aiwfe.healthcheck URL` fails unless the URL answers below 400.

The image of the application has no wget and no curl. It is run every few seconds in each container, so it imports
nothing but `socket`: with `urllib` it would take three times as long.
"""

import socket
import sys

TIMEOUT = 2.5  # seconds; the engine gives the check 10
SUCCESS = range(200, 400)


def main() -> None:
    """SystemExit with the reason when it does not answer, or answers with an error."""
    (url,) = sys.argv[1:]
    where, _, path = url.removeprefix("http://").partition("/")
    host, _, port = where.partition(":")
    try:
        answer = ask(host, int(port or 80), f"GET /{path} HTTP/1.0\r\nHost: {where}\r\nConnection: close\r\n\r\n")
    except OSError as failure:
        raise SystemExit(f"{url} does not answer: {failure}") from None
    head, _, body = answer.partition("\r\n\r\n")
    protocol, _, status = head.partition("\r\n")[0].partition(" ")
    code = status[:3]
    if not protocol.startswith("HTTP/") or not code.isdecimal():
        raise SystemExit(f"{url} does not answer: it says no HTTP")
    if int(code) not in SUCCESS:
        raise SystemExit(f"{url} answers {code}: {body[:200]}")
    print(code)


def ask(host: str, port: int, request: str) -> str:
    """The whole answer; OSError without one."""
    answer = b""
    with socket.create_connection((host, port), timeout=TIMEOUT) as line:
        line.sendall(request.encode())
        while piece := line.recv(65536):
            answer += piece
    return answer.decode(errors="replace")


if __name__ == "__main__":
    main()
