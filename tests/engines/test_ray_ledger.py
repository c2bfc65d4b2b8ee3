from hypothesis import given
from hypothesis import strategies as st

from distill.engines.base import Request
from distill.engines.ray_ledger import MOST_DEATHS, Ledger
from distill.engines.ray_roster import Roster
from distill.records import Completion, Failure, FailureReason

ANSWER = Completion(text="x", finish_reason="stop", prompt_tokens=1, completion_tokens=1)


def requests(*numbers):
    return [Request(str(number), "?", number, 8) for number in numbers]


def keys(handed):
    return [request.key for request in handed]


def told(results):
    return [(request.key, getattr(result, "reason", "answer")) for request, result in results]


def test_requests_go_out_in_order_and_what_a_lost_one_held_goes_first():
    ledger = Ledger()
    ledger.add(requests(1, 2, 3, 4, 5))
    assert keys(ledger.hand_out("a", 2)) == ["1", "2"]
    assert keys(ledger.hand_out("b", 1)) == ["3"]
    assert told(ledger.ended("a", "1", ANSWER)) == [("1", "answer")]
    assert ledger.lost("a") == []
    assert ledger.waiting == 3
    assert keys(ledger.hand_out("b", 9)) == ["2", "4", "5"]


def test_who_answers_first_is_heard_and_the_other_need_not_go_on():
    ledger = Ledger()
    ledger.add(requests(1))
    ledger.hand_out("a", 1)
    ledger.lost("a")
    ledger.hand_out("b", 1)
    assert told(ledger.ended("a", "1", ANSWER)) == [("1", "answer")]
    assert ledger.to_drop("b") == ["1"]
    assert ledger.ended("b", "1", ANSWER) == []


def test_what_waits_is_withdrawn_at_once_and_what_is_under_way_by_its_actor():
    ledger = Ledger()
    ledger.add(requests(1, 2))
    ledger.hand_out("a", 1)
    assert told(ledger.withdraw(["1", "2", "unknown"])) == [("2", FailureReason.WITHDRAWN)]
    assert ledger.to_drop("a") == ["1"]
    assert ledger.to_drop("a") == []
    assert told(ledger.lost("a")) == [("1", FailureReason.WITHDRAWN)]
    assert ledger.hand_out("b", 9) == []


def test_a_request_that_is_lost_again_and_again_is_given_up():
    ledger = Ledger()
    ledger.add(requests(1))
    for life in range(MOST_DEATHS - 1):
        ledger.hand_out(str(life), 1)
        assert ledger.lost(str(life)) == []
    ledger.hand_out("last", 1)
    ((request, failure),) = ledger.lost("last")
    assert request.key == "1"
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.attempts) == (FailureReason.SERVER_ERROR, MOST_DEATHS)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["add", "hand out", "end", "withdraw", "lose"]),
        st.integers(0, 3),
        st.integers(0, 30),
    ),
    max_size=80,
)


@given(EVENTS)
def test_whatever_happens_each_request_ends_once_and_is_with_one_actor(events):
    ledger, added, ended, held = Ledger(), 0, [], {}
    for event, actor, number in events:
        life, results = f"life{actor}", []
        if event == "add":
            ledger.add(requests(*range(added, added + actor)))
            added += actor
        elif event == "hand out":
            for request in ledger.hand_out(life, actor + 1):
                assert not any(request.key in others for others in held.values())
                held.setdefault(life, set()).add(request.key)
        elif event == "end":
            results = ledger.ended(life, str(number), ANSWER)  # also of others, as if long lost
        elif event == "withdraw":
            results = ledger.withdraw([str(number)])
        else:
            results = ledger.lost(life)
            held.pop(life, None)
        ended += [request.key for request, _ in results]
        for mine in held.values():
            mine.difference_update(ended)
    for life in list(held):
        ended += [request.key for request, _ in ledger.lost(life)]
    while rest := ledger.hand_out("last", 3):
        ended += [
            request.key for one in rest for request, _ in ledger.ended("last", one.key, ANSWER)
        ]
    assert sorted(ended, key=int) == [str(number) for number in range(added)]


def test_a_shard_that_dies_again_and_again_without_a_result_is_hopeless():
    roster = Roster()
    for life in ("a", "b"):
        roster.enter(0, life)
        roster.last_words(0, "RuntimeError: no kernel image")
        roster.die(0)
    assert roster.standing().error == ""
    roster.enter(0, "c")
    roster.die(0)
    assert "died 3 times in a row" in roster.standing().error
    assert "no kernel image" in roster.standing().error


def test_a_shard_that_answers_between_its_deaths_goes_on():
    roster = Roster()
    for life in range(20):
        roster.enter(0, str(life))
        roster.opened(str(life), "vllm 1")
        if life % 2:
            roster.bore_fruit(0)
        roster.die(0)
    assert (roster.standing().error, roster.standing().deaths, roster.open) == ("", 20, 0)


def test_nodes_with_different_versions_are_refused():
    roster = Roster()
    roster.opened("a", "vllm 1")
    roster.opened("b", "vllm 2")
    assert "different engines (vllm 1, vllm 2)" in roster.standing().error
