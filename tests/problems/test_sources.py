"""Problems from files and generators: the same every time, refused with a way out."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from reasoning_gym.factory import get_score_answer_fn

from distill.errors import RecipeError, RecordError
from distill.problems.sources import load_problems, question_hash

SUMS = "reasoning-gym:chain_sum?size=20&seed=7&min_terms=3&max_terms=4"


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def row(number=1, **changes):
    return {"problem_id": f"p{number}", "question": f"{number} + 1 =", "reference": "2"} | changes


def test_generated_problems_are_the_same_every_time_and_obey_their_settings():
    problems = load_problems(SUMS)
    assert problems == load_problems(SUMS)
    terms = {len(json.loads(p.gym_entry)["metadata"]["expression"].split()) for p in problems}
    assert terms == {5, 7}  # 3 or 4 numbers with the signs between them
    assert len({problem.problem_id for problem in problems}) == 20


def test_a_generated_problem_carries_what_its_scorer_needs():
    score = get_score_answer_fn("chain_sum")
    for problem in load_problems(SUMS, limit=5):
        entry = json.loads(problem.gym_entry)
        assert score(problem.reference, entry) == 1.0
        assert score(str(int(problem.reference) + 1), entry) < 1.0
        assert (problem.verifier, problem.family) == ("reasoning-gym", "chain_sum")


def test_a_limit_takes_the_first():
    assert load_problems(SUMS, limit=3) == load_problems(SUMS)[:3]


def test_repeated_questions_are_passed_over():
    digits = load_problems(
        "reasoning-gym:chain_sum?size=10&seed=1&min_terms=1&max_terms=1&max_digits=1"
    )
    assert sorted(int(problem.reference) for problem in digits) == list(range(10))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("reasoning-gym:chain_smu?seed=1", "did you mean 'chain_sum'"),
        ("reasoning-gym:chain_sum?seed=1&min_term=3", "did you mean 'min_terms'"),
        ("reasoning-gym:chain_sum?size=9", "has no seed"),
        ("reasoning-gym:chain_sum?seed=1&min_terms=x", "min_terms is 'x'; expected int"),
        ("reasoning-gym:chain_sum?seed=1&min_terms=9", "max_terms must be >= min_terms"),
        ("reasoning-gym:gcd?seed=1&size=0", "size is 0"),
        ("reasoning-gym:gcd?seed=1&seed=2", "given twice"),
        (
            "reasoning-gym:chain_sum?size=11&seed=1&min_terms=1&max_terms=1&max_digits=1",
            "only 10 distinct",
        ),
        ("nowhere.jsonl", "no such file"),
        ("pyproject.toml", "is not .jsonl or .parquet"),
        ("x.jsonl?questoin=q", "did you mean 'question'"),
    ],
)
def test_a_source_that_cannot_be_obeyed_is_refused(source, says):
    with pytest.raises(RecipeError, match=says.replace("(", r"\(")):
        load_problems(source)


def test_jsonl_and_parquet_hold_the_same_problems(tmp_path):
    rows = [row(number) for number in range(5)]
    jsonl = write_jsonl(tmp_path / "p.jsonl", rows)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "p.parquet")
    assert load_problems(jsonl) == load_problems(str(tmp_path / "p.parquet"))
    assert (
        load_problems("p.jsonl", limit=2, recipe_path=tmp_path / "recipe.yaml")[1].reference == "2"
    )


def test_rows_of_another_shape_are_mapped(tmp_path):
    path = write_jsonl(tmp_path / "g.jsonl", [{"q": "1 + 1 =", "gold": 2}])
    (problem,) = load_problems(f"{path}?question=q&reference=gold&source=GSM8K%20(MIT)")
    assert (problem.question, problem.reference, problem.source) == ("1 + 1 =", "2", "GSM8K (MIT)")
    assert problem.problem_id.startswith("g-")
    with pytest.raises(RecordError, match=r"line 1: .*write g.jsonl\?question=problem&reference"):
        load_problems(write_jsonl(tmp_path / "g.jsonl", [{"problem": "1 + 1 =", "answer": "2"}]))


def test_a_row_of_question_and_reference_is_a_problem(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "1 + 1 =", "reference": "2"}\n')
    (problem,) = load_problems(str(path))
    assert (problem.question, problem.reference) == ("1 + 1 =", "2")
    assert problem.problem_id == f"own-{question_hash('1 + 1 =')}"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([row(), row()], "line 2: problem_id 'p1' was used before"),
        ([row(), row(2, reference=3)], r"line 2: Expected `str`, got `int` - at `\$.reference`"),
        ([row(question=" ")], "line 1: question is empty"),
        ([row(extra=1)], "line 1: Object contains unknown field `extra`"),
        ([{"prompt": "q", "ans": 1}], r"write p\.jsonl\?question=prompt&reference=FIELD .*ans"),
        ([], "has no problems"),
        (["text"], "line 1: is a str; expected a record"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, bad, says):
    with pytest.raises(RecordError, match=says):
        load_problems(write_jsonl(tmp_path / "p.jsonl", bad))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"problem_id": "\xff', "line 2: is not UTF-8 at byte 17"),
        (b'{"problem_id": "p2', "line 2: is not whole JSON"),
        (
            b'{"problem_id": "p2", "question": "\\ud800", "reference": "2"}',
            "line 2: holds half a character",
        ),
    ],
)
def test_a_line_that_is_no_json_or_cannot_be_stored_is_named(tmp_path, line, says):
    path = tmp_path / "p.jsonl"
    path.write_bytes(json.dumps(row()).encode() + b"\n" + line)
    with pytest.raises(RecordError, match=says):
        load_problems(str(path))
