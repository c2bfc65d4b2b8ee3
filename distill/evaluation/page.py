"""The report as sections of blocks, rendered as Markdown and as one HTML file that needs no net."""

import json
from collections.abc import Sequence
from html import escape

import msgspec

from distill.evaluation.harmless import code_span, cut, printable
from distill.evaluation.skin import SCRIPT, STYLE
from distill.evaluation.tables import markdown_table, percent

_HEAT_KEY = "The stronger a cell's colour, the larger its share of its row's own count."
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
    quoted: Sequence[int] = ()  # columns with texts of others: wrapped, in Markdown as code
    brief: int | None = None  # so many lines in Markdown


class Heading(msgspec.Struct, frozen=True):
    """Opens a part of a section."""

    text: str


class HeatMap(msgspec.Struct, frozen=True):
    """Counts of two names at once, darker the larger their share of the row's own count."""

    names: Sequence[str]
    counts: Sequence[Sequence[int]]  # square; the diagonal has the count of each name
    note: str = ""  # beside how the colours are to be read


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


class Quote(msgspec.Struct, frozen=True):
    """A text that a model wrote, and what is said of it."""

    id: str
    detail: str
    text: str


class Quotes(msgspec.Struct, frozen=True):
    """Texts under one label, closed until they are asked for; Markdown names them only."""

    label: str
    summary: str
    quotes: Sequence[Quote]


Block = Text | Heading | Table | HeatMap | Chart | Quotes | Browser


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
    body = [f"<h1>{_plain(title)}</h1>", f'<p class="muted">{_plain(subtitle)}</p>']
    for section in sections:
        body.append(f"<section>\n<h2>{_plain(section.title)}</h2>")
        body.extend(_html(block) for block in section.blocks)
        body.append("</section>")
    inner = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_plain(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{inner}\n</body>\n</html>\n"
    )


def script_json(traces: Sequence[ShownTrace]) -> str:
    """JSON that may stand in a script element: it cannot end it or open a comment."""
    return json.dumps(msgspec.to_builtins(list(traces)), ensure_ascii=True).replace("<", "\\u003c")


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        return f"**{block.text}**" if block.tone == "lead" else block.text
    if isinstance(block, Heading):
        return f"### {block.text}"
    if isinstance(block, Table):
        return _markdown_table(block)
    if isinstance(block, HeatMap):
        return _noted(markdown_table(["", *block.names], _heat_lines(block)), block.note)
    if isinstance(block, Quotes):
        return f"- {block.label}, {block.summary}: {', '.join(map(_named, block.quotes))}"
    return f"*{block.caption} (drawn in report.html)*"


def _markdown_table(table: Table) -> str:
    lines = table.lines[: table.brief]
    text = markdown_table(table.header, lines, table.quoted)
    if len(lines) < len(table.lines):
        text += f"\n\n{len(table.lines) - len(lines):,} more are in report.html."
    return _noted(text, table.note)


def _named(quote: Quote) -> str:
    detail = code_span(cut(quote.detail))
    return f"{code_span(quote.id)} ({detail})" if detail else code_span(quote.id)


def _noted(text: str, note: str) -> str:
    return f"{text}\n\n{note}" if note else text


def _heat_lines(heat: HeatMap) -> list[list[str]]:
    return [
        [name, *(f"{count:,}" for count in counts)]
        for name, counts in zip(heat.names, heat.counts, strict=True)
    ]


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return f'<p class="{escape(block.tone)}">{_plain(block.text)}</p>'
    if isinstance(block, Heading):
        return f"<h3>{_plain(block.text)}</h3>"
    if isinstance(block, Table):
        return _html_table(block)
    if isinstance(block, HeatMap):
        return _html_heat(block)
    if isinstance(block, Chart):
        return f"<figure>{block.svg}<figcaption>{_plain(block.caption)}</figcaption></figure>"
    if isinstance(block, Quotes):
        return _html_quotes(block)
    return _html_browser(block)


def _plain(text: object) -> str:
    """A text as HTML that is read as text, and shows all that it holds."""
    return escape(printable(str(text)))


def _html_table(table: Table) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            _html_cell(tag, cell, is_text=at < table.words, is_quoted=at in table.quoted)
            for at, cell in enumerate(cells)
        )

    rows = "\n".join(f"<tr>{line('td', cells)}</tr>" for cells in table.lines)
    return (
        f'<div class="scroll"><table><thead><tr>{line("th", table.header)}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>{_html_note(table.note)}"
    )


def _html_cell(tag: str, cell: str, *, is_text: bool, is_quoted: bool) -> str:
    if is_quoted and tag == "td":
        return f'<td class="quoted"><bdi>{_plain(cell)}</bdi></td>'
    return f"<{tag}{' class=text' if is_text or is_quoted else ''}>{_plain(cell)}</{tag}>"


def _html_note(note: str) -> str:
    return f'<p class="note">{_plain(note)}</p>' if note else ""


def _html_heat(heat: HeatMap) -> str:
    head = "".join(f"<th><span>{_plain(name)}</span></th>" for name in heat.names)
    rows = []
    for at, name in enumerate(heat.names):
        cells = "".join(_heat_cell(heat, at, other) for other in range(len(heat.names)))
        rows.append(f"<tr><th class=text>{_plain(name)}</th>{cells}</tr>")
    note = f"{heat.note} {_HEAT_KEY}".strip()
    return (
        f'<div class="scroll"><table class="heat"><thead><tr><td></td>{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>{_html_note(note)}"
    )


def _heat_cell(heat: HeatMap, at: int, other: int) -> str:
    count, own = heat.counts[at][other], heat.counts[at][at]
    if at == other:
        return f'<td class="own">{count:,}</td>'
    if not count or not own:
        return f'<td class="none">{count:,}</td>'
    share = count / own
    told = f"{percent(share)}% of {heat.names[at]} are {heat.names[other]} too"
    return f'<td style="--heat:{share:.2f}" title="{_plain(told)}">{count:,}</td>'


def _html_quotes(block: Quotes) -> str:
    body = "".join(
        f'<h4><span class="id">{_plain(quote.id)}</span> {_plain(cut(quote.detail))}</h4>'
        f"<pre>{_plain(quote.text or '(empty)')}</pre>"
        for quote in block.quotes
    )
    return (
        f'<details><summary><span class="badge bad">{_plain(block.label)}</span>'
        f'<span class="muted">{_plain(block.summary)}</span></summary>'
        f'<div class="body">{body}</div></details>'
    )


def _html_browser(browser: Browser) -> str:
    selects = "".join(
        f'<label>{key}<select id="by-{key}"></select></label>'
        for key in ("source", "reason", "family")
    )
    return (
        f'<p class="note">{_plain(browser.caption)}</p>\n<div class="controls">{selects}'
        '<label>text<input id="by-text" type="search" placeholder="in prompt or completion">'
        '</label><span id="found" class="muted"></span></div>\n<div id="list"></div>\n'
        '<button id="more" type="button" hidden>show more</button>\n'
        f'<script type="application/json" id="traces">{script_json(browser.traces)}</script>\n'
        f"<script>{SCRIPT}</script>"
    )
