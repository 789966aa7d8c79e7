"""A line to the Docker engine that can be cut at a request: the engine goes away without being stopped."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ENGINE = "/var/run/docker.sock"
PIECE = 65536
HEAD = 512  # bytes of a piece in which its request line is


@dataclass
class Line:
    """A Unix socket that passes everything on to the engine's. Use as a context manager.

    The first request whose line contains `cut_at` cuts the line: every connection ends and no new one is
    answered until `mend`. With `carried_out` the engine first answers the request, and the
    answer is lost; otherwise it never hears of it.
    """

    path: Path
    cut_at: str = ""
    carried_out: bool = False
    cuts: list[str] = field(default_factory=list)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket | None = None
    _last: socket.socket | None = None  # whose answer is lost

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def __enter__(self) -> Line:
        self.mend()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cut()

    def mend(self) -> None:
        """Answer again."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection and answer no more."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            for end in [*self._open, *([self._listener] if self._listener else [])]:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed by cut
            while True:
                client, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(ENGINE)
                with self._lock:
                    if listener is not self._listener:
                        client.close()
                        engine.close()
                        return
                    self._open |= {client, engine}
                for way in (self._requests, self._answers):
                    threading.Thread(target=way, args=(client, engine), daemon=True).start()

    def _requests(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(PIECE):
                line = piece[:HEAD].partition(b"\r\n")[0].decode(errors="replace")
                if self.cut_at and self.cut_at in line and not self.cuts:
                    self.cuts.append(line)
                    if not self.carried_out:
                        self.cut()
                        break
                    self._last = engine
                engine.sendall(piece)
            engine.shutdown(socket.SHUT_WR)

    def _answers(self, client: socket.socket, engine: socket.socket) -> None:
        with suppress(OSError):
            while piece := engine.recv(PIECE):
                if engine is self._last:
                    self.cut()
                    break
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
