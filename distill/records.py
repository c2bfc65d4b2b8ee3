"""What flows through a run: one small frozen record per step, from the problem to its score."""

from enum import StrEnum
from typing import Literal

import msgspec

FinishReason = Literal["stop", "length"]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the stored records: refuses missing keys, unknown keys and wrong types."""


class Problem(Record):
    """What is asked, with its reference answer."""

    problem_id: str
    question: str
    reference: str
    verifier: str = "math"  # a key of distill.verifiers.verdict.VERIFIERS
    family: str = ""  # kind of problem, for tables by family; for reasoning-gym its dataset name
    source: str = ""  # where the problem comes from, with its licence
    gym_entry: str = ""  # reasoning-gym's own entry as JSON: what its scorer needs
    solution: str = ""  # a worked solution: only the overlap check looks at it
    tests: str = ""  # for the verifier "code": JSON of distill.verifiers.code.programs.Tests


class Completion(Record):
    """What an engine returned for one request."""

    text: str  # without the end token, think tags included
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    token_ids: list[int] = []  # as sampled, end token included; empty where they are not told
    logprobs: list[float] = []  # natural log of each sampled token's probability, where asked for
    tokens_are_counted: bool = True  # False: nobody told the numbers, they are estimated
    seconds: float = 0.0  # from the start of its request to its end
    retried: "Failure | None" = None  # what attempts before it have cost, where they cost anything


class FailureReason(StrEnum):
    """Why a request brought no completion."""

    WITHDRAWN = "withdrawn"  # nobody wanted it any more
    RETRIED = "retried"  # attempts before the one that brought a completion
    REFUSED = "refused"  # the server will not answer this request, however often it is asked
    TOO_LARGE = "too_large"  # the reply passed the limit on its size
    BAD_REPLY = "bad_reply"  # not what the protocol promises, each time it was asked
    EMPTY = "empty"  # a well-formed reply without a completion, each time
    TIMEOUT = "timeout"  # no whole reply within the deadline, each time
    SERVER_ERROR = "server_error"  # 5xx or a broken connection, each time
    RATE_LIMITED = "rate_limited"  # each time


NO_FAILURE = (FailureReason.WITHDRAWN, FailureReason.RETRIED)  # only what they cost counts


class Failure(Record):
    """What became of a request, or of some of its attempts, that brought no completion."""

    trace_id: str  # of the trace that it would have become
    reason: FailureReason
    detail: str = ""  # what was found, without keys and prompts
    attempts: int = 1
    prompt_tokens: int = 0  # what it may have cost, as far as is known
    completion_tokens: int = 0
    seconds: float = 0.0


class Origin(Record):
    """Who wrote a trace, and how it was asked."""

    engine: str  # "vllm 0.32.0"
    weights: str  # hash of the teacher's local files; "" where it has none here
    prompt_template: str  # hash of what turned the question into the prompt
    temperature: float
    top_p: float
    max_tokens: int


class Trace(Record):
    """One completion of a teacher for one problem: written once, never edited."""

    problem_id: str
    index: int  # 0-based among this problem's completions
    prompt: str  # exact text the teacher saw; of a server's chat, the user's message
    completion: str  # raw text, <think> block included
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    teacher: str  # "path or org/model@revision"
    seed: int
    tokens_are_counted: bool = True  # False: the server told no numbers, these are estimates
    seconds: float = 0.0  # from the start of its request to its end
    usd: float = 0.0  # at the recipe's price per token
    origin: Origin | None = None  # None: of a run from before this was recorded

    @property
    def trace_id(self) -> str:
        """Key of verdicts and decisions about this trace."""
        return f"{self.problem_id}#{self.index}"


class VerdictReason(StrEnum):
    """Why a verdict is what it is; `correct` is None where nothing is known of the answer."""

    RIGHT = "right"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"  # nothing to compare: correct is False
    TRUNCATED = "truncated"  # ended by the token limit before an answer: correct is False
    TIMEOUT = "timeout"  # the verifier ran out of time: correct is None
    VERIFIER_ERROR = "verifier_error"  # the verifier crashed: correct is None
    BAD_REFERENCE = "bad_reference"  # the reference itself cannot be read: correct is None
    COMPILE_ERROR = "compile_error"  # of a program: correct is False, as for the next four
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"


class Verdict(Record):
    """Is one trace's final answer right?"""

    trace_id: str
    correct: bool | None
    reason: VerdictReason
    answer: str | None = None  # what was taken as the final answer
    route: str = ""  # which comparison decided
    seconds: float = 0.0
    detail: str = ""  # of a program: which test failed, and how it was isolated


class Judgement(Record):
    """What a language model said of one trace's final answer; kept apart from the verdict."""

    trace_id: str
    correct: bool | None  # None: its reply cannot be read
    judge: str  # "path or org/model@revision"
    reply: str  # the end of what it wrote


class DropReason(StrEnum):
    """Why a trace is kept or not, in the order in which the reasons are looked for."""

    KEPT = "kept"
    UNVERIFIED = "unverified"  # the verifier timed out or crashed: not known to be right
    TRUNCATED = "truncated"
    NO_ANSWER = "no_answer"
    WRONG = "wrong"
    MISSING_THINK = "missing_think"  # no think block
    UNCLOSED_THINK = "unclosed_think"
    DOUBLED_THINK = "doubled_think"  # more than one block, or a tag too many
    NO_FINAL_ANSWER = "no_final_answer"  # nothing is stated after the thought
    ANSWER_IN_THOUGHT = "answer_in_thought"  # boxed inside the thought, not after it
    LANGUAGE_MIX = "language_mix"  # letters of scripts that the question does not use
    OTHER_LANGUAGE = "other_language"  # the question's script, another language
    REPETITION = "repetition"
    LONG_PARAGRAPH = "long_paragraph"
    CODE_BLOCK = "code_block"
    REFUSAL = "refusal"  # an apology or an error text of an API in place of an answer
    FORBIDDEN = "forbidden"  # has a string that the recipe forbids
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    TEST_OVERLAP = "test_overlap"
    PASS_RATE = "pass_rate"  # its problem is outside the difficulty window
    SURPLUS = "surplus"  # its problem has its k traces already
    FAMILY_SURPLUS = "family_surplus"  # its family has its share already


class Decision(Record):
    """Is one trace worth learning from?"""

    trace_id: str
    kept: bool
    reason: DropReason
    detail: str = ""  # the measured value beside its threshold
    reasons: tuple[DropReason, ...] = ()  # every reason of the trace itself, `reason` the first


class Preview(Record):
    """What the filter would say of a trace, found while sampling went on.

    Looks at the trace, its verdict and exact repeats within its problem; near repeats and what
    must not be learned from are left to the filter.
    """

    trace_id: str
    kept: bool
    correct: bool | None
    reason: DropReason
    digest: str  # of the completion, to know its repeats by


class Score(Record):
    """One completion of an evaluated model for one test problem, with its verdict."""

    row: str  # row of the table: "base", "sft", "teacher", the name of a grpo run
    test_set: str
    problem_id: str
    index: int
    completion: str
    finish_reason: FinishReason
    completion_tokens: int
    correct: bool | None
    reason: VerdictReason
    answer: str | None
    has_format: bool  # one think block, then an answer
    seed: int
    family: str = ""

    @property
    def score_id(self) -> str:
        """Key in the store."""
        return f"{self.row}/{self.test_set}/{self.problem_id}#{self.index}"
