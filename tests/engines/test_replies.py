"""What is read from a server's reply, and how thought and answer become one text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.chat import has_format
from distill.engines.base import Request
from distill.engines.replies import decode, estimated_tokens, merged, read_reply
from distill.engines.retries import Fault
from distill.records import Completion, FailureReason

ASKED = Request("p#0", "What is 3 + 4?", 1, 50)
CHAT = Request("p#0", "What is 3 + 4?", 1, 50, is_chat=True)

MERGED = [  # reasoning, content, one text
    ("3+4", "7", "<think>\n3+4\n</think>\n\n7"),
    ("\n3+4\n", "\n\n7", "<think>\n3+4\n</think>\n\n7"),
    ("<think>\n3+4\n</think>", "7", "<think>\n3+4\n</think>\n\n7"),  # tags and all
    (None, "<think>\n3+4\n</think>\n\n7", "<think>\n3+4\n</think>\n\n7"),
    ("3+4", "<think>\n3+4\n</think>\n\n7", "<think>\n3+4\n</think>\n\n7"),  # told twice
    (None, "3+4\n</think>\n\n7", "<think>\n3+4\n</think>\n\n7"),  # the prompt opened it
    ("3+4", None, "<think>\n3+4"),  # cut within the thought
    ("3+4", " \n", "<think>\n3+4"),
    (None, "<think>\n3+", "<think>\n3+"),
    (None, "7", "7"),  # no thought at all
    ("", "7", "7"),
    (" \n", "7", "7"),
    (None, "", ""),
    (None, None, None),
]


@pytest.mark.parametrize(("reasoning", "content", "text"), MERGED)
def test_thought_and_answer_become_one_text(reasoning, content, text):
    assert merged(reasoning, content) == text


words = st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]))


@given(words.filter(str.strip), words.filter(str.strip))
def test_a_thought_beside_its_answer_makes_exactly_one_block(reasoning, content):
    text = merged(reasoning, content)
    assert has_format(text)
    assert merged(None, text) == text
    assert merged(reasoning, text) == text


def _plain(text="7", finish="stop", **more) -> bytes:
    return json.dumps({"choices": [{"text": text, "finish_reason": finish}], **more}).encode()


def _chat(message, finish="stop", **more) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **more}).encode()


USED = {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}
FULL = {"usage": {"prompt_tokens": 9, "completion_tokens": 50}}
BOTH = "<think>\na\n</think>\n\n7"
HALF_TOLD = {"usage": {"prompt_tokens": 9, "completion_tokens": 0}}
NOT_TOLD = {"usage": {"prompt_tokens": True, "completion_tokens": -1}}
THOUGHT = {"content": None, "reasoning": "a"}
TEXT_PARTS = {"content": [{"type": "text", "text": "7"}]}
BOTH_PARTS = {"content": [{"thinking": [{"text": "a"}]}, {"text": "7"}]}
READ = [  # request, reply; text, finish reason, tokens of prompt and completion, counted
    (ASKED, _plain(**USED), ("7", "stop", 9, 4, True)),
    (ASKED, _plain(finish="length", **FULL), ("7", "length", 9, 50, True)),
    (ASKED, _plain(finish="max_tokens", **FULL), ("7", "length", 9, 50, True)),
    (ASKED, _plain(finish="eos", **USED), ("7", "stop", 9, 4, True)),
    (ASKED, _plain(finish=None, **USED), ("7", "stop", 9, 4, True)),
    (ASKED, _plain(finish=None, **FULL), ("7", "length", 9, 50, True)),  # as many as allowed
    (ASKED, _plain(finish="tool_calls", **USED), ("7", "stop", 9, 4, True)),
    (ASKED, _plain(finish=["stop"], **USED), ("7", "stop", 9, 4, True)),
    (ASKED, _plain("", **USED), ("", "stop", 9, 4, True)),
    (ASKED, _plain("x" * 35), ("x" * 35, "stop", 4, 10, False)),  # 35 / 3.5; the prompt has 14
    (ASKED, _plain("x", "length"), ("x", "length", 4, 50, False)),  # cut at the limit
    (ASKED, _plain("x" * 999), ("x" * 999, "stop", 4, 50, False)),  # no more than allowed
    (ASKED, _plain(usage={"prompt_tokens": "9"}), ("7", "stop", 4, 1, False)),
    (ASKED, _plain(**HALF_TOLD), ("7", "stop", 9, 1, False)),
    (ASKED, _plain(**NOT_TOLD), ("7", "stop", 4, 1, False)),
    (CHAT, _chat({"content": "7"}, **USED), ("7", "stop", 9, 4, True)),
    (CHAT, _chat({"content": "7", "reasoning_content": "a"}, **USED), (BOTH, "stop", 9, 4, True)),
    (CHAT, _chat({"content": "7", "reasoning": "a"}, **USED), (BOTH, "stop", 9, 4, True)),
    (CHAT, _chat(THOUGHT, "length", **FULL), ("<think>\na", "length", 9, 50, True)),
    (CHAT, _chat(TEXT_PARTS, **USED), ("7", "stop", 9, 4, True)),
    (CHAT, _chat(BOTH_PARTS, **USED), (BOTH, "stop", 9, 4, True)),
]


@pytest.mark.parametrize(("request_", "body", "expected"), READ)
def test_a_reply_is_read(request_, body, expected):
    found = read_reply(decode(body), request_)
    assert isinstance(found, Completion), found
    tokens = (found.prompt_tokens, found.completion_tokens, found.tokens_are_counted)
    assert (found.text, found.finish_reason, *tokens) == expected


NOTHING = [  # request, reply, reason, whether it is worth another attempt
    (ASKED, b"", FailureReason.BAD_REPLY, True),
    (ASKED, b"<html>", FailureReason.BAD_REPLY, True),
    (ASKED, b'{"choices": [{"text": "7', FailureReason.BAD_REPLY, True),
    (ASKED, b"[]", FailureReason.BAD_REPLY, True),
    (ASKED, b'{"choices": null}', FailureReason.BAD_REPLY, True),
    (ASKED, b"\xff\xfe", FailureReason.BAD_REPLY, True),
    (ASKED, b"[" * 100_000, FailureReason.BAD_REPLY, True),
    (ASKED, b'{"choices": []}', FailureReason.EMPTY, True),
    (ASKED, b'{"choices": [7]}', FailureReason.EMPTY, True),
    (ASKED, _plain(None, **USED), FailureReason.EMPTY, True),
    (ASKED, _plain(""), FailureReason.EMPTY, True),
    (ASKED, _chat({"content": "7"}, **USED), FailureReason.EMPTY, True),  # not what was asked for
    (CHAT, _plain(**USED), FailureReason.EMPTY, True),
    (CHAT, _chat({"content": None}, **USED), FailureReason.EMPTY, True),
    (CHAT, _chat(None, **USED), FailureReason.EMPTY, True),
    (CHAT, _chat({"content": None, "refusal": "no"}, **USED), FailureReason.REFUSED, False),
    (ASKED, _plain(finish="content_filter", **USED), FailureReason.REFUSED, False),
    (ASKED, _plain(finish="error", **USED), FailureReason.SERVER_ERROR, True),
    (ASKED, _plain(finish="insufficient_system_resource"), FailureReason.SERVER_ERROR, True),
]


@pytest.mark.parametrize(("request_", "body", "reason", "again"), NOTHING)
def test_a_reply_without_a_completion_says_why(request_, body, reason, again):
    found = read_reply(decode(body), request_)
    assert isinstance(found, Fault), found
    assert (found.reason, found.again) == (reason, again)
    assert found.completion_tokens == (4 if b"usage" in body else None)  # not told
    assert found.worked, "a server that says 200 may charge for it"


IN_TEXT = {"text": "7", "logprobs": {"token_logprobs": [-0.5, -1]}}
IN_CHAT = {
    "message": {"content": "7"},
    "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1}]},
}


@pytest.mark.parametrize(("request_", "choice"), [(ASKED, IN_TEXT), (CHAT, IN_CHAT)])
def test_tokens_and_their_logprobs_are_read_and_counted(request_, choice):
    choice = choice | {"finish_reason": "stop", "token_ids": [5, 1]}
    found = read_reply({"choices": [choice]}, request_)
    assert (found.token_ids, found.logprobs) == ([5, 1], [-0.5, -1.0])
    assert found.completion_tokens == 2


@pytest.mark.parametrize("odd", [None, float("nan"), float("-inf"), 10**400, "-1", True])
def test_logprobs_of_some_tokens_only_are_left_out(odd):
    choice = {"text": "7", "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.5, odd]}}
    found = read_reply({"choices": [choice]}, ASKED)
    assert (found.text, found.logprobs) == ("7", [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "text": json_values,
        "message": st.dictionaries(st.sampled_from(["content", "reasoning"]), json_values),
        "finish_reason": json_values,
        "logprobs": st.fixed_dictionaries({"content": json_values}) | json_values,
        "token_ids": json_values,
    },
)


@given(
    st.fixed_dictionaries({}, optional={"choices": st.lists(choices), "usage": json_values})
    | json_values,
    st.sampled_from([ASKED, CHAT]),
)
def test_whatever_is_sent_becomes_a_completion_that_can_be_stored_or_a_fault(reply, request_):
    found = read_reply(reply, request_)
    if isinstance(found, Completion):
        found.text.encode()
        assert found.finish_reason in ("stop", "length")
        assert found.prompt_tokens >= 1
        assert found.completion_tokens >= 1
    else:
        assert isinstance(found, Fault)


@given(st.text(st.characters(codec=None)))
def test_half_characters_become_replacement_marks_and_all_else_stays(text):
    reply = json.dumps({"choices": [{"text": f"a{text}", "finish_reason": "stop"}]}).encode()
    found = read_reply(decode(reply), ASKED).text
    assert found == f"a{text}".encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_tokens_are_estimated_from_bytes():
    assert estimated_tokens("") == 1
    assert estimated_tokens("x" * 350) == 100
    assert estimated_tokens("数" * 70) == 60  # three bytes each
