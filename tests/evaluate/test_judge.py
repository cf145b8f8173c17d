"""A judge on this machine, that answers well, badly, late or not at all."""

import asyncio
import gc
import gzip
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb import evaluate
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import judge
from tunix_rt_nb.evaluate.endpoint import KEY, Endpoint, Unusable
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.trace.response import Generation
from tunix_rt_nb.trace.trace import Trace

PREDICTIONS = predictions([right(t) if n % 2 else wrong(t) for n, t in enumerate(TRACES)])
GOOD = '{"correctness": 5, "completeness": 4, "clarity": 3, "why": "Fine."}'
SECRET = "sk-planted-0123456789"
SLASHED = "sk-planted/0123456789"


def completion(text: str | None) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Server(ThreadingHTTPServer):
    """What it was asked, with which headers; `answers` says what comes: of (number, question)."""

    answers: Callable[[int, dict[str, Any]], tuple[int, bytes] | None]
    asked: list[tuple[dict[str, Any], dict[str, str]]]
    headers: dict[str, str]
    daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((question, dict(self.headers)))
        answer = self.server.answers(len(self.server.asked), question)
        if answer is None:  # hangs up
            return
        status, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.headers = [], {}
    server.answers = lambda number, question: (200, completion(GOOD))
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def always(status: int, body: str) -> Callable[[int, dict[str, Any]], tuple[int, bytes]]:
    return lambda number, question: (status, body.encode())


def endpoint(server: Server, **how: Any) -> Endpoint:
    return Endpoint(server.url, "gemma", **{"pause": 0.001, "timeout": 5.0, **how})


def test_prompt_raw_answer_and_scores_are_kept(server: Server, tmp_path: Path) -> None:
    made = judge.judge(PREDICTIONS, endpoint(server), tmp_path / "judged.jsonl")
    assert [m["id"] for m in made] == [p["id"] for p in PREDICTIONS]
    first = made[0]
    assert first["raw"] == GOOD
    assert first["scores"] == {"correctness": 5.0, "completeness": 4.0, "clarity": 3.0}
    assert (first["score"], first["problem"], first["judge"]) == (0.75, None, "gemma")
    asked = json.loads(first["prompt"][1]["content"])
    assert asked["problem"] == PREDICTIONS[0]["prompt"]
    assert asked["response"] == PREDICTIONS[0]["response"]
    lines = (tmp_path / "judged.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == made
    question, _ = server.asked[0]
    assert (question["model"], question["temperature"]) == ("gemma", 0)
    told = judge.summary(made)
    assert (told["n"], told["scored"], told["score"]) == (12, 12, 0.75)
    assert told["criteria"]["clarity"] == 3.0


def test_a_judge_is_shown_the_messages_before_the_prompt() -> None:
    earlier = [{"role": "system", "content": "Be brief."}]
    chat = {**PREDICTIONS[0], "earlier_messages": earlier}
    asked, bare = (json.loads(judge.messages(p)[1]["content"]) for p in (chat, PREDICTIONS[0]))
    assert asked == {"earlier_messages": earlier, **bare}


def test_what_was_judged_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    judge.judge(PREDICTIONS[:5], endpoint(server), path)
    with path.open("ab") as file:
        file.write(b'{"id": "half of a li')  # killed while it wrote
    judge.judge(PREDICTIONS, endpoint(server), path)
    assert len(server.asked) == 12
    judge.judge(PREDICTIONS, endpoint(server), path)
    assert len(server.asked) == 12
    changed = [{**PREDICTIONS[0], "response": "something else"}, *PREDICTIONS[1:]]
    judge.judge(changed, endpoint(server), path)
    assert len(server.asked) == 13
    assert len(judge.read(PREDICTIONS, path)) == 12


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    server.headers = {"Retry-After": "0"}
    server.answers = lambda number, question: (
        (status, b"busy") if number % 2 else (200, completion(GOOD))
    )
    made = judge.judge(PREDICTIONS[:3], endpoint(server), tmp_path / "j.jsonl")
    assert all(m["score"] == 0.75 for m in made)


def test_a_server_that_hangs_up_now_and_then_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.answers = lambda number, question: None if number == 1 else (200, completion(GOOD))
    [made] = judge.judge(PREDICTIONS[:1], endpoint(server), tmp_path / "j.jsonl")
    assert made["score"] == 0.75
    assert len(server.asked) == 2


@pytest.mark.slow
def test_a_judge_that_never_answers_ends_it_and_keeps_what_there_is(
    server: Server, tmp_path: Path
) -> None:
    never = threading.Event()
    answered = [p["prompt"] for p in PREDICTIONS[:4]]
    server.answers = lambda number, question: (
        (200, completion(GOOD))
        if json.loads(question["messages"][1]["content"])["problem"] in answered
        else (never.wait(20), None)[1]
    )
    path = tmp_path / "j.jsonl"
    impatient = endpoint(server, timeout=0.4, tries=2)
    with pytest.raises(InputError, match="no answer in 2 tries, the last time: .*timed out") as e:
        judge.judge(PREDICTIONS, impatient, path)
    assert server.url in str(e.value)
    never.set()
    assert len(path.read_text().splitlines()) == 4
    server.answers = lambda number, question: (200, completion(GOOD))
    assert len(judge.judge(PREDICTIONS, endpoint(server), path)) == 12


def test_an_answer_that_never_ends_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.answers = lambda number, question: (200, b" " * (5 << 20))
    with pytest.raises(InputError, match="the first has over 4 MiB"):
        judge.judge(PREDICTIONS[:1], endpoint(server), tmp_path / "j.jsonl")


def test_nobody_there_is_said_in_a_line(tmp_path: Path) -> None:
    nobody = Endpoint("http://127.0.0.1:9/v1", "gemma", tries=2, pause=0.001)
    with pytest.raises(
        InputError, match="no answer in 2 tries, the last time: .*attempts failed"
    ) as error:
        judge.judge(PREDICTIONS, nobody, tmp_path / "j.jsonl")
    assert "\n" not in str(error.value)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a server that says what no library would say."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with suppress(ConnectionError), listening.accept()[0] as connection:
                        talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def request_of(connection: socket.socket) -> bytes:
    request = b""
    while not request.endswith(b"}"):
        request += connection.recv(1 << 16)
    return request


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "headers": (OK + b"X-Long: ", b"x"),
    "many headers": (OK, b"X-One: x\r\n"),
    "body": (OK + b"Content-Length: 1000\r\n\r\n", b" "),
    "endless body": (OK + b"\r\n", b" "),
    "chunked body": (CHUNKED, b"1\r\n \r\n"),
    "chunk size": (CHUNKED + b"1;", b"x"),
    "trailers": (CHUNKED + b"1\r\n \r\n0\r\nX-Long: ", b"x"),
    "many trailers": (CHUNKED + b"1\r\n \r\n0\r\n", b"X-One: x\r\n"),
    "end of a chunk": (CHUNKED + b"1\r\n ", b"\r\n0000000"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "status line of a refusal": (b"HTTP/1.1 401 ", b"x"),
}


@pytest.mark.parametrize("start, drop", DRIPS.values(), ids=DRIPS)
def test_a_server_that_never_comes_to_an_end_holds_nobody_longer_than_the_timeout(
    start: bytes, drop: bytes
) -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(start)
        while True:
            time.sleep(0.05)
            connection.sendall(drop)

    says = "the last time: timed out after 0.4 seconds"
    with raw_server(talk) as url, pytest.raises(InputError, match=says):
        Endpoint(url, "gemma", timeout=0.4, tries=1).ask([])


def test_a_refusal_that_never_comes_to_an_end_holds_nobody_longer_either() -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            time.sleep(0.05)
            connection.sendall(b" ")

    with raw_server(talk) as url, pytest.raises(InputError, match="the last time: status 500"):
        Endpoint(url, "gemma", timeout=0.4, tries=1).ask([])


# httpx leaves the socket of a handshake that was given up to the garbage collector, which warns.
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
def test_a_handshake_that_never_comes_to_an_end_holds_nobody_longer() -> None:
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # the beginning of a long hello of TLS
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(record)
        while not over.wait(0.05):
            connection.sendall(b"\x00")

    with raw_server(talk) as url:
        with pytest.raises(InputError, match="the last time: timed out after 0.4 seconds"):
            Endpoint(url.replace("http:", "https:"), "gemma", timeout=0.4, tries=1).ask([])
        over.set()
    gc.collect()


def test_a_server_that_reads_no_question_holds_nobody_longer() -> None:
    long = {"role": "user", "content": "x" * (16 << 20)}  # more than a socket holds
    says = "timed out after 0.4 seconds"
    with raw_server(lambda connection: time.sleep(1)) as url, pytest.raises(InputError, match=says):
        Endpoint(url, "gemma", timeout=0.4, tries=1).ask([long])


@pytest.mark.parametrize("address", ["http://10.0.0.1/v1", "https://10.0.0.1/v1"])
def test_a_proxy_that_never_comes_to_an_end_holds_nobody_longer(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def talk(connection: socket.socket) -> None:
        while True:
            time.sleep(0.05)
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    with raw_server(talk) as url:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(InputError, match="timed out after 0.4 seconds"):
            Endpoint(address, "gemma", timeout=0.4, tries=1).ask([])


def test_endless_continues_at_full_speed_hold_nobody_longer() -> None:
    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with raw_server(talk) as url, pytest.raises(InputError, match="timed out"):
        Endpoint(url, "gemma", timeout=0.4, tries=1).ask([])


def test_a_refusal_counts_without_the_rest_of_its_answer() -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 1000\r\n\r\nGo away")
        connection.recv(1)

    with raw_server(talk) as url, pytest.raises(InputError, match=f"status 401: .*is {KEY} right"):
        Endpoint(url, "gemma", timeout=0.4, tries=9).ask([])


def test_half_an_answer_is_none(server: Server) -> None:
    server.headers = {"Content-Length": "1000"}
    with pytest.raises(InputError, match="no answer in 2 tries, the last time: peer closed"):
        endpoint(server, tries=2).ask([])
    assert len(server.asked) == 2


def test_headers_without_end_are_cut_off() -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK + b"X-Long: " + b"x" * (1 << 20))

    with raw_server(talk) as url, pytest.raises(InputError, match="no answer in 1 tries"):
        Endpoint(url, "gemma", timeout=5.0, tries=1).ask([])


def test_a_packed_answer_is_not_unpacked(server: Server) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    server.answers = lambda number, question: (200, gzip.compress(b" " * (5 << 20)))
    with pytest.raises(Unusable, match="is no chat completion"):
        endpoint(server).ask([])
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "told, pause",
    [
        ("1", 1.0),
        ("999999", 60.0),  # the longest pause
        ("-5", 0.001),
        ("Wed, 21 Oct 2030 07:28:00 GMT", 0.001),
    ],
)
def test_a_pause_that_the_server_asks_for_is_made_within_bounds(
    server: Server, monkeypatch: pytest.MonkeyPatch, told: str, pause: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=pauses.append))
    server.headers = {"Retry-After": told}
    server.answers = lambda number, question: (
        (429, b"busy") if number == 1 else (200, completion(GOOD))
    )
    assert endpoint(server).ask([]) == GOOD
    assert pauses == [pytest.approx(pause)]


def test_a_notebook_can_ask_although_it_runs_an_event_loop(server: Server) -> None:
    async def cell() -> str:
        return endpoint(server).ask([])

    assert asyncio.run(cell()) == GOOD


def test_a_proxy_gets_no_request_for_this_machine_but_those_for_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    requests: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        requests.append(request_of(connection))
        connection.sendall(OK + b"\r\n" + completion(GOOD))

    with raw_server(talk) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert endpoint(server).ask([]) == GOOD
        assert requests == []
        assert Endpoint("http://judge.invalid/v1", "gemma").ask([]) == GOOD
        assert requests[0].startswith(b"POST http://judge.invalid/v1/chat/completions ")
    monkeypatch.setenv("http_proxy", f"odd://me:{SECRET}@127.0.0.1")
    with pytest.raises(InputError, match="is no address of an HTTP proxy") as error:
        Endpoint("http://judge.invalid/v1", "gemma").ask([])
    assert SECRET not in str(error.value)


def test_the_room_loads_without_a_client() -> None:
    code = (
        "import sys, tunix_rt_nb.evaluate; sys.exit(bool({'httpx', 'tenacity'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


NONSENSE = [
    (200, completion("I love it! 10/10")),
    (200, completion('{"correctness": 5}')),
    (200, completion('{"correctness": 7, "completeness": 4, "clarity": 3}')),
    (200, completion('{"correctness": NaN, "completeness": 4, "clarity": 3}')),
    (200, completion('{"correctness": true, "completeness": 4, "clarity": 3}')),
    (200, completion('{"correctness": "5", "completeness": 4, "clarity": 3}')),
    (200, completion("{" * 30_000)),
    (200, completion("")),
    (200, completion(None)),
    (200, b"<html>It works!</html>"),
    (200, b"[" * 100_000),
    (200, b'{"choices": []}'),
    (200, b'"choices"'),
    (200, b"\xff\xfe"),
    (400, b"too long"),
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda answer: repr(answer[1][:60]))
def test_nonsense_is_asked_for_again_then_kept_without_a_score(
    server: Server, tmp_path: Path, nonsense: tuple[int, bytes]
) -> None:
    about = PREDICTIONS[0]["prompt"]
    server.answers = lambda number, question: (
        nonsense if about in question["messages"][1]["content"] else (200, completion(GOOD))
    )
    bad, good = judge.judge(PREDICTIONS[:2], endpoint(server), tmp_path / "j.jsonl")
    assert bad["score"] is None and bad["scores"] is None and bad["problem"]
    assert good["score"] == 0.75
    assert len(server.asked) == 3
    told = judge.summary([bad, good])
    assert (told["n"], told["scored"], told["score"]) == (2, 1, 0.75)


def test_where_all_is_nonsense_it_is_an_error_that_shows_it(server: Server, tmp_path: Path) -> None:
    server.answers = lambda number, question: (200, completion("I love it!\n10/10"))
    told = "none of 2 answers holds scores; the first holds no scores: 'I love it! 10/10'"
    with pytest.raises(InputError, match=told):
        judge.judge(PREDICTIONS[:2], endpoint(server), tmp_path / "j.jsonl")
    assert len((tmp_path / "j.jsonl").read_text().splitlines()) == 2


def test_half_a_surrogate_pair_is_kept_as_something_that_can_be_written(
    server: Server, tmp_path: Path
) -> None:
    server.answers = lambda number, question: (200, completion(GOOD + " \ud800"))
    [made] = judge.judge(PREDICTIONS[:1], endpoint(server), tmp_path / "j.jsonl")
    assert made["raw"] == GOOD + " ?"


@pytest.mark.parametrize(("status", "hint"), [(401, KEY), (403, KEY), (404, "the address before")])
def test_a_refusal_ends_it_at_once(server: Server, tmp_path: Path, status: int, hint: str) -> None:
    server.answers = lambda number, question: (status, b"no")
    with pytest.raises(InputError, match=f"status {status}: no: .*{hint}"):
        judge.judge(PREDICTIONS[:1], endpoint(server), tmp_path / "j.jsonl")
    assert len(server.asked) == 1


def test_the_key_is_sent_and_told_nowhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    how = judge.endpoint(server.url, "gemma", pause=0.001)
    path = tmp_path / "j.jsonl"
    server.answers = lambda number, question: (200, completion(f"{GOOD} Your key is {SECRET}."))
    judge.judge(PREDICTIONS[:1], how, path)
    assert server.asked[0][1]["Authorization"] == f"Bearer {SECRET}"
    for status in (400, 401, 500):
        server.answers = always(status, SECRET)
        with pytest.raises(InputError) as error:
            judge.judge(PREDICTIONS[1:2], how, path)
        assert SECRET not in str(error.value)
    assert "***" in path.read_text()
    assert SECRET not in path.read_text() + repr(how)


def escaped(text: str, form: str = "04x") -> str:
    return "".join(f"\\u{ord(character):{form}}" for character in text)


SPELLINGS = [
    SLASHED,
    escaped(SLASHED),
    escaped(SLASHED, "04X"),
    escaped(SLASHED[:4]) + SLASHED[4:9] + escaped(SLASHED[9:], "04X"),
    SLASHED.replace("/", "\\/"),
    json.dumps(escaped(SLASHED))[1:-1],
    escaped(escaped(SLASHED)),
    SLASHED + SLASHED,
    f"\\n{SLASHED}\\n",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_key_is_hidden_however_json_spells_it(server: Server, spelling: str) -> None:
    def shown(text: str) -> bool:
        for _ in range(3):
            if SLASHED in text:
                return True
            text = re.sub(r"\\u(....)", lambda m: chr(int(m[1], 16)), text).replace("\\/", "/")
        return False

    how = endpoint(server, key=SLASHED)
    answer = completion("what").decode().replace("what", spelling)
    server.answers = always(200, answer)
    said = how.ask([])
    assert "***" in said and not shown(said)
    assert json.loads(answer)  # and as it was a right answer, it is still one
    server.answers = always(200, spelling)
    with pytest.raises(Unusable) as unusable:
        how.ask([])
    server.answers = always(401, spelling)
    with pytest.raises(InputError) as refused:
        how.ask([])
    if spelling != escaped(escaped(SLASHED)):  # that is no key before it is read
        assert not shown(unusable.value.raw) and not shown(str(refused.value))


# Escapes of escapes are no key, even when the answer is read.
@pytest.mark.parametrize("spelling", [s for s in SPELLINGS if s != escaped(escaped(SLASHED))])
def test_neither_judgements_nor_verdicts_keep_the_key(
    server: Server, tmp_path: Path, spelling: str
) -> None:
    how = endpoint(server, key=SLASHED)
    for answer in (completion(f"{GOOD} {spelling}"), completion(spelling), spelling.encode()):
        server.answers = lambda number, question, answer=answer: (200, answer)
        with suppress(InputError):
            judge.judge(PREDICTIONS[:1], how, tmp_path / "j.jsonl")
        verdict = evaluate.Judge(how).compare("One thing", "Another")
        kept = (tmp_path / "j.jsonl").read_text() + verdict.why
        assert "***" in kept and SLASHED not in kept
        assert "u0070u006c" not in kept.replace("\\", "").lower()  # the escapes of `pl`


def test_a_key_in_a_broken_header_is_hidden() -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK + b"x" * 120 + SECRET.encode() + b"\r\n\r\n")

    with raw_server(talk) as url, pytest.raises(InputError, match="no answer in 1 tries") as error:
        Endpoint(url, "gemma", SECRET, tries=1).ask([])
    assert SECRET[:6] not in str(error.value)


def test_nothing_is_logged_and_the_key_at_no_level(
    server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert endpoint(server, key=SECRET).ask([]) == GOOD
    assert caplog.records == [] and capfd.readouterr() == ("", "")
    caplog.set_level(logging.DEBUG)
    assert endpoint(server, key=SECRET).ask([]) == GOOD
    assert caplog.records and SECRET not in caplog.text


def test_no_redirect_takes_the_key_elsewhere(server: Server, tmp_path: Path) -> None:
    server.headers = {"Location": f"{server.url}/chat/completions"}
    server.answers = lambda number, question: (302, b"there")
    with pytest.raises(InputError, match="status 302"):
        judge.judge(PREDICTIONS[:1], endpoint(server, key=SECRET), tmp_path / "j.jsonl")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x/v1",
        "file:///etc/passwd",
        "http://",
        "http://x:99999/",
        "http://a b/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="address is invalid, expected one like"):
        Endpoint(url, "gemma")


@pytest.mark.parametrize("url", [f"http://me:{SECRET}@x/v1", f"http://x/v1?key={SECRET}"])
def test_a_key_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match=f"put a key in {KEY}") as error:
        Endpoint(url, "gemma")
    assert SECRET not in str(error.value)


def test_a_key_with_a_line_break_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match=f"{KEY} has a character") as error:
        Endpoint("http://x/v1", "gemma", f"{SECRET}\nX: y")
    assert SECRET not in str(error.value)


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_whatever_a_response_says_the_prompt_stays_one_json_object(text: str) -> None:
    prompt = judge.messages({**PREDICTIONS[0], "response": text})
    assert json.loads(prompt[1]["content"])["response"] == text
    assert prompt[0] == judge.messages(PREDICTIONS[0])[0]


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_scores_are_found_whatever_stands_around_them(text: str) -> None:
    around = text.replace("{", "(")
    assert judge.read_scores(f"{around}{GOOD}{around}") == judge.read_scores(GOOD)


def test_of_several_the_last_scores_count() -> None:
    thinking = GOOD.replace("5", "1")
    assert judge.read_scores(f"<think>{thinking}</think>\n```json\n{GOOD}\n```") == {
        "correctness": 5.0,
        "completeness": 4.0,
        "clarity": 3.0,
    }


def test_a_response_of_100_000_characters_is_shown_in_part() -> None:
    prompt = judge.messages({**PREDICTIONS[0], "response": "x" * 100_000})
    assert len(prompt[1]["content"]) < 21_000
    assert "80,000 characters more" in prompt[1]["content"]


def test_a_file_of_something_else_is_not_taken_for_judgements(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    for text in ("{}\n", "[1]\n", "x\n"):
        path.write_text(text)
        with pytest.raises(InputError, match="holds something other than judgements"):
            judge.read(PREDICTIONS, path)


# A judge as the last grader of the ladder


def named(server: Server) -> evaluate.Judge:
    found = evaluate.named_grader("judge", server.url, "gemma")
    assert isinstance(found, evaluate.Judge)
    return found


def test_a_judge_decides_only_where_no_program_can(server: Server) -> None:
    server.answers = lambda number, question: (200, completion('Yes: {"same": true}'))
    mine = named(server)
    assert evaluate.mark("5", "5.0", "", mine).grader == "number"
    assert evaluate.mark("4", "5", "", mine).score == 0.0
    assert server.asked == []
    found = evaluate.mark("Light makes sugar.", "Plants turn light to sugar.", "What?", mine)
    assert (found.score, found.strict_score, found.grader) == (1.0, 0.0, "judge")
    assert found.why == "gemma finds that it says the same"
    [(question, _)] = server.asked
    assert json.loads(question["messages"][1]["content"]) == {
        "question": "What?",
        "expected_answer": "Plants turn light to sugar",
        "answer": "Light makes sugar",
    }


@pytest.mark.parametrize(
    ("reply", "score", "grader"),
    [
        ('{"same": false}', 0.0, "judge"),
        ('First {"same": true}, no: {"same": false}', 0.0, "judge"),
        ('```json\n{"same" : true}\n```', 1.0, "judge"),
        ('{"same": "true"}', 0.0, "none"),
        ("They are the same.", 0.0, "none"),
        (None, 0.0, "none"),
    ],
)
def test_only_a_clear_reply_decides(
    server: Server, reply: str | None, score: float, grader: str
) -> None:
    server.answers = lambda number, question: (200, completion(reply))
    found = evaluate.mark("One thing", "Another", "", named(server))
    assert (found.score, found.grader) == (score, grader)
    assert len(server.asked) == (1 if grader == "judge" else 2)


def test_an_item_of_ones_own_is_graded_by_the_judge(server: Server) -> None:
    server.answers = lambda number, question: (200, completion('{"same": true}'))
    item = Trace.of("Why is the sky blue?", [], "Air scatters blue light most.")
    said = Generation("Answer: Blue is scattered more by air.", 9, True)
    found = grade("x", item, said, own=named(server))
    assert (found["score"], found["strict_score"], found["grader"]) == (1.0, 0.0, "judge")


def test_a_judge_without_an_endpoint_is_refused() -> None:
    with pytest.raises(InputError, match=r"^judge: expected an endpoint \(JUDGE\) and a model"):
        evaluate.named_grader("judge", "http://127.0.0.1:1/v1")
