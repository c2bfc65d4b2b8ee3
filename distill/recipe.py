"""The recipe: one frozen struct per section."""

from typing import Annotated, Any, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]
NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

ALGEBRA_SECONDS = 3.0  # deadline of one comparison that needs algebra
GYM = "reasoning-gym:"  # a source of problems that is no file


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: unknown keys and wrong types are refused."""


class Problems(Section):
    """Which problems are asked. A path to JSONL or Parquet, or `reasoning-gym:name?key=value`."""

    train: str  # the teacher writes traces for these
    rl: str  # GRPO asks these
    limit: Positive | None = None  # first N problems of `train`
    rl_limit: Positive | None = None  # first N problems of `rl`


class Vllm(Section):
    """vLLM in process; names and meanings are its own."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # auto: float32 on a CPU
    max_model_len: Positive | None = None  # None takes the model's own
    tensor_parallel_size: Positive = 1
    quantization: str | None = None
    gpu_memory_utilization: Share = 0.9
    enable_prefix_caching: bool = True
    enforce_eager: bool | None = None  # None: true on a CPU, where compiling gains nothing
    cpu_kv_cache_gb: Positive = 2  # on a CPU


class Server(Section):
    """An OpenAI-compatible endpoint. No key is ever written here: it comes from the environment."""

    url: str  # up to and including /v1
    key_variable: str | None = None  # environment variable that holds the key; None sends none
    max_in_flight: Positive = 64  # requests
    request_seconds: PositiveFloat = 1800.0  # of one attempt, from sending to the last byte
    attempts: Positive = 6  # of one request, the first included
    total_seconds: PositiveFloat = 7200.0  # of one request, all its attempts and waits together
    max_reply_mb: PositiveFloat = 2.0  # a longer reply is cut off and recorded as too large
    send_seed: bool = True  # some endpoints refuse the key
    extra_body: dict[str, Any] = {}  # added to every request as written


class RayCluster(Section):
    """Ray Data: actors on many machines, each with an engine of its own."""

    engine: Literal["transformers", "vllm"] = "transformers"
    actors: Positive = 1
    cpus_per_actor: PositiveFloat = 1.0
    gpus_per_actor: NonNegativeFloat = 0.0
    address: str | None = None  # "auto" or "ray://host:10001"; None starts Ray on this machine


class Price(Section):
    """What sampling costs, in US dollars."""

    usd_per_million_in: NonNegativeFloat = 0.0  # prompt tokens
    usd_per_million_out: NonNegativeFloat = 0.0  # completion tokens
    usd_per_hour: NonNegativeFloat = 0.0  # of the machines, while they sample


class Adaptive(Section):
    """Which problems deserve another try. In all no more tries than fixed N would take."""

    needed: Positive | None = None  # kept traces of a problem; None takes filter.keep_per_problem
    max_completions_per_problem: Positive = 64
    completions_per_kept: PositiveFloat = 16.0  # worth paying for one more; above it, given up
    speculation: Share = 0.5  # tries of a problem at once, as a share of those it has had
    least_further_worth: Share = 0.5  # of a solved problem's next try, beside kept traces so far
    truncated_tries: Positive = 2  # all cut by the limit: given up, or asked with a longer one
    longer_max_tokens: Positive | None = None  # that longer limit


class Sample(Section):
    """The teacher writes traces."""

    teacher: str  # folder or org/model@revision; for a server, its name of the model
    engine: Literal["transformers", "vllm", "server", "ray"] = "transformers"
    prompt: str = "r1-zero"
    completions_per_problem: Positive = 4  # with `adaptive`, on average and at most
    temperature: NonNegativeFloat = 1.0
    top_p: Share = 1.0
    max_tokens: Positive = 256
    batch_size: Positive = 256  # rows that the engine keeps decoding at once
    adaptive: Adaptive | None = None  # None: the same number of tries for every problem
    max_tokens_total: Positive | None = None  # prompt and completion tokens of the whole run
    max_usd: PositiveFloat | None = None
    max_hours: PositiveFloat | None = None  # spent sampling, over all sessions
    max_failed_share: Share = 0.01  # of requests that brought nothing, before the run stops
    price: Price = Price()
    vllm: Vllm = Vllm()
    server: Server | None = None
    ray: RayCluster = RayCluster()


class MathPolicy(Section):
    """What could be decided either way when two answers are compared."""

    unordered_lists: bool = True  # "1, 2" is "2, 1"; tuples, intervals and words keep their order
    percent_is_share: bool = True  # "50%" is "0.5" as well as "50"
    ignore_missing_units: bool = True  # "5" is "5 cm"; units that are both there must agree
    ignore_names: bool = True  # "x = 5" is "5", "x \\in [0, 1]" is "[0, 1]"; "x = 5" is not "y = 5"
    inequality_is_interval: bool = True  # "x > 2" is "(2, \\infty)"
    plus_minus_is_pair: bool = True  # "\\pm 2" is "2, -2"
    vector_is_tuple: bool = True  # a matrix of one row or column with 1 and 2 is "(1, 2)"
    ignore_case: bool = True  # of words: "Saturday" is "saturday"
    rounded_digits: Positive | None = 6  # "0.333333" is "1/3", "1.41421" is "\\sqrt{2}"
    relative_tolerance: NonNegativeFloat = 0.0  # 0.01: "9.9" is "10"; of the reference's size
    absolute_tolerance: NonNegativeFloat = 0.0  # 0.1: "4.1" is "4.2"


class Judge(Section):
    """A language model as the last resort: what it says is kept beside the verdict."""

    model: str  # folder or org/model@revision
    engine: Literal["transformers"] = "transformers"
    ask: Literal["undecided", "not_right", "all"] = "undecided"  # which traces it is asked about
    max_tokens: Positive = 512
    batch_size: Positive = 64


class Verify(Section):
    """Is each trace right."""

    timeout_seconds: PositiveFloat = (
        ALGEBRA_SECONDS  # of algebra; a worker that starts again comes on top
    )
    workers: Positive = 1
    policy: MathPolicy = MathPolicy()
    judge: Judge | None = None
    program_seconds: PositiveFloat = 6.0  # CPU time of a program for one test
    program_memory_mb: Positive = 1024
    allow_unsafe_code: bool = False  # run programs where the machine cannot isolate them


class FilterCase(Section):
    """A text and what must become of it: tried before the filter runs."""

    completion: str
    reason: str  # "kept" or the code of a readability check
    question: str = ""


class Filter(Section):
    """Which traces to learn from. null turns a check off."""

    accept: Literal["none", "rule", "judge", "or", "and"] = "rule"  # whose word makes it right
    drop_verdicts: tuple[Literal["unverified", "truncated", "no_answer", "wrong"], ...] = (
        "unverified",
        "truncated",
        "no_answer",
        "wrong",
    )
    require_think: bool = True
    allow_unclosed_think: bool = False
    allow_doubled_think: bool = False
    require_final_answer: bool = True
    allow_answer_in_thought: bool = False  # boxed inside the thought and not after it
    max_foreign_share: Share | None = 0.001  # letters outside the question's scripts
    max_other_language_share: Share | None = 0.003  # words of another language in its script
    max_repeated_share: Share | None = 0.5  # words that loops say again, worst 500 in a row
    max_paragraph_chars: Positive | None = 2000  # of prose, formulas and tables aside
    allow_code_blocks: bool = False  # where the question asks for code they are always allowed
    allow_refusals: bool = False
    forbid: tuple[str, ...] = ()
    cases: tuple[FilterCase, ...] = ()
    drop_duplicates: bool = True
    near_duplicate_similarity: Share | None = 0.5  # of 5-word shingles; unrelated traces reach 0.2
    overlap_ngram: Positive | None = 10  # words shared with a test question or its solution
    overlap_char_ngram: Positive | None = 20  # the same in characters, without spaces in between
    min_pass_rate: Share | None = None  # difficulty window: share of a problem's right traces
    max_pass_rate: Share | None = None
    keep_per_problem: Positive | None = 4
    keep: Literal["first", "shortest", "median", "random", "diverse"] = "first"
    keep_per_family: Positive | None = None


class Sft(Section):
    """The student learns from the kept traces."""

    base: str
    prompt: str = "r1-zero"
    adapter: Literal["none", "lora"] = "none"
    rank: Positive = 16
    learning_rate: PositiveFloat = 1.0e-4
    epochs: PositiveFloat = 2.0
    batch_size: Positive = 32
    max_length: Positive = 512
    warmup_share: Share = 0.03
    save_every_steps: Positive = 50
    trl: dict[str, Any] = {}  # passed to trl's SFTConfig as written


class GrpoRun(Section):
    """One run of GRPO: where it starts and what it is rewarded for."""

    start_from: str  # "base", "sft", or a folder or org/model@revision
    reward: Literal["rule", "random"] = "rule"
    steps: Positive | None = None  # None takes grpo.steps


class Grpo(Section):
    """The R1-Zero stage."""

    runs: dict[str, GrpoRun] = msgspec.field(
        default_factory=lambda: {"r1_zero": GrpoRun(start_from="base")}
    )
    prompt: str = "r1-zero"
    prompts_per_step: Positive = 32
    group_size: Annotated[int, msgspec.Meta(ge=2)] = 8
    steps: Positive = 100
    learning_rate: PositiveFloat = 1.0e-6
    final_learning_rate_share: Share = 1.0  # the rate falls linearly to this share of itself
    warmup_steps: NonNegative = 0
    clip_epsilon: PositiveFloat = 0.2
    clip_epsilon_high: PositiveFloat | None = None  # None takes clip_epsilon
    kl_weight: NonNegativeFloat = 0.0
    updates_per_step: Positive = 1  # optimizer steps per batch of rollouts
    micro_batch_tokens: Positive = 16384  # most padded tokens in one forward pass
    temperature: PositiveFloat = 1.0
    max_tokens: Positive = 256
    format_reward: NonNegativeFloat = 0.1
    max_grad_norm: PositiveFloat = 1.0
    save_every_steps: Positive = 20


class Evaluate(Section):
    """How good is each row."""

    test_sets: dict[str, str]
    limit: Positive | None = None  # first N problems of each test set
    completions_per_problem: Positive = 4
    k: Positive = 4  # of cons@k and pass@k
    temperature: NonNegativeFloat = 1.0
    top_p: Share = 1.0
    max_tokens: Positive = 256
    batch_size: Positive = 256
    bootstrap_resamples: Positive = 2000


class Recipe(Section):
    """A whole experiment."""

    name: str
    problems: Problems
    sample: Sample
    sft: Sft
    evaluate: Evaluate
    verify: Verify = Verify()
    filter: Filter = Filter()
    grpo: Grpo = Grpo()
    seed: NonNegative = 17
    threads: Positive | None = None  # CPU threads of torch; None takes the cores of this machine
