"""A Kaggle on this machine, as far as its own client, the real `kaggle` package, talks to it.

The client is told to use it as an HTTP proxy to http://localhost, so no address of Kaggle's is ever
asked. It keeps kernels with their versions, states, logs and outputs, datasets, models and quota, can
execute what is pushed with papermill, as Kaggle does, and fails as it is told to.
"""

import base64
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.hub import Base

USER, KEY = "me", "0123456789abcdef-the-planted-key"
CUT, HANG = "cut", "hang"


@dataclass
class Version:
    """A version of a kernel: what was pushed, how it goes and what it leaves."""

    pushed: dict[str, Any] = field(default_factory=lambda: {"text": "{}"})
    states: list[str] = field(default_factory=lambda: ["COMPLETE"])  # the last one stays
    failure: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class Kaggle(ThreadingHTTPServer):
    """What it keeps, what it was asked, and how it is to fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kernels: dict[str, list[Version]] = {}
        self.datasets: dict[str, list[dict[str, bytes]]] = {}  # the files of each version
        self.models: dict[str, list[dict[str, bytes]]] = {}  # of each variation, and of models
        self.blobs: dict[str, tuple[str, bytes]] = {}
        self.renewed = {"quotaRefreshTime": "2026-11-28T00:00:00Z"}
        self.quota = {"timeUsed": "3600s", "timeReserved": "0s", "totalTimeAllowed": "72000s"}
        self.faults: dict[str, list[Any]] = {}  # call -> a status, CUT, HANG or an error's text
        self.calls: list[str] = []
        self.unknown_sources: list[str] = []
        self.executes: Path | None = None  # where pushed notebooks are run
        self.knows_labels = self.tells_versions = True  # of versions
        self.blob_logs = False
        self.processes = 0  # looks at a dataset before it is ready
        self.over = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a client that was told to give up hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, handle: str, *before: Version, **what: Any) -> Version:
        """A kernel whose last version is this one."""
        self.kernels[handle] = [*before, Version(**what)]
        return self.kernels[handle][-1]

    def pushed(self, handle: str) -> list[dict[str, Any]]:
        """Return what was asked for, version by version."""
        return [version.pushed for version in self.kernels[handle]]

    def execute(self, handle: str, version: Version) -> None:
        """Runs a notebook in place, as Kaggle does: no parameters, inputs that are read-only."""
        assert self.executes
        root = self.executes / handle / f"{len(self.kernels[handle])}"
        working, inputs = root / "working", root / "input"
        working.mkdir(parents=True)
        for source in version.pushed.get("kernelDataSources", []):
            ended = [v for v in self.kernels[source] if v is not version and v.files]
            self._attach(ended[-1], inputs / source.partition("/")[2])
        (working / "__notebook__.ipynb").write_text(version.pushed["text"])
        version.states = ["RUNNING"]
        threading.Thread(target=self._papermill, args=(version, working)).start()

    def _attach(self, version: Version, folder: Path) -> None:
        for name, content in version.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in folder.rglob("*"):
            path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))

    def _papermill(self, version: Version, working: Path) -> None:
        hidden = ("PYTHONPATH", "TUNIX_RT_HOME", "KAGGLE_", "http_proxy")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        environment |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "HOME": str(working.parent)}
        environment.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # of fonts, above all
        notebook = "__notebook__.ipynb"
        began = time.monotonic()
        command = [sys.executable, "-W", "ignore", "-m", "papermill", notebook, notebook]
        with subprocess.Popen(
            [*command, "--no-progress-bar", "--stdout-file", "/dev/stdout"],
            cwd=working,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout and process.stderr
            for line in process.stdout:
                version.log.append(_event(line, time.monotonic() - began))
            errors = process.stderr.read()
        version.log += [
            _event(line, time.monotonic() - began, "stderr") for line in errors.splitlines()
        ]
        version.files = {
            path.relative_to(working).as_posix(): path.read_bytes()
            for path in working.rglob("*")
            if path.is_file()
        }
        version.failure = errors.strip().splitlines()[-1] if process.returncode else ""
        version.states = ["ERROR" if process.returncode else "COMPLETE"]


def _event(text: str, seconds: float, stream: str = "stdout") -> dict[str, Any]:
    return {"stream_name": stream, "time": seconds, "data": text}


class Handler(Base):
    """Answers one call; what the client sends is as a proxy sees it."""

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        request = json.loads(self.rfile.read(size) or b"{}")
        call = self.path.rpartition("/")[2]
        self.server.calls.append(call)
        if self.fails(call):
            return
        self.tell(getattr(self, call)(request))

    def do_PUT(self) -> None:
        token = self.path.rpartition("/")[2]
        content = b"".join(self.parts())
        if self.headers.get("Content-Range", "").startswith("bytes */"):  # how much has come?
            self.answer(308)
        elif not self.fails("upload"):
            self.server.blobs[token] = (self.server.blobs[token][0], content)
            self.answer(200)

    def parts(self) -> Iterator[bytes]:
        """Return what is uploaded, in one piece or in chunks."""
        if length := self.headers["Content-Length"]:
            yield self.rfile.read(int(length))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def do_GET(self) -> None:
        path, _, query = self.path.removeprefix("http://localhost").partition("?")
        if path.startswith("/api/v1/kernels/logs/stream/"):
            return None if self.fails("logs") else self.stream(path, query)
        _, _, owner, slug, number, name = path.split("/", 5)
        assert "Authorization" not in self.headers  # the address is permission enough
        if not self.fails("download"):
            self.answer(200, self.server.kernels[f"{owner}/{slug}"][int(number)].files[name])
        return None

    def fails(self, call: str) -> bool:
        """Answers with the next of the faults of this call; whether there was one."""
        waiting = self.server.faults.get(call) or []
        fault = waiting.pop(0) if waiting else None
        if fault is None and call not in ("upload", "download") and not self.is_known():
            fault = 401
        if fault in (CUT, HANG):
            if fault == HANG:
                self.server.over.wait()
            self.close_connection = True
            self.connection.close()
        elif isinstance(fault, int):
            told = json.dumps({"code": fault, "message": f"status {fault}"}).encode()
            more = {"Retry_After": "0"} if fault == 429 else {}
            self.answer(fault, told, Content_Type="application/json", **more)
        elif fault:
            self.tell({"error": fault})
        return fault is not None

    def is_known(self) -> bool:
        basic = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        return self.headers["Authorization"] in (f"Basic {basic}", f"Bearer {KEY}")

    def tell(self, value: dict[str, Any] | None) -> None:
        if value is None:
            value = {"code": 404, "message": "not found"}
            return self.answer(404, json.dumps(value).encode(), Content_Type="application/json")
        return self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def version(self, request: dict[str, Any]) -> Version | None:
        """The version that is asked for as v1, v2, ..., or the last one."""
        versions = self.server.kernels.get(f"{request['userName']}/{request['kernelSlug']}", [])
        named = {f"v{k}": version for k, version in enumerate(versions, start=1)}
        if self.server.knows_labels and request.get("versionLabel"):
            return named.get(request["versionLabel"])
        if request.get("versionLabel"):
            return None
        return versions[-1] if versions else None

    def IntrospectToken(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"active": request["token"] == KEY, "username": USER}

    def SaveKernel(self, request: dict[str, Any]) -> dict[str, Any]:
        handle = request["slug"]
        versions = self.server.kernels.setdefault(handle, [])
        versions.append(Version(request))
        if self.server.executes:
            self.server.execute(handle, versions[-1])
        sources = [*request.get("datasetDataSources", []), *request.get("modelDataSources", [])]
        unknown = [source for source in sources if source in self.server.unknown_sources]
        if self.server.faults.pop("after SaveKernel", None):
            self.close_connection = True
            self.connection.close()
        return {
            "ref": f"/code/{handle}",
            "url": f"https://www.kaggle.com/code/{handle}",
            **({"versionNumber": len(versions)} if self.server.tells_versions else {}),
            "invalidDatasetSources": [source for source in unknown if source.count("/") < 4],
            "invalidModelSources": [source for source in unknown if source.count("/") == 4],
        }

    def GetKernel(self, request: dict[str, Any]) -> dict[str, Any] | None:
        version = self.version(request)
        if version is None:
            return None
        versions = self.server.kernels[f"{request['userName']}/{request['kernelSlug']}"]
        return {
            "metadata": {"currentVersionNumber": len(versions)},
            "blob": {"source": version.pushed["text"]},
        }

    def GetKernelSessionStatus(self, request: dict[str, Any]) -> dict[str, Any] | None:
        version = self.version(request)
        if version is None:
            return None
        return {"status": version.state, "failureMessage": version.failure}

    def ListKernelSessionOutput(self, request: dict[str, Any]) -> dict[str, Any] | None:
        version = self.version(request)
        if version is None:
            return None
        handle = f"{request['userName']}/{request['kernelSlug']}"
        at = [kept is version for kept in self.server.kernels[handle]].index(True)
        start, size = int(request.get("pageToken") or 0), request.get("pageSize") or 20
        names = sorted(version.files)
        page = [
            {"fileName": name, "url": f"http://localhost/files/{handle}/{at}/{name}"}
            for name in names[start : start + size]
        ]
        more = start + size < len(names)
        log = json.dumps(version.log) if version.log else ""
        return {"files": page, "log": log, "nextPageToken": str(start + size) if more else ""}

    def GetAcceleratorQuotaStatistics(self, request: dict[str, Any]) -> dict[str, Any]:
        return {**self.server.renewed, "tpuQuota": self.server.quota}

    def stream(self, path: str, query: str) -> None:
        """The log as it comes, begun with its first line; of a version that has ended, whole."""
        owner, slug = path.split("/")[-2:]
        label = query.removeprefix("versionLabel=")
        version = self.version({"userName": owner, "kernelSlug": slug, "versionLabel": label})
        if version is None:
            return self.tell(None)
        if self.server.blob_logs:
            told = json.dumps(version.log).encode()
            return self.answer(200, told, Content_Type="application/json")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        told_so_far = 0
        while True:
            running = version.states[0] == "RUNNING" and self.server.executes
            for event in version.log[told_so_far:]:
                if self.server.faults.get("line") == [told_so_far]:
                    self.server.faults["line"] = []
                    return self.connection.close()
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                told_so_far += 1
            if not running:
                self.wfile.write(b"data: END_OF_LOG\n\n")
                return None
            time.sleep(0.1)

    def StartBlobUpload(self, request: dict[str, Any]) -> dict[str, Any]:
        token = str(len(self.server.blobs))
        self.server.blobs[token] = (request["name"], b"")
        return {"token": token, "createUrl": f"http://localhost/upload/{token}"}

    def _files(self, body: dict[str, Any]) -> dict[str, bytes]:
        return dict(self.server.blobs[file["token"]] for file in body["files"])

    def GetDatasetStatus(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if not self.GetDataset(request):
            return None
        self.server.processes -= 1
        return {"status": "READY" if self.server.processes < 0 else "BLOBS_RECEIVED"}

    def GetDataset(self, request: dict[str, Any]) -> dict[str, Any] | None:
        versions = self.server.datasets.get(f"{request['ownerSlug']}/{request['datasetSlug']}")
        return versions and {"currentVersionNumber": len(versions)}

    def CreateDataset(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["isPrivate"]
        handle = f"{request['ownerSlug']}/{request['slug']}"
        self.server.datasets[handle] = [self._files(request)]
        return {"ref": handle, "status": "ok"}

    def CreateDatasetVersion(self, request: dict[str, Any]) -> dict[str, Any]:
        handle = f"{request['ownerSlug']}/{request['datasetSlug']}"
        self.server.datasets[handle].append(self._files(request["body"]))
        return {"ref": handle, "status": "ok"}

    def GetModel(self, request: dict[str, Any]) -> dict[str, Any] | None:
        handle = f"{request['ownerSlug']}/{request['modelSlug']}"
        return {"ref": handle} if handle in self.server.models else None

    def GetModelInstance(self, request: dict[str, Any]) -> dict[str, Any] | None:
        versions = self.server.models[f"{request['ownerSlug']}/{request['modelSlug']}"]
        return {"versionNumber": len(versions)} if versions else None

    def CreateModel(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["isPrivate"]
        self.server.models[f"{request['ownerSlug']}/{request['slug']}"] = []
        return {"ref": request["slug"]}

    def CreateModelInstance(self, request: dict[str, Any]) -> dict[str, Any]:
        handle = f"{request['ownerSlug']}/{request['modelSlug']}"
        self.server.models[handle].append(self._files(request["body"]))
        return {"ref": handle}

    CreateModelInstanceVersion = CreateModelInstance


@contextmanager
def asked(address: str) -> Iterator[None]:
    """Lets the `kaggle` package take the server at an address for the real Kaggle."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KAGGLE_API_TOKEN", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        for name, value in {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_USERNAME": USER,
            "KAGGLE_KEY": KEY,
            "http_proxy": address,
            "no_proxy": "",
            "NO_PROXY": "",
        }.items():
            patch.setenv(name, value)
        from kaggle.api.kaggle_api_extended import KaggleApi

        patch.setattr(KaggleApi, "args", ["--local"])  # read from the environment once, on import
        yield


@contextmanager
def serving() -> Iterator[Kaggle]:
    """A Kaggle that runs meanwhile, and that the `kaggle` package takes for the real one."""
    server = Kaggle()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    with asked(server.address()):
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
            server.server_close()
