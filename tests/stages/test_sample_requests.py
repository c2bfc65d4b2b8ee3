"""From an ask to a request, from its completion to a trace; a server's chat among them."""

import msgspec
import pytest

from distill.chat import R1_ZERO, render_prompt
from distill.engines.replies import merged
from distill.engines.transformers import load_engine
from distill.errors import RecipeError
from distill.filters.chain import checks_of, examine
from distill.recipe import Evaluate, Filter, Problems, Recipe, Sample, Server, Sft
from distill.records import Completion, Problem, Trace
from distill.runlog import derived_seed
from distill.sampling.policy import Ask
from distill.stages.sample_requests import Teacher
from distill.stages.verify import asked
from distill.training.examples import fit_completion
from distill.verifiers.verdict import Verifier

QUESTION = " How many legs do 2 dogs have? {x} "
PROBLEM = Problem(problem_id="a#b", question=QUESTION, reference="8")


class Nobody:
    """An engine without a tokenizer, as a server's."""

    name, tokenizer, in_waves = "server vllm", None, False


def recipe(**section):
    return Recipe(
        name="test",
        problems=Problems(train="train.jsonl", rl="rl.jsonl"),
        sample=Sample(teacher="org/teacher", server=Server(url="http://localhost/v1"), **section),
        sft=Sft(base="org/base"),
        evaluate=Evaluate(test_sets={"test": "test.jsonl"}),
    )


def written(text, **section):
    """The trace of a completion."""
    teacher = Teacher(recipe(**section), Nobody(), [PROBLEM])
    ask = Ask(0, 3, 100)
    completion = Completion(
        text=text, finish_reason="stop", prompt_tokens=7, completion_tokens=9, seconds=1.23456
    )
    return teacher.trace(ask, teacher.request(ask), completion, 0.5)


REQUESTS = [  # engine, prompt, what is sent, is it a message
    ("server", "chat", QUESTION.strip(), True),
    ("server", "boxed", QUESTION.strip() + "\nPlease reason step by step, and put", True),
    ("server", "plain", f"User: {QUESTION.strip()}\nAssistant:", False),
    ("server", "r1-zero", R1_ZERO.replace("{question}", QUESTION.strip()), False),
    ("vllm", "plain", f"User: {QUESTION.strip()}\nAssistant:", False),
]


@pytest.mark.parametrize(("engine", "prompt", "text", "is_chat"), REQUESTS)
def test_only_a_servers_chat_is_sent_as_a_message(engine, prompt, text, is_chat):
    teacher = Teacher(recipe(engine=engine, prompt=prompt), Nobody(), [PROBLEM])
    request = teacher.request(Ask(0, 3, 100))
    assert request.prompt.startswith(text)
    assert (request.is_chat, request.max_tokens, request.key) == (is_chat, 100, "a#b#3")
    assert request.seed == derived_seed(17, "sample", "a#b", 3)


def test_a_chat_without_a_template_is_refused_where_there_is_no_server(tiny_model):
    engine = load_engine(str(tiny_model), device="cpu")
    with pytest.raises(RecipeError, match="needs a chat template"):
        Teacher(recipe(engine="transformers", prompt="chat"), engine, [PROBLEM])


def test_each_way_of_asking_has_a_hash_of_its_own():
    asked_as = [("server", prompt) for prompt in ("chat", "boxed", "plain", "r1-zero")]
    found = {
        written("x", engine=engine, prompt=prompt).origin.prompt_template
        for engine, prompt in [*asked_as, ("ray", "plain")]
    }
    assert len(found) == 4  # the plain prompt is the same on every engine


def test_a_trace_has_what_the_completion_told():
    trace = written("4 + 4 = 8", engine="server", prompt="plain", temperature=0.5, top_p=0.9)
    assert (trace.problem_id, trace.index, trace.trace_id) == ("a#b", 3, "a#b#3")
    assert (trace.prompt_tokens, trace.completion_tokens) == (7, 9)
    assert (trace.seconds, trace.usd) == (1.235, 0.5)
    assert (trace.origin.engine, trace.origin.weights) == ("server vllm", "")
    assert (trace.origin.temperature, trace.origin.top_p, trace.origin.max_tokens) == (
        0.5,
        0.9,
        100,
    )
    assert trace.prompt == render_prompt(QUESTION, prompt="plain")


THOUGHT = "2 * 4 = 8. Check: 8 / 4 = 2, which is right."
ANSWER = "It is \\boxed{8}."
REPLIES = [(THOUGHT, ANSWER), (None, f"{THOUGHT}\n</think>\n\n{ANSWER}")]


@pytest.mark.parametrize(("reasoning", "content"), REPLIES)
def test_a_servers_thought_is_whole_for_verifier_filter_and_student(reasoning, content):
    trace = written(merged(reasoning, content), engine="server", prompt="chat")
    assert trace.completion.count("<think>") == trace.completion.count("</think>") == 1
    with Verifier() as verifier:
        assert verifier.verify(*asked(trace, {"a#b": PROBLEM})).correct
    assert examine(QUESTION, trace.completion, checks_of(Filter())).drops == ()
    opens = "<|user|>How many?<|assistant|><think>\n"
    for student_prompt in ("User: How many?\nAssistant:", opens):
        learned = student_prompt + fit_completion(
            trace.completion, teacher_prompt=trace.prompt, student_prompt=student_prompt
        )
        assert learned.count("<think>") == 1
        assert THOUGHT in learned


def test_a_trace_keeps_its_origin_when_it_is_stored():
    trace = written("4 + 4 = 8", engine="server", prompt="chat")
    assert msgspec.json.decode(msgspec.json.encode(trace), type=Trace) == trace
