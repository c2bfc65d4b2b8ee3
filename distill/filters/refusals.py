"""Texts that are no answer: what an API says when it fails, and what a model says to decline.

A refusal is told by where it stands (at the start or the end of the thought or of the answer) and
by its words; the word sorry in a story about apples is neither.
"""

import re
from collections.abc import Iterator, Sequence

EDGE_CHARS = 400  # looked at from each end of the thought and of the answer
SHORT_CHARS = 600  # an error message is not longer, or starts with what it is

_ERROR_START = re.compile(
    r"\s*(?:"
    r"<!doctype html|<html\b|<head>|<\?xml|<title>"
    r"|\{\s*[\"'](?:error|errors|detail|message|code|status_?code|object|type)[\"']\s*:\s*"
    r"(?:[\"'{\[]|[45]\d\d)[^\n]{0,200}(?:error|limit|invalid|denied|quota|timeout|overload|exceed)"
    r"|(?:http(?:/[\d.]+)?|error|status)(?: ?code| status)?\s*:?\s*[45]\d\d\b"
    r"|[45]\d\d (?:bad (?:request|gateway)|unauthorized|forbidden|not found|too many requests"
    r"|internal server error|service unavailable|gateway time-?out)"
    r"|traceback \(most recent call last\)"
    r"|\W{0,3}(?:api|internal|server|request|connection|upstream|openai|network|gateway|proxy)"
    r"[ ._-]?(?:\w+[ ._-]){0,2}?(?:error|exception|failure|timeout)\b"
    r"|\W{0,3}(?:error|exception)\b\W{0,4}(?:\w+ ){0,6}"
    r"(?:api|request|server|connection|time(?:d )?out|token|model|internal|unknown|response)\b"
    r")",
    re.IGNORECASE,
)
_ERROR_TEXT = re.compile(
    r"\brate[ _-]?limit(?:s|ed)?[ _]?(?:was |is |has been |have been )?"
    r"(?:exceeded|reached|error|hit)|\btoo many requests\b|\bexceeded your current quota\b"
    r"|\binsufficient[_ ](?:quota|balance)\b|\bcontext[_ ]length[_ ]exceeded\b"
    r"|\bmaximum context length is \d|\b(?:internal server error|bad gateway|gateway time-?out)\b"
    r"|\bservice (?:is )?(?:temporarily )?unavailable\b|\bupstream (?:connect|request) "
    r"(?:error|timeout)"
    r"|\bthe (?:server|model|engine) "
    r"(?:had an error|is (?:currently |temporarily )?(?:overloaded|busy))"
    r"|\b(?:server|service|system) is busy\b|\bconnection (?:reset by peer|refused|timed out)\b"
    r"|\brequest (?:timed out|was (?:blocked|rejected|aborted)|failed with status)\b"
    r"|\binvalid[_ ]api[_ ]key\b|\bincorrect api key\b|\bcontent[_ ]filter(?:ed|ing)?\b"
    r"|\b(?:response|output|content|prompt) (?:was|has been|is) "
    r"(?:filtered|blocked|flagged|removed)\b"
    r"|\bcontent (?:management )?policy\b|\bcontent exists risk\b"
    r"|\bsafety (?:system|filter|policy)\b"
    r"|\bviolates? (?:our|the|its) (?:\w+ ){0,3}(?:polic(?:y|ies)|guidelines|terms)\b"
    r"|服务器繁忙|请求过于频繁|内容(?:存在|包含)?(?:风险|违规)|网络(?:错误|异常)",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"(?:\A|[.!?\n:]\s*|\*\*)(?:"
    r"(?:(?:i['’]?m|i am|we['’]?re|we are) (?:very |so |really |truly |deeply )?(?:sorry|afraid)"
    r"|(?:sorry|apologies|unfortunately|regrettably|my apologies)|i apologi[sz]e)"
    r"[^.\n]{0,40}?\bi(?:['’]m| am)? ?(?:can ?not|can['’]?t|could ?n['’]?o?t|won['’]t"
    r"|will not|(?:not |un)able to|must decline|have to decline|do not|don['’]t) "
    r"(?:be able to )?(?:\w+ly )?(?:assist|help(?! but)|comply|fulfil|answer|provide|continue"
    r"|discuss|generate|create|process|engage|respond|access|complete"
    r"|(?:solve|do) (?:this|that|your|the) )"
    r"|i (?:can ?not|can['’]?t|won['’]t|will not|am (?:not |un)able to|must decline to) "
    r"(?:assist|help (?:you )?(?:with|out)(?! but)|comply|fulfil|engage|answer (?:this|that|your)"
    r"|process (?:this|that|your)|provide (?:assistance|help|an answer|that information)"
    r"|respond to (?:this|that|your)|continue (?:with )?(?:this|that|the conversation))"
    r"|i (?:must|have to|need to) (?:politely )?(?:decline|refuse)\b"
    r"|(?:lo siento|lo lamento|désolée?|je suis désolée?|es tut mir leid|desculpe|mi dispiace"
    r"|извините|к сожалению)[^.\n]{0,20}"
    r"\b(?:no puedo|je ne peux|ich kann|não posso|non posso|я не могу)"
    r"|(?:很|非常|十分)?(?:抱歉|对不起|遗憾)[^。\n]{0,10}(?:无法|不能|没办法)|申し訳[^。\n]{0,12}(?:できません|お答え)"
    r")",
    re.IGNORECASE,
)
_DECLINE_STEMS = (  # every text that declines has one of them
    "sorry", "afraid", "apolog", "unfortunate", "regret", "assist", "help", "comply", "fulfil",
    "engage", "answer th", "answer your", "process th", "process your", "provide", "respond",
    "continue", "decline", "refuse", "siento", "lamento", "désol", "tut mir", "desculpe",
    "dispiace", "извините", "сожалению", "抱歉", "对不起", "遗憾", "申し訳",
)  # fmt: skip
_ERROR_STEMS = (
    "limit", "error", "requests", "quota", "balance", "context", "gateway", "available", "upstream",
    "overload", "busy", "connection", "request", "api", "filter", "block", "flagged", "removed",
    "policy", "safety", "violate", "exists risk", "服务器", "请求", "内容", "网络",
)  # fmt: skip
_MODEL_SPEAKS = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language|language)(?:[ -](?:language )?"
    r"(?:model|assistant|chatbot))?,? i\b|\bas an? (?:ai|large)? ?language model\b"
    r"|\bi(?:['’]m| am) (?:just |only )?an? (?:ai|large|artificial)[ -](?:language |intelligence )?"
    r"(?:model|assistant)\b|作为一(?:个|名)(?:AI|人工智能|语言模型|大语言模型)",
    re.IGNORECASE,
)
_MODEL_SIGNS = ("language model", "an AI", "an ai", "an artificial", "作为一", "AI model")


def refusal(thought: str, answer: str, question: str) -> str | None:
    """The words in which a text declines, or reports an error, in place of an answer; or None.

    Args:
        thought: the thought without its tags; may be empty.
        answer: what follows it; all of a text without a thought.
        question: what it says itself is no refusal.
    """
    asked = question.casefold()
    for part in (answer, thought):
        for found in _signs(part.strip()):
            if found.casefold() not in asked:
                return " ".join(found.split())
    return None


def _signs(text: str) -> Iterator[str]:
    """Words of failing APIs and declining models, in the places where they say so."""
    if (start := _ERROR_START.match(text[:EDGE_CHARS])) is not None:
        yield start[0]
    last_line = text if len(text) <= SHORT_CHARS else text[-EDGE_CHARS:].rpartition("\n")[2]
    yield from _found(_ERROR_TEXT, last_line, _ERROR_STEMS)
    if "\\boxed{" not in text:
        for edge in (text[:EDGE_CHARS], text[EDGE_CHARS:][-EDGE_CHARS:]):
            yield from _found(_DECLINES, edge, _DECLINE_STEMS)
    if any(sign in text for sign in _MODEL_SIGNS):
        yield from _found(_MODEL_SPEAKS, text)


def _found(pattern: re.Pattern[str], text: str, stems: Sequence[str] = ("",)) -> Iterator[str]:
    """What the pattern finds first, in a text that has one of the stems: cheap for all others."""
    plain = text.casefold()
    if any(stem in plain for stem in stems) and (found := pattern.search(text)) is not None:
        yield found[0].strip(" .!?\n:*")
