"""Servers on this machine that speak as much of the hubs' protocols as their own clients need."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FILES = {
    "config.json": b'{"model_type": "gemma3_text"}',
    "tokenizer.model": b"pieces" * 20,
    "model.safetensors": bytes(range(256)) * 2000,
    "README.md": b"not needed",
    "original/weights.bin": b"not needed either",
}
LARGE = ("model.safetensors", "tokenizer.model")


def etag(name: str) -> str:
    """A file's name in the store: its sha256 if it is a large one, else its hash in git."""
    data = FILES[name]
    if name in LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(ThreadingHTTPServer):
    """What it serves, and what it was asked for."""

    refuses: int = 0  # a status
    cuts: int = 0  # how many answers end in the middle
    serves: dict[str, bytes]
    asked: list[tuple[str, str, str | None]]  # method, file and range
    tokens: set[str | None]


class Base(BaseHTTPRequestHandler):
    """Answers of one piece."""

    server: Any

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class HuggingFace(Base):
    """https://huggingface.co/docs/hub/api, for one repository whatever its name is."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers["Authorization"])
        parts = self.path.partition("?")[0].split("/")
        if parts[1] == "api":
            return self.answer(200, self.info(parts[-1]), Content_Type="application/json")
        revision, name = parts[4], "/".join(parts[5:])
        self.server.asked.append((self.command, name, self.headers["Range"]))
        if self.server.refuses:
            return self.answer(self.server.refuses, X_Error_Code="GatedRepo")
        return self.file(revision, name)

    def info(self, revision: str) -> bytes:
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": etag(name)}
            | (
                {"lfs": {"sha256": etag(name), "size": len(data), "pointerSize": 1}}
                if large
                else {}
            )
            for name, data in FILES.items()
            for large in [name in LARGE]
        ]
        return json.dumps({"id": "x/y", "sha": revision, "siblings": siblings}).encode()

    def file(self, revision: str, name: str) -> None:
        data = self.server.serves[name]
        start = int((self.headers["Range"] or "bytes=0-")[len("bytes=") : -1])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", revision)
        self.send_header("ETag", f'"{etag(name)}"')
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            end = len(data)
            if self.server.cuts and name == "model.safetensors":
                self.server.cuts -= 1
                end = start + (end - start) // 2
            self.wfile.write(data[start:end])


class Kaggle(Base):
    """The two calls that Kaggle's client makes for a model, as a proxy sees them."""

    def do_HEAD(self) -> None:
        self.answer(404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.path.rpartition("/")[2]
        self.server.asked.append((call, asked.get("path", ""), None))
        self.server.tokens.add(self.headers["Authorization"])
        if self.server.refuses:
            return self.answer(self.server.refuses, b"{}", Content_Type="application/json")
        if call == "ListModelInstanceVersionFiles":
            listed = {"files": [{"name": name} for name in self.server.serves]}
            return self.answer(200, json.dumps(listed).encode(), Content_Type="application/json")
        data = self.server.serves[asked["path"]]
        return self.answer(200, data, Content_Type="application/octet-stream")


@contextmanager
def serving(handler: type[Base]) -> Iterator[Hub]:
    """A server that runs meanwhile."""
    server = Hub(("127.0.0.1", 0), handler)
    server.serves, server.asked, server.tokens = dict(FILES), [], set()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
