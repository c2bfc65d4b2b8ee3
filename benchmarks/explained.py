"""Rows on which the verifier and the labels disagree, each read by hand: id to the reason."""

NO_NUMBER_READ = "label wrong: no box, and upstream's grader read the last number in the text"
ONLY_IN_THOUGHT = "contested: cut off in the thought; upstream's grader read its scratch work"
ONLY_BEGUN = "contested: the thought ends, the solution after it is cut off at its start"
EXPLAINED = {
    "skyt1-math500-73": f"{NO_NUMBER_READ} (4); the text ends in 3√3/4",
    "skyt1-math500-113": f"{NO_NUMBER_READ} (definitely8000); the text ends in 8000",
    "skyt1-math500-179": f"{NO_NUMBER_READ} (0); the text ends in the reference's equation",
    "skyt1-math500-227": f"{NO_NUMBER_READ} (2); the text settles on (C)",
    "skyt1-math500-278": f"{NO_NUMBER_READ}; the text settles on 255",
    "skyt1-math500-279": f"{NO_NUMBER_READ}; the text settles on 7π",
    "skyt1-math500-313": f"{NO_NUMBER_READ} (12); the text ends in 12π inches per second",
    "skyt1-math500-338": f"{NO_NUMBER_READ} (6); the text ends in 4343_6",
    "skyt1-math500-376": f"{NO_NUMBER_READ} (-2); the text ends in (8, -2)",
    "skyt1-math500-492": f"{NO_NUMBER_READ} (-2); the text ends in y = -2x",
    "skyt1-math500-57": f"{ONLY_IN_THOUGHT}, a loop between 16 and 16√5",
    "skyt1-math500-88": f"{ONLY_IN_THOUGHT}",
    "skyt1-math500-163": f"{ONLY_IN_THOUGHT}, which it had just finished",
    "skyt1-math500-476": f"{ONLY_IN_THOUGHT}, a loop",
    "skyt1-math500-25": ONLY_BEGUN,
    "skyt1-math500-139": ONLY_BEGUN,
    "aime25-DeepSeek-R1-Distill-Qwen-32B-26": (
        "contested: the thought ends, the answer after it is cut off before it states any"
    ),
}  # read by hand, one by one; an answer that stands only in the thought is no answer here

TWO_ANSWERS = "the solution boxes two answers and the reference is only the second of them"
EXPLAINED_SOLUTIONS = {
    "math/test/333": f"{TWO_ANSWERS}; -3 is right, a note accepts 3 as well",
    "math/test/414": TWO_ANSWERS,
    "math/test/2549": TWO_ANSWERS,
    "math/test/2703": TWO_ANSWERS,
    "math/test/2716": TWO_ANSWERS,
    "math/test/2912": f"{TWO_ANSWERS}; either would do",
    "math/test/4559": TWO_ANSWERS,
    "math/test/4860": TWO_ANSWERS,
    "aime/2023-1-13": "no box; a formula for a volume comes last",
    "aime/2023-2-6": "no box; the text ends in 17/18, the reference is 17 + 18",
}
