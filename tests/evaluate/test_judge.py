"""A judge on this machine, that answers well, badly, late or not at all."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.helpers.run_folders import TRACES, predictions, right, wrong
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import judge
from tunix_rt_nb.evaluate.endpoint import KEY, Endpoint

PREDICTIONS = predictions([right(t) if n % 2 else wrong(t) for n, t in enumerate(TRACES)])
GOOD = '{"correctness": 5, "completeness": 4, "clarity": 3, "why": "Fine."}'
SECRET = "sk-planted-0123456789"


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
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
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
    impatient = endpoint(server, timeout=1.0, tries=2)
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
    with pytest.raises(InputError, match="no answer in 2 tries, the last time: .*refused") as error:
        judge.judge(PREDICTIONS, nobody, tmp_path / "j.jsonl")
    assert "\n" not in str(error.value)


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
    with pytest.raises(InputError, match="the address is none, expected one like"):
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
        with pytest.raises(InputError, match="holds something else than judgements"):
            judge.read(PREDICTIONS, path)
