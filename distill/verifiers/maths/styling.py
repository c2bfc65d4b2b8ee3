"""LaTeX that only moves ink: fonts, sizes, colours, spaces, labels, layouts of one value."""

import re

MAX_LAYOUTS = 8  # one after the other or inside each other


def without_ink(text: str) -> str:
    """The formula without what changes only how it looks; "\\cancel{3}" is no such thing."""
    text = _without_unseen(text)
    if "{" in text:
        text = _SPACED_SIGN.sub(_bare_sign, text)
    text = _SPACE.sub(" ", _LOOK.sub("", text))
    if "\\begin" in text:
        text = _without_layouts(text)
    if _ENDED.search(text):
        text = _TOMBSTONE.sub("", text)
    return _FOLLOWS.sub("", text)


# --- commands whose argument is not seen, or is no part of the formula ------------------------

_UNSEEN = re.compile(
    r"\\(?:[hv]?phantom|tag\*?|label|require|[hv]space\s*\*?|color|textcolor|colorbox|raisebox"
    r"|rule\s*\{[^{}]{0,40}\}|fcolorbox\s*(?:\[[^\[\]]{0,20}\])?\s*\{[^{}]{0,40}\})(?![a-zA-Z])"
    r"\s*(?:\[[^\[\]]{0,20}\])?\s*"
)


def _without_unseen(text: str) -> str:
    """Without \\phantom{...}, \\tag{...}, the colour of \\textcolor{...}{...}."""
    if not _UNSEEN.search(text):
        return text
    kept, at = [], 0
    while match := _UNSEEN.search(text, at):
        kept.append(text[at : match.start()])
        at = _argument_end(text, match.end())
    return "".join([*kept, text[at:]])


def _argument_end(text: str, start: int) -> int:
    """Where the TeX argument ends that starts here: a group, a command or one character."""
    if text[start : start + 1] == "\\":
        return _NAME.match(text, start).end()
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth <= 0:
            return at + (text[at] != "}" or at > start)
    return len(text)


_NAME = re.compile(r"\\(?:[a-zA-Z]+|.?)", re.DOTALL)

# --- commands that dress what follows ---------------------------------------------------------

_SPACED_SIGN = re.compile(
    r"\\math(?:bin|rel|ord|punct|op|open|close)\s*\{\s*([-+*/=<>:,.|!]|\\[a-zA-Z]+)\s*\}"
)


def _bare_sign(match: re.Match[str]) -> str:
    return f"{match[1]} " if match[1].startswith("\\") else match[1]


_LOOK = re.compile(
    r"\\(?:left|right)\s*\.|\\left\s*\\(?:\{|lbrace)\s*(?=\\begin)|"
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|(?:display|text|script|scriptscript)style|"
    r"(?:no)?limits|math(?:bf|cal|scr|sf|bin|rel|ord|punct|op|open|close|inner|tt|normal|strut)|"
    r"bold(?:symbol|math)|b[fm]|rm|it|sf|tt|sc|em|pmb|(?:bf|it|rm|sf|tt|sc)(?:series|shape|family)|"
    r"normalfont|tiny|(?:script|footnote|normal)size|small|[lL]arge|LARGE|[hH]uge|"
    r"boxed|fbox|framebox|bbox\s*(?:\[[^\[\]]{0,40}\])?|underline|"
    r"smash\s*(?:\[[a-z]\])?|ensuremath|(?:under|over)brace(?=\s*\{[^{}]*\}\s*(?![\s_^]))|"
    r"strut|null|relax|noindent|centering|protect|nonumber|notag|checkmark|"
    r"nobreak|allowbreak|neg(?:thin|med|thick)space|hfill?)(?![a-zA-Z])|(?<!\\)\\!|"
    r"\\(?:[hm]skip|m?kern)\s*-?[\d.]{1,8}\s*(?:em|ex|pt|mu|cm|mm|in|px)(?![a-z])\s?"
)
_SPACE = re.compile(
    r"(?<!\\)\\[,;:> ]|(?<!\\)\\(?:q?quad|en(?:space|skip)|(?:thin|med|thick|nobreak)?space)"
    r"(?![a-zA-Z])|~|\\newline(?![a-z])"
)
_ENDED = re.compile(r"\\(?:qed|black|square|Box)")
_TOMBSTONE = re.compile(
    r"(?<=[^\s=])\s*\\(?:qed(?:here|symbol)?|blacksquare|square|Box)\s*(?:\{\s*\})?[\s$.]*$"
)
_FOLLOWS = re.compile(
    r"^[\s$]*(?:\\(?:therefore|implies|Rightarrow|Longrightarrow|rightarrow|to)(?![a-zA-Z])\s*)+"
)

# --- layouts ----------------------------------------------------------------------------------

_LAYOUT = re.compile(
    r"\\begin\s*\{\s*((?:equation|displaymath|math|center|align(?:ed|at)?|gather(?:ed)?|multline"
    r"|split|flushleft|array)\*?)\s*\}\s*(?:\[[a-z]\])?(.*?)\\end\s*\{\s*\1\s*\}",
    re.DOTALL,
)
_COLUMNS = re.compile(r"\s*\{[\s\dlcr|]*\}")
_RELATIONS = r"(?:[=<>]|\\(?:le|ge|ne|leq|geq|neq|approx|equiv|in)(?![a-zA-Z]))"
_ALIGNED_AT = re.compile(rf"(?:^|\\\\)\s*&+|&+\s*(?={_RELATIONS})|(?<==)\s*&")
_ROW_END = re.compile(r"\\\\\s*(?:\[[^\[\]]{0,12}\])?")
_CONTINUES = re.compile(rf"\s*{_RELATIONS}")


def _without_layouts(text: str) -> str:
    """Rows of one alignment as a list, or as one chain where a row goes on with "= 42"."""
    for _ in range(MAX_LAYOUTS):
        changed = _LAYOUT.sub(_laid_out, text)
        if changed == text:
            break
        text = changed
    return text


def _laid_out(match: re.Match[str]) -> str:
    name, body = match[1], match[2]
    if name.startswith(("array", "alignat")) and (columns := _COLUMNS.match(body)):
        body = body[columns.end() :]
    body = body.replace("\\hline", "")
    aligned = _ALIGNED_AT.sub(lambda mark: "\\\\ " if "\\" in mark[0] else " ", body)
    rows = [row.strip(" \n,;") for row in _ROW_END.split(aligned)]
    rows = [row for row in rows if row]
    if not _are_lines(rows) or (len(rows) > 1 and name.startswith("array") and "&" not in body):
        return match[0]
    return rows[0] + "".join(f" {row}" if _CONTINUES.match(row) else f", {row}" for row in rows[1:])


def _are_lines(rows: list[str]) -> bool:
    """Are they formulas one below the other, not cells of a table or branches of a function?"""
    if not rows or any("&" in row for row in rows):
        return False
    return len(rows) == 1 or not any("," in row for row in rows)
