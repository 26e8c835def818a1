"""A server on this machine that may misbehave, and an empty data folder for every test."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pooch
import pytest


class Server(ThreadingHTTPServer):
    """Serves ``content``: bytes, or a function that answers a request as badly as it likes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        answer = self.server.content.get(self.path)
        if answer is None:
            self.send_error(404)
        elif callable(answer):
            answer(self)
        else:
            self.answer({"Content-Length": len(answer)}, answer)

    def answer(self, headers: dict[str, object], body: bytes, status: int = 200) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Give a test an empty data folder, no mirror, the network, and no pauses."""
    monkeypatch.setenv("PRACTICALS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    monkeypatch.delenv("PRACTICALS_OFFLINE", raising=False)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return tmp_path / "data"
