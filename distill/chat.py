"""From a question to the exact text a model sees, and from its text back to thought and answer."""

import re

from distill.errors import RecipeError

R1_ZERO = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves "
    "it. The assistant first thinks about the reasoning process in the mind and then provides the "
    "user with the answer. The reasoning process and answer are enclosed within <think> </think> "
    "and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> "
    "<answer> answer here </answer>. User: {question} Assistant:"
)  # arXiv:2501.12948v1, Table 1

BOXED = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."

PLAIN = "User: {question}\nAssistant:"

PROMPTS = {"r1-zero": R1_ZERO, "plain": PLAIN}
CHAT_PROMPTS = {"boxed": BOXED, "chat": "{question}"}  # these go through the tokenizer's template

REFLECTIVE_WORDS = ("wait", "check")
_REFLECTIVE = re.compile(r"\b(" + "|".join(REFLECTIVE_WORDS) + r")\b", re.IGNORECASE)
_FORMAT = re.compile(r"\s*<think>(.*?)</think>\s*(\S.*)", re.DOTALL)
_TAGS = ("<think>", "</think>")
THINK_NAMES = "think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|analysis|seed:think"
THINK_MARKS = (  # how families of models open and close a thought, as patterns
    (rf"<\s?(?:{THINK_NAMES})\s?>", rf"<\s?/\s?(?:{THINK_NAMES})\s?>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    ("◁think▷", "◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    ("<unused94>", "<unused95>"),
    (r"<\|im_start\|>think(?=\n)", r"<\|im_start\|>answer(?=\n)"),
    (
        r"<\|channel\|>(?:analysis|commentary)[^<]{0,80}<\|message\|>",
        r"<\|channel\|>final[^<]{0,80}<\|message\|>",
    ),
)
BARE_THINK = ("think\n", "\nanswer\n")  # a word at the start, a word on a line of its own
OTHER_MARKS = (  # of an answer, and of the end of a turn
    r"</?answer>",
    r"<\|(?:begin|end)_of_solution\|>",
    r"<\|(?:im_end|eot_id|endoftext|end_of_text|return|end|eom_id|START_RESPONSE|END_RESPONSE)\|>",
    "<｜end▁of▁sentence｜>|</s>|<eos>|<end_of_turn>",
)


def render_prompt(question: str, *, prompt: str, tokenizer=None) -> str:
    """The exact text a model sees for a question.

    Args:
        question: the problem's text.
        prompt: a key of PROMPTS (plain text) or of CHAT_PROMPTS (the tokenizer's chat template).
        tokenizer: a transformers tokenizer; its chat template is needed for CHAT_PROMPTS, its
            start token goes before a plain prompt if it puts one before every text, as Llama 3's.
    Raises: RecipeError for an unknown name or a tokenizer without a chat template.
    """
    if prompt in PROMPTS:
        return _start(tokenizer) + PROMPTS[prompt].replace("{question}", question.strip())
    if prompt not in CHAT_PROMPTS:
        known = ", ".join([*PROMPTS, *CHAT_PROMPTS])
        raise RecipeError(f"prompt is {prompt!r}; expected one of {known}")
    if getattr(tokenizer, "chat_template", None) is None:
        raise RecipeError(
            f"prompt {prompt!r} needs a chat template, which this tokenizer lacks; "
            f"use one of {', '.join(PROMPTS)}"
        )
    messages = [{"role": "user", "content": user_message(question, prompt=prompt)}]
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def user_message(question: str, *, prompt: str) -> str:
    """What the user says in a chat, for a server that has the chat template.

    Args:
        prompt: a key of CHAT_PROMPTS.
    """
    return CHAT_PROMPTS[prompt].replace("{question}", question.strip())


def _start(tokenizer) -> str:
    """The start token as text: the engine and the trainer add none of their own."""
    start = getattr(tokenizer, "bos_token_id", None)
    if start is None or tokenizer("")["input_ids"][:1] != [start]:
        return ""
    return tokenizer.bos_token


def opened(prompt: str, completion: str) -> str:
    """The completion with the think tag that its prompt may have opened for it.

    Chat templates of R1-class models end in `<think>`: what the model adds has no opening tag, and
    without one an unfinished thought reads as an answer.
    """
    return f"<think>{completion}" if prompt.rstrip().endswith("<think>") else completion


def has_format(completion: str) -> bool:
    """R1-Zero's format rule: exactly one think block, then something that is not empty."""
    if any(completion.count(tag) != 1 for tag in _TAGS):
        return False
    return _FORMAT.fullmatch(completion) is not None


def count_reflective(completion: str, word: str | None = None) -> int:
    """How many reflective words ("wait", "check"), or of one of them, it has: the aha curve."""
    found = [match.lower() for match in _REFLECTIVE.findall(completion)]
    return len(found) if word is None else found.count(word)
