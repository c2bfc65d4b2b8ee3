"""Prompts as models see them, and R1-Zero's format rule."""

import pytest
from tokenizers.processors import TemplateProcessing

from distill.chat import count_reflective, has_format, opened, render_prompt, user_message
from distill.errors import RecipeError
from distill.mini.tokenizer import build_tokenizer


@pytest.mark.parametrize(
    ("completion", "expected", "why"),
    [
        ("<think>1 + 1 = 2</think><answer>2</answer>", True, "one think block, then the answer"),
        (" <think>a</think> The answer is \\boxed{2}", True, "any answer after the block"),
        ("<answer>2</answer>", False, "no thought"),
        ("<think>a</think>", False, "no answer"),
        ("<think>a</think>  \n", False, "an empty answer"),
        ("<think>a<answer>2</answer>", False, "never closed"),
        ("So <think>a</think>2", False, "text before the block"),
        ("<think>a</think><think>b</think>2", False, "two blocks"),
        ("</think>a<think>2", False, "closed before it is opened"),
    ],
)
def test_the_format_rule(completion, expected, why):
    assert has_format(completion) is expected, why


def test_r1_zero_is_the_papers_paragraph_with_the_question_in_its_place():
    text = render_prompt(" 1 + {x}? \n", prompt="r1-zero")
    assert text.startswith("A conversation between User and Assistant.")
    assert text.endswith("User: 1 + {x}? Assistant:")


def test_a_tokenizer_that_starts_every_text_starts_a_plain_prompt_too():
    tokenizer = build_tokenizer()
    assert render_prompt("1", prompt="plain", tokenizer=tokenizer) == "User: 1\nAssistant:"
    tokenizer.add_special_tokens({"bos_token": "<|start|>"})
    assert render_prompt("1", prompt="plain", tokenizer=tokenizer).startswith("User:")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|start|> $A", special_tokens=[("<|start|>", tokenizer.bos_token_id)]
    )
    text = render_prompt("1", prompt="plain", tokenizer=tokenizer)
    assert text == "<|start|>User: 1\nAssistant:"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1


def test_a_chat_prompt_needs_a_chat_template():
    tokenizer = build_tokenizer()
    with pytest.raises(RecipeError, match="chat template"):
        render_prompt("1", prompt="boxed", tokenizer=tokenizer)
    tokenizer.chat_template = "{% for m in messages %}[{{ m.content }}]{% endfor %}>"
    text = render_prompt("1 + 1", prompt="boxed", tokenizer=tokenizer)
    assert text.startswith("[1 + 1\n")
    assert text.endswith("\\boxed{}.]>")


def test_reflective_words_are_whole_words():
    assert count_reflective("Wait, wait. Checking is not a check, nor waiting.") == 3


def test_a_think_tag_opened_by_the_prompt_belongs_to_the_completion():
    assert opened("Assistant: <think>\n", "so</think>8") == "<think>so</think>8"
    assert opened("Assistant:", "<think>so</think>8") == "<think>so</think>8"
    assert opened("answer in <think> tags", "8") == "8"


def test_a_users_message_is_what_the_template_would_get():
    assert user_message(" 1 + {1}? ", prompt="chat") == "1 + {1}?"
    boxed = user_message("1 + {1}?", prompt="boxed")
    assert boxed.startswith("1 + {1}?\nPlease reason step by step")
    assert boxed.endswith("within \\boxed{}.")
