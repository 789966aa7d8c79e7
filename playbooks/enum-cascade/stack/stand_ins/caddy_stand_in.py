"""Stand-in for Caddy: TLS before the page and the API.

Like the real one it starts with any certificate that its key belongs to: clients refuse an expired one.
"""

import os
import ssl
from pathlib import Path

from stand_ins.serving import Answer, port_of, serve
from stand_ins.webui_stand_in import hand_on

READY = Answer(b"ready", "text/plain; charset=utf-8")


def main() -> None:
    """Serve until a signal comes. SystemExit for files that cannot be used."""
    webui = os.environ["WEBUI_URL"]
    tls = loaded(os.environ["TLS_CERTIFICATE"], os.environ["TLS_KEY"])
    page = {path: lambda asked: hand_on(webui, asked) for path in ("/", "/api/")}
    serve(port_of(), "TLS before the page and the API", {"/ready": lambda _: READY, **page}, tls=tls)


def loaded(certificate: str, key: str) -> ssl.SSLContext:
    """The certificate and its key, in use. SystemExit, naming the file, when they cannot be."""
    for path in (certificate, key):
        if not Path(path).exists():
            raise SystemExit(f"Error: loading certificates: open {path}: no such file or directory")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as refused:
        raise SystemExit(f"Error: loading certificates: {certificate} and {key}: {refused}") from None
    return context


if __name__ == "__main__":
    main()
