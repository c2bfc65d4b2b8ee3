"""The report as sections of blocks, rendered as Markdown and as one HTML file that needs no net."""

import json
from collections.abc import Sequence
from html import escape

import msgspec

from distill.evaluation.skin import SCRIPT, STYLE
from distill.evaluation.tables import markdown_table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class Text(msgspec.Struct, frozen=True):
    """A paragraph. `tone` is "" for plain, "lead" for a finding, "note" for small print."""

    text: str
    tone: str = ""


class Table(msgspec.Struct, frozen=True):
    """A table of text; its first `words` columns are aligned left, the numbers after them right."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""
    words: int = 1


class Chart(msgspec.Struct, frozen=True):
    """A figure as inline SVG; Markdown gets its caption only."""

    svg: str
    caption: str


class Browser(msgspec.Struct, frozen=True):
    """The browser of completions; Markdown gets its caption only."""

    traces: Sequence["ShownTrace"]
    caption: str


class ShownTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One completion in the browser, with its fate."""

    id: str
    source: str  # "teacher trace", or the row it was evaluated in
    reason: str  # why it is kept or dropped, right or wrong
    good: bool  # kept, or right
    family: str
    detail: str
    prompt: str
    completion: str
    tokens: int
    answer: str
    reference: str


Block = Text | Table | Chart | Browser


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


def render_markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The report as Markdown: figures and the browser are named, not drawn."""
    parts = [f"# {title}", subtitle]
    for section in sections:
        parts.append(f"## {section.title}")
        parts.extend(_markdown(block) for block in section.blocks)
    return "\n\n".join(parts) + "\n"


def render_html(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The report as one file: no address is fetched, and completions are never read as HTML."""
    body = [f"<h1>{escape(title)}</h1>", f'<p class="muted">{escape(subtitle)}</p>']
    for section in sections:
        body.append(f"<section>\n<h2>{escape(section.title)}</h2>")
        body.extend(_html(block) for block in section.blocks)
        body.append("</section>")
    inner = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{inner}\n</body>\n</html>\n"
    )


def script_json(traces: Sequence[ShownTrace]) -> str:
    """JSON that may stand in a script element: it cannot end it or open a comment."""
    return json.dumps(msgspec.to_builtins(list(traces)), ensure_ascii=True).replace("<", "\\u003c")


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        return f"**{block.text}**" if block.tone == "lead" else block.text
    if isinstance(block, Table):
        table = markdown_table(block.header, block.lines)
        return f"{table}\n\n{block.note}" if block.note else table
    return f"*{block.caption} (drawn in report.html)*"


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return f'<p class="{escape(block.tone)}">{escape(block.text)}</p>'
    if isinstance(block, Table):
        return _html_table(block)
    if isinstance(block, Chart):
        return f"<figure>{block.svg}<figcaption>{escape(block.caption)}</figcaption></figure>"
    return _html_browser(block)


def _html_table(table: Table) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=text' if at < table.words else ''}>{escape(str(cell))}</{tag}>"
            for at, cell in enumerate(cells)
        )

    rows = "\n".join(f"<tr>{line('td', cells)}</tr>" for cells in table.lines)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll"><table><thead><tr>{line("th", table.header)}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _html_browser(browser: Browser) -> str:
    selects = "".join(
        f'<label>{key}<select id="by-{key}"></select></label>'
        for key in ("source", "reason", "family")
    )
    return (
        f'<p class="note">{escape(browser.caption)}</p>\n<div class="controls">{selects}'
        '<label>text<input id="by-text" type="search" placeholder="in prompt or completion">'
        '</label><span id="found" class="muted"></span></div>\n<div id="list"></div>\n'
        '<button id="more" type="button" hidden>show more</button>\n'
        f'<script type="application/json" id="traces">{script_json(browser.traces)}</script>\n'
        f"<script>{SCRIPT}</script>"
    )
