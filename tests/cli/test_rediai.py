"""The health of RediAI, asked of servers on this machine that behave and misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tunix_rt_nb.cli import display, rediai, status
from tunix_rt_nb.cli.rediai import Health

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("REDIAI_MODE", "REDIAI_BASE_URL", "REDIAI_HEALTH_PATH"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each connection so, and the first bytes of each request."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # closed
                return
            asked.append(client.recv(4096).split(b"\r\n")[0])
            with client:
                answer(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)


def real(monkeypatch: pytest.MonkeyPatch, url: str) -> Health:
    monkeypatch.setenv("REDIAI_MODE", "real")
    monkeypatch.setenv("REDIAI_BASE_URL", url)
    return rediai.health()


def trickle(client: socket.socket) -> None:
    """A byte every tenth of a second, so that no single read ever takes long."""
    for byte in OK * 9:
        try:
            client.sendall(bytes([byte]))
        except OSError:
            return
        time.sleep(0.1)


def test_it_is_assumed_to_be_healthy_unless_the_mode_is_real() -> None:
    assert rediai.health() == Health("healthy", "", "mock")


def test_a_mode_that_is_neither_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIAI_MODE", "reel")
    assert rediai.health() == Health("down", "REDIAI_MODE: 'reel', expected mock or real", "reel")


def test_a_healthy_service_is_asked_once_in_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(lambda client: client.sendall(OK)) as (url, asked):
        assert [real(monkeypatch, url) for _ in range(3)] == [Health("healthy", "", "real")] * 3
        assert asked == [b"GET /health HTTP/1.1"]
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + rediai.KEPT + 1)
        monkeypatch.setenv("REDIAI_HEALTH_PATH", "/health")
        assert real(monkeypatch, f"{url}/").status == "healthy"
        monkeypatch.setenv("REDIAI_HEALTH_PATH", "/alive")
        assert real(monkeypatch, url).status == "healthy"
    assert asked == [b"GET /health HTTP/1.1"] * 2 + [b"GET /alive HTTP/1.1"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda client: client.sendall(OK.replace(b"200", b"500")), "HTTP status 500"),
        (lambda client: client.sendall(OK.replace(b"200 OK", b"302 Found")), "HTTP status 302"),
        (lambda client: client.sendall(b"\x1b[31mhello\r\n\r\n"), "illegal status line"),
        (lambda client: None, "Server disconnected"),
        (lambda client: time.sleep(1), "no answer in 0 s"),
        (trickle, "no answer in 0 s"),
    ],
    ids=["500", "redirect", "malformed", "closed", "hanging", "trickling"],
)
def test_a_service_that_misbehaves_is_down_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None], says: str
) -> None:
    if says == "no answer in 0 s":
        monkeypatch.setattr(rediai, "LIMIT", 0.4)
    with serving(answer) as (url, asked):
        found = real(monkeypatch, url)
        assert found.status == "down" and says in found.error
        assert real(monkeypatch, url) == found and len(asked) == 1  # that counts for a while, too


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9", "refused"),
        ("localhost:8080", "REDIAI_BASE_URL: expected an address such as http://localhost:8080"),
        ("ftp://me:secret@localhost", "REDIAI_BASE_URL: expected an address"),
        ("http://me:secret@[::1", "REDIAI_BASE_URL: expected an address"),
    ],
)
def test_an_address_that_leads_nowhere_is_down_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, says: str
) -> None:
    found = real(monkeypatch, url)
    assert found.status == "down" and says in found.error
    kept = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert kept and "secret" not in f"{found}{kept}"


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"at": "now", "error": ""}', '{"at": 9e99, "error": 1}']
)
def test_a_damaged_or_missing_cache_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    real(monkeypatch, "http://127.0.0.1:9")
    [path] = tmp_path.rglob("*.json")
    path.write_text(text)
    assert "refused" in rediai.health().error
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")  # cannot be written to
    assert "refused" in rediai.health().error


def test_status_has_the_rows_of_ungar_tunix_and_rediai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIAI_MODE", "real")
    monkeypatch.setenv("REDIAI_BASE_URL", "http://127.0.0.1:9")
    told = status.rows()
    rows = {row["component"]: row for row in told}
    assert rows["UNGAR"]["state"] == "built in, 8 tasks"
    assert rows["Tunix"]["state"] == "ready to train"
    assert rows["RediAI"]["state"] == "down (real)" and "refused" in rows["RediAI"]["install"]
    table = display.states(told).splitlines()
    assert any(line.startswith("✗  RediAI ") for line in table)
    assert any(line.startswith("✓  UNGAR ") for line in table)
