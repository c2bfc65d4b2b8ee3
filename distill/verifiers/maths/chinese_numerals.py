"""Numbers in Chinese characters: 三十五, 两百零三, 负五, 三点一四, 四分之三."""

import re

_DIGITS = {character: at for at, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_RUN = "[零〇一二三四五六七八九十百千万两]{1,20}"
_CLASSIFIER = "[个只元人种支本条米天岁次辆张块棵枚组]?"
_NUMBER = re.compile(
    rf"(?P<minus>负)?(?:(?P<below>{_RUN})分之(?P<above>{_RUN})"
    rf"|(?P<whole>{_RUN})(?:点(?P<decimals>[零〇一二三四五六七八九]{{1,20}}))?){_CLASSIFIER}"
)


def chinese_number(text: str) -> str | None:
    """三十五 as "35", with a word that counts, 三个, too; None for other texts."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    runs = [match[name] for name in ("whole", "above", "below") if match[name]]
    values = [_whole(run) for run in runs]
    if None in values:
        return None
    number = "/".join(map(str, values))
    if match["decimals"]:
        number += "." + "".join(str(_DIGITS[character]) for character in match["decimals"])
    return f"-{number}" if match["minus"] else number


def _whole(run: str) -> int | None:
    """Tens of thousands and the rest; digits without units in a row are no number but a code."""
    above, found, below = run.rpartition("万")
    if found:
        many, rest = _below_myriad(above), _below_myriad(below) if below else 0
        return None if many is None or rest is None else many * 10_000 + rest
    return _below_myriad(run)


def _below_myriad(run: str) -> int | None:
    total, digit, limit = 0, None, 10_000
    for character in run:
        if character in _UNITS:
            unit = _UNITS[character]
            if unit >= limit or (digit is None and unit != 10):
                return None
            total, digit, limit = total + (1 if digit is None else digit) * unit, None, unit
        elif character in _DIGITS and digit in (None, 0):
            digit = _DIGITS[character]
        else:
            return None
    return total + (digit or 0) if run else None
