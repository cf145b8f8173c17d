import dataclasses

import pytest
from hypothesis import given, settings, strategies as st

from tests.conftest import THOROUGH
from tests.golden import published
from tests.helpers import odd
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.trace.chat import Said, form, render
from tunix_rt_nb.trace.response import STYLES, respond
from tunix_rt_nb.trace.templates import TEMPLATES, Turns, text_of
from tunix_rt_nb.trace.trace import Earlier, Trace

TRACE = Trace.of("What is 2 + 2?", [("a", "Two and two."), ("b", "2 + 2 = 4.")], "4")


def test_gemma_numbered_is_the_reference_byte_for_byte() -> None:
    assert render(TRACE).text == (
        "<start_of_turn>user\nWhat is 2 + 2?<end_of_turn>\n<start_of_turn>model\n"
        "Reasoning:\n1. Two and two.\n2. 2 + 2 = 4.\nAnswer: 4<end_of_turn>"
    )


def test_a_system_message_of_gemma_opens_the_users_turn() -> None:
    assert render(TRACE, system="Be brief.").text.startswith(
        "<start_of_turn>user\nBe brief.\n\nWhat is 2 + 2?<end_of_turn>\n<start_of_turn>model\n"
    )


trimmed = odd.texts().map(str.strip).filter(bool)  # published templates strip what we keep


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(
    name=st.sampled_from(sorted(TEMPLATES)),
    trace=odd.traces(trimmed),
    style=st.sampled_from(sorted(STYLES)),
    system=trimmed,
)
def test_chats_are_those_of_the_published_templates(
    name: str, trace: Trace, style: str, system: str
) -> None:
    bos, response = TEMPLATES[name].bos or "", respond(trace, style)
    for message in ("", system):
        chat = render(trace, name, style, message)
        asked = published(name, message, trace.prompt, add_generation_prompt=True)
        assert asked == bos + text_of(chat.prompt)
        if name == "mistral":  # it forgets the system message once the model has answered
            message, chat = "", render(trace, name, style)
        answered = published(name, message, trace.prompt, response)
        assert answered.removesuffix("\n") == bos + chat.text


turns = st.lists(st.tuples(trimmed, trimmed), min_size=1, max_size=3).map(tuple)


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(
    name=st.sampled_from(sorted(TEMPLATES)),
    trace=odd.traces(trimmed),
    earlier=turns,
    system=st.one_of(st.just(""), trimmed),
)
def test_earlier_turns_are_those_of_the_published_templates(
    name: str, trace: Trace, earlier: Turns, system: str
) -> None:
    told = Earlier(system, earlier)
    said = Said.of(trace)._replace(earlier=told)
    chat = form(name, system="Not this one." if system else "").write(said)
    texts = [text for turn in earlier for text in turn]
    asked = published(name, system, *texts, trace.prompt, add_generation_prompt=True)
    assert asked == (TEMPLATES[name].bos or "") + text_of(chat.prompt)
    assert chat.text == text_of((*chat.prompt, *chat.response))


def test_a_trace_holds_the_messages_before_its_prompt() -> None:
    told = Earlier("Be brief.", (("q", "a"),))
    trace = Trace.of("r", [], "b", {"earlier_messages": told.messages()})
    assert trace.earlier == told
    assert render(trace).text == (
        "<start_of_turn>user\nBe brief.\n\nq<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n"
        "<start_of_turn>user\nr<end_of_turn>\n<start_of_turn>model\nAnswer: b<end_of_turn>"
    )


@pytest.mark.parametrize(
    "messages",
    ["hello", [{"role": "user", "content": "q"}], [{"role": "tool", "content": "q"}], [{}]],
)
def test_malformed_messages_before_a_prompt_are_refused(messages: object) -> None:
    with pytest.raises(InputError, match=r"meta\.earlier_messages: "):
        Trace.of("r", [], "b", {"earlier_messages": messages})


@pytest.mark.slow
@settings(max_examples=THOROUGH)
@given(odd.traces(odd.texts()), odd.texts())
def test_text_of_a_trace_is_literal_in_every_template(trace: Trace, system: str) -> None:
    plain = Trace.of("p", [("s", "s")], "a")
    for name in TEMPLATES:
        chat, other = render(trace, name, "tags", system), render(plain, name, "tags", "s")
        for segments, like in ((chat.prompt, other.prompt), (chat.response, other.response)):
            assert [s for s in segments if s.control] == [s for s in like if s.control]


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_states_its_pieces(name: str) -> None:
    template, chat = TEMPLATES[name], render(TRACE, name)
    assert chat.response[-1] == (template.stop, True)
    assert form(name).tail[0].control
    assert text_of(form(name).head).startswith(template.bos or "<|im_start|>")
    pieces = {s.text for s in (*chat.prompt, *chat.response) if s.control} | {*template.stops}
    assert {*template.pieces} == pieces | ({template.bos} - {None})
    literal = "".join(s.text for s in (*chat.prompt, *chat.response) if not s.control)
    assert not any(piece in literal for piece in template.pieces)


def test_what_defines_a_form_defines_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {form(t, s, m).sha256 for t in TEMPLATES for s in STYLES for m in ("", "Be brief.")}
    assert len(hashes) == 16
    before = form("gemma", "tags").sha256
    other = dataclasses.replace(TEMPLATES["gemma"], after_system="\n")
    monkeypatch.setitem(TEMPLATES, "gemma", other)
    assert form("gemma", "tags").sha256 != before


def test_unknown_templates_and_styles_are_named() -> None:
    with pytest.raises(InputError, match="template: unknown 'alpaca', .* one of: gemma, chatml"):
        render(TRACE, "alpaca")
    with pytest.raises(InputError, match="style: unknown 'free', expected one of: numbered, tags"):
        render(TRACE, "gemma", "free")
