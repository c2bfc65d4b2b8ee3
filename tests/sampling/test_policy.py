"""Laws of the policy, whatever comes back and in whatever order."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.recipe import Adaptive
from distill.sampling.policy import Ask, Policy, Result, Settings

LIMIT = 100  # tokens
RIGHT, WRONG = Result(True, False, 40), Result(False, False, 60)
CUT = Result(False, True, LIMIT)
LONG_RIGHT = Result(True, False, 3 * LIMIT)


def adaptive(per_problem=4, needed=1, **keys):
    return Settings(
        completions_per_problem=per_problem,
        needed=needed,
        max_tokens=LIMIT,
        adaptive=Adaptive(**keys),
    )


def fixed(per_problem=4):
    return Settings(completions_per_problem=per_problem, needed=None, max_tokens=LIMIT)


def answer(policy, ask, result):
    policy.told(ask.problem, ask.index, result)


WAYS = st.builds(
    adaptive,
    per_problem=st.integers(1, 6),
    needed=st.integers(1, 4),
    max_completions_per_problem=st.integers(1, 12),
    completions_per_kept=st.sampled_from([1.0, 4.0, 16.0, 200.0]),
    speculation=st.sampled_from([0.0, 0.3, 1.0]),
    truncated_tries=st.integers(1, 3),
    longer_max_tokens=st.sampled_from([None, 4 * LIMIT]),
) | st.builds(fixed, per_problem=st.integers(1, 5))


class Play:
    """A run with whatever may happen to it, and what it was told."""

    def __init__(self, way, problems, rng, *, troubles=True):
        self.way, self.problems, self.rng, self.troubles = way, problems, rng, troubles
        self.groups = [rng.randrange(3) for _ in range(problems)]
        self.rates = [rng.choice([0.0, 0.1, 0.5, 0.95]) for _ in range(problems)]
        self.policy = Policy(problems, way, self.groups)
        self.under_way: list[Ask] = []
        self.asked: list[Ask] = []
        self.told: dict[tuple[int, int], Result] = {}
        self.failed: set[tuple[int, int]] = set()
        self.back: set[tuple[int, int]] = set()
        self.forgone: dict[int, str] = {}

    def step(self):
        """Ask, or let one of many things happen; False once all is over."""
        if not self.under_way or self.rng.random() < 0.4:
            asks = self.ask(self.rng.randrange(1, 9))
            return bool(asks or self.under_way)
        ask = self.under_way.pop(self.rng.randrange(len(self.under_way)))
        self.end(ask)
        if self.troubles and self.rng.random() < 0.02:
            problem = self.rng.randrange(self.problems)
            self.forgone[problem] = "test_overlap"
            self.policy.forgo(problem, "test_overlap")
        return True

    def ask(self, room):
        before = self.state()
        asks = self.policy.next(room)
        assert len(asks) <= room
        for ask in asks:
            self.check(ask, before)
        self.under_way += asks
        self.asked += asks
        return asks

    def end(self, ask):
        key, chance = (ask.problem, ask.index), self.rng.random()
        if self.troubles and chance < 0.05:
            self.failed.add(key)
            self.policy.failed(*key)
        elif self.troubles and chance < 0.15:
            self.back.add(key)
            self.policy.requeue(*key)
        else:
            self.told[key] = self.result(ask)
            self.policy.told(*key, self.told[key])

    def result(self, ask):
        length = self.rng.choice([30, 60, 90, 150])
        if length >= ask.max_tokens:
            return Result(False, True, ask.max_tokens)
        return Result(self.rng.random() < self.rates[ask.problem], False, length)

    def state(self):
        tried, kept, under = Counter(), Counter(), Counter()
        for (problem, _), result in self.told.items():
            tried[problem] += 1
            kept[problem] += result.kept
        for ask in self.under_way:
            under[ask.problem] += 1
        return tried, kept, under, Counter(problem for problem, _ in self.failed)

    def check(self, ask, before):
        """What holds for every single ask."""
        tried, kept, under, failed = before
        key, problem = (ask.problem, ask.index), ask.problem
        assert key not in self.told
        assert key not in self.failed
        assert all(key != (other.problem, other.index) for other in self.under_way)
        assert problem not in self.forgone
        under[problem] += 1
        spent = tried.total() + failed.total() + under.total()
        assert spent <= self.way.completions_per_problem * self.problems
        rules = self.way.adaptive
        if rules is None:
            assert ask.index < self.way.completions_per_problem
            return
        mine = tried[problem] + failed[problem]
        assert kept[problem] < self.way.needed
        assert mine + under[problem] <= rules.max_completions_per_problem
        most = max(1, self.way.needed - kept[problem]) + math.ceil(rules.speculation * mine)
        assert under[problem] <= most

    def restored(self):
        """Another policy, told the same in another order."""
        policy = Policy(self.problems, self.way, self.groups)
        tellings = [(policy.told, (*key, result)) for key, result in self.told.items()]
        tellings += [(policy.failed, key) for key in self.failed]
        tellings += [(policy.forgo, item) for item in self.forgone.items()]
        tellings += [(policy.started, (ask.problem, ask.index)) for ask in self.under_way]
        self.rng.shuffle(tellings)
        for tell, arguments in tellings:
            tell(*arguments)
        return policy


@settings(max_examples=150, deadline=None)
@given(way=WAYS, problems=st.integers(1, 12), seed=st.integers(0, 10**6), steps=st.integers(1, 200))
def test_a_policy_told_the_same_in_any_order_goes_on_the_same(way, problems, seed, steps):
    play = Play(way, problems, random.Random(seed))
    for _ in range(steps):
        if not play.step():
            break
    other = play.restored()
    assert other.standing() == play.policy.standing()
    assert other.finished == play.policy.finished
    for room in (1, 3, 50):
        assert other.next(room) == play.policy.next(room)


@settings(max_examples=150, deadline=None)
@given(way=WAYS, problems=st.integers(0, 12), seed=st.integers(0, 10**6))
def test_every_run_comes_to_an_end_and_never_waits_for_nothing(way, problems, seed):
    play = Play(way, problems, random.Random(seed))
    while not play.policy.finished:
        if not play.under_way:
            assert play.ask(1), "not finished, nothing under way, and nothing to ask"
        play.step()
    standing = play.policy.standing()
    assert play.policy.next(100) == []
    assert standing.under_way == 0
    assert standing.expected_left == 0
    assert standing.done + sum(standing.given_up.values()) == problems
    assert standing.tried == len(play.told)


@settings(max_examples=60, deadline=None)
@given(way=WAYS, problems=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_without_trouble_indices_are_dense(way, problems, seed):
    play = Play(way, problems, random.Random(seed), troubles=False)
    while play.step():
        pass
    for problem in range(problems):
        indices = sorted(index for at, index in play.told if at == problem)
        assert indices == list(range(len(indices)))
        assert indices, "every problem is tried"


@settings(max_examples=60, deadline=None)
@given(per=st.integers(1, 5), problems=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_fixed_asks_everything_exactly_once_in_order(per, problems, seed):
    rng = random.Random(seed)
    policy = Policy(problems, fixed(per))
    asked = []
    while asks := policy.next(rng.randrange(1, 7)):
        asked += asks
        for ask in asks:
            answer(policy, ask, rng.choice([RIGHT, WRONG, CUT]))
    assert asked == [Ask(at, index, LIMIT) for at in range(problems) for index in range(per)]
    assert policy.standing().done == problems
    assert policy.finished


def test_fixed_fills_the_gaps_that_a_store_has():
    policy = Policy(2, fixed(3))
    policy.told(0, 1, RIGHT)
    policy.told(1, 5, RIGHT)  # of a run with more tries
    assert [ask[:2] for ask in policy.next(9)] == [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_what_was_not_made_is_asked_again_first():
    policy = Policy(3, fixed(2))
    asks = policy.next(4)
    policy.requeue(*asks[1][:2])
    assert [ask[:2] for ask in policy.next(2)] == [(0, 1), (2, 0)]


def test_a_withdrawn_try_is_asked_again_only_if_its_problem_needs_it():
    policy = Policy(1, adaptive(needed=1, speculation=1.0, completions_per_kept=64.0))
    answer(policy, policy.next(1)[0], WRONG)
    first, second = policy.next(9)
    answer(policy, first, RIGHT)
    assert policy.unwanted() == [second[:2]]
    assert policy.unwanted() == []
    policy.requeue(*second[:2])
    assert policy.finished
    again = Policy(1, adaptive(needed=1))
    ask = again.next(1)[0]
    again.requeue(*ask[:2])
    assert again.next(5) == [ask]


def test_no_try_is_named_unwanted_twice():
    policy = Policy(1, adaptive(9, needed=1))
    for index in range(3):
        policy.started(0, index)
    policy.told(0, 0, RIGHT)
    assert policy.unwanted() == [(0, 1), (0, 2)]
    policy.told(0, 1, RIGHT)  # it was just there
    assert policy.unwanted() == []


def test_what_is_given_back_waits_for_its_place_in_the_order():
    policy = Policy(3, fixed(1))
    policy.started(2, 0)
    policy.requeue(2, 0)
    assert [ask.problem for ask in policy.next(3)] == [0, 1, 2]


def test_telling_twice_changes_nothing():
    policy = Policy(2, adaptive())
    policy.told(0, 0, RIGHT)
    before = policy.standing()
    policy.told(0, 0, WRONG)
    policy.failed(0, 0)
    policy.requeue(0, 0)
    policy.started(0, 0)
    assert policy.standing() == before


def test_never_tried_problems_come_first_and_in_order():
    policy = Policy(5, adaptive(needed=4))
    answer(policy, policy.next(1)[0], RIGHT)
    assert [ask.problem for ask in policy.next(4)] == [1, 2, 3, 4]


def test_unsolved_problems_of_the_better_family_come_first():
    groups = [0, 1] * 10
    policy = Policy(20, adaptive(), groups)
    for ask in policy.next(20):
        right = ask.problem % 2 == 1 and ask.problem != 19
        answer(policy, ask, RIGHT if right else WRONG)
    assert policy.next(1)[0].problem == 19


def test_of_equal_chances_the_shorter_comes_first():
    policy = Policy(3, adaptive())
    for ask, tokens in zip(policy.next(3), (90, 30, 60), strict=True):
        answer(policy, ask, Result(False, False, tokens))
    assert [ask.problem for ask in policy.next(3)] == [1, 2, 0]


def test_of_equal_problems_that_of_the_shorter_family_comes_first():
    # family 0 begins with a short answer, most of its answers are long
    tokens = {0: [10, 50, 90, 90, 90, 90], 1: [50] * 6}
    policy = Policy(12, adaptive(), [at % 2 for at in range(12)])
    for _ in range(12):
        ask = policy.next(1)[0]
        place, family = divmod(ask.problem, 2)
        answer(policy, ask, Result(place != 1, False, tokens[family][place]))
    assert [ask.problem for ask in policy.next(2)] == [3, 2]


def test_no_second_try_beside_one_that_will_likely_do():
    policy = Policy(30, adaptive(needed=1, speculation=0.5))
    for ask in policy.next(30):
        answer(policy, ask, RIGHT if ask.problem else WRONG)
    assert [ask.problem for ask in policy.next(9)] == [0]
    doubtful = Policy(30, adaptive(needed=1, speculation=0.5))
    for ask in doubtful.next(30):
        answer(doubtful, ask, WRONG if ask.problem % 3 else RIGHT)
    counts = Counter(ask.problem for ask in doubtful.next(99))
    assert set(counts.values()) == {2}


def test_what_the_solved_leave_goes_to_the_unsolved():
    # 3 problems of 2 tries each: two are solved at once, so the third may have 4 of the 6
    policy = Policy(3, adaptive(2, speculation=0.0, completions_per_kept=1000.0))
    counts = Counter()
    while asks := policy.next(3):
        for ask in asks:
            counts[ask.problem] += 1
            answer(policy, ask, WRONG if ask.problem == 2 else RIGHT)
    assert counts == {0: 1, 1: 1, 2: 4}
    assert policy.standing().given_up == {"pool": 1}


def test_a_solved_problem_does_not_eat_the_tries_of_an_unsolved_one():
    # each has 3 tries of its own; problem 0 needs more than that and is the better one
    policy = Policy(2, adaptive(3, needed=4, speculation=0.0, completions_per_kept=1000.0))
    counts = Counter()
    while asks := policy.next(1):
        counts[asks[0].problem] += 1
        answer(policy, asks[0], WRONG if asks[0].problem else RIGHT)
    assert counts == {0: 3, 1: 3}


@pytest.mark.parametrize(
    ("keys", "results", "reason"),
    [
        ({"completions_per_kept": 2.0}, [WRONG] * 30, "unlikely"),
        ({"max_completions_per_problem": 3}, [WRONG] * 3, "tries"),
        ({"truncated_tries": 2}, [CUT] * 2, "truncated"),
        ({"truncated_tries": 2, "longer_max_tokens": 300}, [CUT] * 4, "truncated"),
        ({"completions_per_kept": 1000.0}, [WRONG] * 4, "pool"),
    ],
)
def test_a_problem_is_given_up_for_a_stated_reason(keys, results, reason):
    policy = Policy(1, adaptive(4, **keys))
    for result in results:
        if asks := policy.next(1):
            answer(policy, asks[0], result)
    assert policy.finished
    assert policy.standing().given_up == {reason: 1}


@pytest.mark.parametrize(("share", "given_up"), [(0.5, {"dear": 1}), (0.0, {})])
def test_a_further_trace_may_be_dearer_than_the_others_by_a_stated_factor(share, given_up):
    # 20 problems solved at once, and one that needs 8 tries for each of its two traces
    rules = {"speculation": 0.0, "completions_per_kept": 1000.0, "least_further_worth": share}
    way = adaptive(16, needed=2, **rules)
    policy, tried = Policy(21, way, [0] * 20 + [1]), Counter()
    while asks := policy.next(1):
        problem = asks[0].problem
        tried[problem] += 1
        answer(policy, asks[0], WRONG if problem == 20 and tried[problem] % 8 else RIGHT)
    assert policy.standing().given_up == given_up
    assert tried[20] == (8 if given_up else 16)


def test_a_problem_whose_requests_bring_nothing_is_given_up():
    policy = Policy(1, adaptive(9))
    for _ in range(2):
        policy.failed(*policy.next(1)[0][:2])
    assert policy.finished
    assert policy.standing().given_up == {"failed": 1}


def test_a_forgone_problem_is_never_asked_and_keeps_its_own_reason():
    policy = Policy(3, adaptive(needed=1))
    ask = policy.next(1)[0]
    policy.forgo(0, "test_overlap")
    policy.forgo(1, "test_overlap")
    assert policy.unwanted() == [ask[:2]]
    assert [ask.problem for ask in policy.next(9)] == [2]
    assert policy.standing().given_up == {"test_overlap": 2}


def test_cut_answers_get_the_longer_limit_only_after_the_stated_tries():
    way = adaptive(9, needed=2, truncated_tries=2, longer_max_tokens=4 * LIMIT, speculation=0.0)
    policy = Policy(1, way)
    limits = []
    for result in (CUT, CUT, LONG_RIGHT, LONG_RIGHT):
        ask = policy.next(1)[0]
        limits.append(ask.max_tokens)
        answer(policy, ask, result)
    assert limits == [LIMIT, LIMIT, 4 * LIMIT, 4 * LIMIT]
    assert policy.standing().done == 1


def test_cut_answers_tell_nothing_of_the_chance_with_a_longer_limit():
    rules = {"completions_per_kept": 6.0, "truncated_tries": 3, "speculation": 0.0}
    policy = Policy(1, adaptive(9, longer_max_tokens=4 * LIMIT, **rules))
    for _ in range(3):
        answer(policy, policy.next(1)[0], CUT)
    assert [ask.max_tokens for ask in policy.next(1)] == [4 * LIMIT]


def test_an_answer_within_the_limit_keeps_the_limit():
    policy = Policy(1, adaptive(9, truncated_tries=2, longer_max_tokens=4 * LIMIT))
    for result in (CUT, WRONG, CUT, CUT):
        ask = policy.next(1)[0]
        assert ask.max_tokens == LIMIT
        answer(policy, ask, result)


def test_the_last_rounds_of_a_hard_problem_are_few_and_little_is_wasted():
    # 40 misses before the first success: one after the other that would be 41 rounds
    way = adaptive(64, speculation=0.5, completions_per_kept=1000.0)
    policy, rounds, tried = Policy(1, way), 0, 0
    while asks := policy.next(1000):
        rounds += 1
        for ask in asks:
            tried += 1
            answer(policy, ask, RIGHT if ask.index == 40 else WRONG)
    assert rounds <= 2 + math.log(41) / math.log(1.5)
    assert tried <= 1.5 * 41 + 1


def test_without_speculation_one_needed_trace_is_asked_for_once_at_a_time():
    policy = Policy(4, adaptive(speculation=0.0))
    asks = policy.next(100)
    assert len(asks) == 4
    answer(policy, asks[0], WRONG)
    assert [ask.problem for ask in policy.next(100)] == [0]


def test_easy_problems_may_have_all_that_they_need_at_once():
    policy = Policy(30, adaptive(8, needed=4, speculation=0.0))
    for ask in policy.next(30)[:29]:
        answer(policy, ask, RIGHT)
    counts = Counter(ask.problem for ask in policy.next(1000))
    assert counts == dict.fromkeys(range(29), 3)  # problem 29 has its first under way


def test_counts_of_the_standing():
    policy = Policy(3, adaptive(needed=2))
    asks = policy.next(3)
    for ask, result in zip(asks, (RIGHT, RIGHT, WRONG), strict=True):
        answer(policy, ask, result)
    policy.told(0, 1, RIGHT)
    policy.told(0, 2, RIGHT)  # more than it needs
    standing = policy.standing()
    assert (standing.tried, standing.kept, standing.solved, standing.done) == (5, 3, 2, 1)
    assert (policy.kept, policy.solved) == (3, 2)
