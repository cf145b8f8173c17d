"""Servers on this machine that speak as much of the hubs' protocols as their own clients need."""

import base64
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
    refuses_at: str = ""  # the calls that are refused: all that have this in their path
    received: dict[str, bytes]  # the files of all commits
    objects: dict[str, bytes]  # the large ones by their hash
    validated: list[dict[str, str]]  # the cards that were sent to be checked
    repositories: dict[str, bool]  # name of a repository -> whether it is private


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


class Upload(Base):
    """What the client of https://huggingface.co asks for when it uploads a folder."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/api/models/").partition("?")[0]
        if name not in self.server.repositories:
            return self.told({"error": "not found"}, 404)
        told = {"id": name, "sha": "0" * 40, "private": self.server.repositories[name]}
        return self.told({**told, "siblings": []})

    def do_PUT(self) -> None:
        self.server.objects[self.path.rpartition("/")[2]] = self.body()
        self.answer(200)

    def do_POST(self) -> None:
        self.server.tokens.add(self.headers["Authorization"])
        call = self.path.partition("?")[0]
        asked = self.body()
        if self.server.refuses and self.server.refuses_at in call:
            return self.told({"error": "no"}, self.server.refuses)
        if call == "/api/repos/create":
            return self.create(json.loads(asked))
        if call == "/api/validate-yaml":
            self.server.validated.append(json.loads(asked))
            return self.told({"errors": [], "warnings": []})
        if "/preupload/" in call:
            return self.told({"files": [*map(self.mode, json.loads(asked)["files"])]})
        if call.endswith("/info/lfs/objects/batch"):
            return self.told({"transfer": "basic", "objects": self.places(json.loads(asked))})
        return self.commit([json.loads(line) for line in asked.splitlines()])

    def body(self) -> bytes:
        length = self.headers["Content-Length"]
        if length is not None:
            return self.rfile.read(int(length))
        chunks = []  # each after its size in hexadecimal
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(chunks)

    def told(self, value: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    @property
    def here(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return self.told({"error": "exists", "url": f"{self.here}/{name}"}, 409)
        self.server.repositories[name] = asked["visibility"] == "private"
        return self.told({"url": f"{self.here}/{name}"})

    def mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith((".safetensors", ".model"))
        return {
            "path": file["path"],
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
        }

    def places(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {**each, "actions": {"upload": {"href": f"{self.here}/objects/{each['oid']}"}}}
            for each in asked["objects"]
        ]

    def commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.received[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.received[value["path"]] = self.server.objects[value["oid"]]
        name = self.path.split("/")[3:5]
        url = f"{self.here}/{'/'.join(name)}/commit/{'0' * 40}"
        self.told({"success": True, "commitOid": "0" * 40, "commitUrl": url})


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
    server.received, server.objects, server.repositories, server.validated = {}, {}, {}, []
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
