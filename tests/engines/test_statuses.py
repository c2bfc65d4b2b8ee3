"""What a status other than 200 means: wait, give this request up, or end the run."""

import pytest

from distill.engines.exchange import Answer
from distill.engines.redaction import Key
from distill.engines.replies import decode
from distill.engines.statuses import Peer, fault_of
from distill.errors import EngineError
from distill.records import FailureReason

PEER = Peer("http://h/v1", "m", Key("sk-SECRET-0123456789"), "MY_KEY", ("a", "b"))
PROMPT = "How many legs do three cats have?"


def _fault(status: int, body: bytes, headers: dict[str, str] | None = None, peer: Peer = PEER):
    return fault_of(peer, Answer(status, headers or {}, body), decode(body), PROMPT)


FAULTS = [  # status, body, reason, whether it is tried again, what is said of it
    (429, b'{"error":{"message":"slow"}}', FailureReason.RATE_LIMITED, True, "429: slow"),
    (408, b'{"error":"late"}', FailureReason.SERVER_ERROR, True, "408: late"),
    (500, b"", FailureReason.SERVER_ERROR, True, "500: no words"),
    (502, b"<style>a{}</style><b>Bad</b> gate", FailureReason.SERVER_ERROR, True, "502: Bad gate"),
    (503, b"[1, 2]", FailureReason.SERVER_ERROR, True, "503: [1, 2]"),
    (529, b'{"message":"overloaded"}', FailureReason.SERVER_ERROR, True, "529: overloaded"),
    (200, b'{"error":{"message":"m","code":429}}', FailureReason.RATE_LIMITED, True, "429: m"),
    (200, b'{"error":{"message":"m","code":"x"}}', FailureReason.SERVER_ERROR, True, "500: m"),
    (200, b'{"error":{"message":"m","code":200}}', FailureReason.SERVER_ERROR, True, "500: m"),
    (200, b'{"object":"error","message":"m"}', FailureReason.SERVER_ERROR, True, "500: m"),
    (400, b'{"detail":"too long"}', FailureReason.REFUSED, False, "400: too long"),
    (413, b"too large", FailureReason.REFUSED, False, "413: too large"),
    (422, b'{"detail":[1]}', FailureReason.REFUSED, False, '422: {"detail":[1]}'),
    (400, b"bad: " + PROMPT.encode(), FailureReason.REFUSED, False, "400: bad: [prompt]"),
    (400, b"x" * 400, FailureReason.REFUSED, False, "400: " + "x" * 300 + "..."),
]


@pytest.mark.parametrize(("status", "body", "reason", "again", "detail"), FAULTS)
def test_a_fault_of_one_request(status, body, reason, again, detail):
    fault = _fault(status, body)
    assert (fault.reason, fault.again, fault.detail) == (reason, again, detail)


ENDS = [
    (401, b'{"error":"Unauthorized"}', r"refuses us \(401: Unauthorized\).*variable MY_KEY"),
    (403, b"", "refuses us .403.*MY_KEY"),
    (402, b"", "no credit left"),
    (429, b'{"error":{"message":"q","code":"insufficient_quota"}}', "no credit left"),
    (400, b'{"error":{"message":"x","code":"model_not_found"}}', "no model 'm'.*lists a, b"),
    (400, b'{"error":{"message":"z is not a valid model ID"}}', "no model 'm'.*lists a, b"),
    (404, b'{"error":{"message":"The model `m` does not exist."}}', "no model 'm'.*lists a, b"),
    (404, b"", r"no such place.*sample\.server\.url.*sample\.teacher"),
    (302, b"", "redirects to nowhere"),
]


@pytest.mark.parametrize(("status", "body", "said"), ENDS)
def test_what_ends_the_run_says_what_to_do(status, body, said):
    with pytest.raises(EngineError, match=said):
        _fault(status, body)


def test_without_a_key_it_says_how_to_give_one():
    with pytest.raises(EngineError, match=r"name that variable in sample\.server\.key_variable"):
        _fault(401, b"", peer=PEER._replace(key=Key(""), key_variable=None))


def test_a_key_in_a_redirect_or_a_message_is_hidden():
    for status in (307, 401, 404, 400):
        try:
            told = _fault(status, b"sk-SECRET-01234", {"location": "http://x/?k=sk-SECRET-0123"})
        except EngineError as error:
            told = error
        assert "SECRET" not in str(told)
        assert "***" in str(told)


def test_a_good_answer_is_no_fault():
    assert _fault(200, b'{"choices": [], "error": null}') is None
    assert _fault(200, b"<html>") is None  # read_reply says what it is
