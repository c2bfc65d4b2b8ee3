"""The mini world's tokenizer: bytes, plus one token for each word and phrase of its language."""

from reasoning_gym.arithmetic.leg_counting import ANIMALS
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from distill.chat import R1_ZERO

PAD, END = "<|pad|>", "<|end|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
QUESTION_WORDS = (
    "State the final answer to the following arithmetic problem: ",
    "Solve the following multiplication: ",
    ". Give only the result as your final answer.",
    "Your task is to count how many legs there are in total when given a list of animals.\n\n"
    "Now, how many legs are there in total if you have ",
)
CHAIN_WORDS = (
    *(" + ", " - ", " * ", " = ", ", ", ": ", ". ", "\n\n", "00"),
    *("Let me work through this step by step.", "Let me see", "First", "Then", "Now", "Next"),
    *("So far ", "so ", "So ", "the total is ", "the answer is ", "legs", "Total"),
    *("Wait, ", "Check: ", "that is not ", "that is right", "let me check that again", "Good"),
    *("Hmm, ", "I made a slip", "again", "\\boxed{", "The answer is ", "```", "python", "print("),
    *("等等，", "让我", "检查", "一下", "所以", "答案是", "正确", "总共", "我们", "计算"),
    *("подождите", "проверим", "значит", "ответ"),
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer: any text survives a round trip, digits are single tokens.

    Words and phrases of the mini world are added tokens, R1-Zero's fixed paragraph among them, so
    that a small model's context is spent on the problem.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate([PAD, END, *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token=None))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(text, normalized=False) for text in (PAD, END)])
    head, tail = R1_ZERO.split("{question}")
    animals = sorted(ANIMALS, key=lambda name: (-len(name), name))
    words = [*TAGS, head, tail, *QUESTION_WORDS, *CHAIN_WORDS, *(f" {a}" for a in animals)]
    core.add_tokens([AddedToken(text, normalized=False) for text in words])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
