"""The examination: every reason of a text, the same from any number of processes, in order."""

import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import WorkerError
from distill.filters import chain
from distill.filters.chain import Subject, checks_of, examine, examine_all
from distill.filters.decisions import decide
from distill.filters.findings import Known
from distill.problems.contamination import Contamination
from distill.recipe import Filter
from distill.records import DropReason, Problem

ENGLISH = "How many legs do 2 dogs have?"
STEPS = "\n".join(f"Step {n}: {n} plus {n + 3} makes {2 * n + 3}, good." for n in range(30))
GOOD = f"<think>{STEPS}</think>The answer is \\boxed{{8}}."


def subjects(completions, sound=True):
    return [
        Subject(Known(trace_id=f"p#{n}", problem="p", index=n), ENGLISH, text, sound)
        for n, text in enumerate(completions)
    ]


def found(completions, processes=1, **keys):
    checks = checks_of(Filter(**keys))
    return list(examine_all(subjects(completions), checks, processes=processes))


def test_all_reasons_of_a_text_are_found_in_their_order():
    text = "<think>" + "两只狗有八条腿，所以答案是八。\n" * 80 + "```\nx\n```\n</think>"
    drops = examine(ENGLISH, text, checks_of(Filter(forbid=("两只",)))).drops
    reasons = [drop.reason for drop in drops]
    assert {
        DropReason.NO_FINAL_ANSWER,
        DropReason.LANGUAGE_MIX,
        DropReason.REPETITION,
        DropReason.CODE_BLOCK,
        DropReason.FORBIDDEN,
    } <= set(reasons)
    assert reasons == sorted(reasons, key=list(DropReason).index)
    assert examine(ENGLISH, GOOD, checks_of(Filter())).drops == ()


def test_only_what_may_be_kept_is_compared_with_others_unless_all_is():
    checks = checks_of(Filter())
    sound = examine(ENGLISH, GOOD, checks)
    assert (len(sound.digest), len(sound.signature)) == (16, 128)
    dropped = examine(ENGLISH, GOOD, checks, is_sound=False)
    assert (dropped.digest, dropped.signature) == (b"", b"")
    assert examine(ENGLISH, GOOD, checks._replace(compare_all=True), is_sound=False) == sound
    off = checks_of(Filter(drop_duplicates=False, near_duplicate_similarity=None))
    assert examine(ENGLISH, GOOD, off)[2:] == (b"", b"")
    diverse = checks_of(Filter(keep="diverse", near_duplicate_similarity=None))
    assert examine(ENGLISH, GOOD, diverse).signature == sound.signature


def test_the_findings_are_the_same_from_any_number_of_processes(monkeypatch):
    monkeypatch.setattr(chain, "FEW_CHARS", 0)
    texts = [GOOD.replace("Step 1:", f"Step {n} of all:") + "是" * (n % 3) for n in range(40)]
    one, three = found(texts), found(texts, processes=3)
    assert one == three
    assert [finding.known.trace_id for finding in one] == [f"p#{n}" for n in range(40)]
    words = [chain_word() for _ in texts]
    fates = [decide(part, words, Filter(), overlaps={}, seed=1) for part in (one, three)]
    assert fates[0] == fates[1]


def chain_word():
    from distill.filters.decisions import Word

    return Word(True, ())


def test_what_is_quoted_from_a_test_set_is_found_in_other_processes_too(monkeypatch):
    monkeypatch.setattr(chain, "FEW_CHARS", 0)
    question = " ".join(f"a long and quite unusual question with part {n}," for n in range(9))
    test = Problem(problem_id="t1", question=question, reference="8")
    index = Contamination({"test": [test]}, word_ngram=10, char_ngram=20)
    texts = [GOOD, GOOD.replace("</think>", f"{question}</think>")]
    checks = checks_of(Filter(), overlap=index.find_in_completion)
    clean, quoting = examine_all(subjects(texts), checks, processes=2)
    assert clean.examined.overlap is None
    assert quoting.examined.overlap[:2] == ("test", "t1")


def test_a_small_lot_starts_no_process(monkeypatch):
    def no_process(*args, **kwargs):
        raise AssertionError("a process was started")

    monkeypatch.setattr("distill.crew.subprocess.Popen", no_process)
    assert len(found([GOOD] * 5, processes=8)) == 5
    with pytest.raises((AssertionError, WorkerError)):
        found(["x" * chain.FEW_CHARS], processes=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os')._exit(3)", "trace 'p#1': .* ended with code 3, .* use fewer processes"),
        ("1 / 0", "trace 'p#1': .* raised ZeroDivisionError: .* fault of the filter"),
    ],
)
def test_a_text_that_cannot_be_examined_stops_all_by_its_name(text, message, monkeypatch):
    monkeypatch.setattr(chain, "FEW_CHARS", 0)
    checks = checks_of(Filter(), overlap=eval)  # stands for a check that fails
    with pytest.raises(WorkerError, match=message):
        list(examine_all(subjects(["None", text, "None"]), checks, processes=2))


def test_texts_are_not_held(monkeypatch):
    monkeypatch.setattr(chain, "FEW_CHARS", 40_000)
    off = dict.fromkeys(
        ("max_other_language_share", "max_foreign_share", "near_duplicate_similarity"), None
    )

    def stream(count):
        for n in range(count):
            text = GOOD + f" {n}" + " z" * 5000
            yield Subject(Known(trace_id=str(n), problem="p"), ENGLISH, text)

    def peak(count):
        tracemalloc.start()
        kept = list(examine_all(stream(count), checks_of(Filter(**off)), processes=1))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, len(kept)

    few, many = peak(20)[0], peak(200)[0]
    assert many - few < 180 * 2000  # the texts are 11 kB each


@given(st.text(max_size=300), st.text(max_size=60))
def test_any_text_is_examined_and_can_be_sent(completion, question):
    examined = examine(question, completion, checks_of(Filter()))
    assert pickle.loads(pickle.dumps(examined)) == examined
