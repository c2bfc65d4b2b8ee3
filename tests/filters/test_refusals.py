"""Refusals and error texts, and stories in which somebody is sorry."""

import pytest

from distill.filters.refusals import refusal

QUESTION = "Sam is sorry that he broke 3 of 12 cups. How many are left?"

REFUSALS = [
    "I'm sorry, but I can't assist with that request.",
    "I’m sorry, but I can’t help with that.",
    "I am sorry, but I cannot provide an answer to this question.",
    "Sorry, I am unable to continue this conversation.",
    "I apologize, but I cannot fulfill this request.",
    "I cannot assist with that.",
    "I must decline to answer.",
    "As an AI language model, I do not have access to that.",
    "I'm just an AI model and have no opinion.",
    "很抱歉，我无法回答这个问题。",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    '{"error": {"message": "Rate limit reached for requests", "code": 429}}',
    "{'error': {'code': 500, 'message': 'internal error'}}",
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>",
    "<html>\n<body>nginx</body></html>",
    "429 Too Many Requests",
    "HTTP 503: please retry",
    "Error code: 400 - invalid",
    "rate limit exceeded, retry in 20 s",
    "You exceeded your current quota, please check your plan.",
    "The server is currently overloaded with other requests.",
    "Internal Server Error",
    "openai.APITimeoutError: Request timed out.",
    "Error: connection reset by peer",
    "Traceback (most recent call last):\n  File",
    "The response was filtered due to the content management policy.",
    "Content Exists Risk",
    "服务器繁忙，请稍后再试。",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_and_error_texts_are_found_in_place_of_an_answer(text):
    assert refusal("", text, QUESTION) is not None
    assert refusal("12 - 3 = 9, easy.", f"\n{text}", QUESTION) is not None
    assert refusal(text, "", QUESTION) is not None


@pytest.mark.parametrize(
    "text",
    [
        "Sam is sorry. 12 - 3 = 9, so 9 cups are left.",
        "'I'm sorry,' said Sam, 'I can't find the last cup.' So there are \\boxed{9}.",
        "Sorry, I made a mistake there: 12 - 3 is 9, not 8.",
        "Unfortunately, we cannot solve this equation exactly, so I use Newton's method: 9.",
        "I'm sorry, I cannot help but notice that the sum is 9.",
        "The error limit is 5%, so the server makes at most 400 errors in 8000 requests.",
        "The type I error is 0.05.\nError: 0.05 - 0.01 = 0.04",
        "The rate is limited: at 3 cups per day it takes 4 days.",
        "He cannot provide more than 3 cups, so she needs 9 from elsewhere.",
        "We have 502 apples and 429 pears, 931 in all.",
        "The HTML page has 12 lines; 3 are broken, so 9 are left.",
        "Status: 9 cups left.",
        "A connection of two lines, a request for 3 cups.",
        "",
    ],
)
def test_what_is_an_answer(text):
    assert refusal("", text, QUESTION) is None
    assert refusal(text, "So 9 cups are left.", QUESTION) is None


def test_an_error_that_cuts_a_long_text_off_is_found():
    thought = "Then 12 - 3 = 9, and that is that.\n" * 200
    assert refusal(f"{thought}[rate limit exceeded]", "", QUESTION) is not None
    assert refusal(f"a rate limit exceeded by 3\n{thought}", "It is 9.", QUESTION) is None


def test_what_the_question_says_is_no_refusal():
    question = "A server answers 'rate limit exceeded' to 3 of 12 requests. How many get through?"
    assert refusal("", "Rate limit exceeded came 3 times, so 9 get through.", question) is None
