"""Units of measurement: what a unit measures and how many base units it holds, exactly."""

import re
from fractions import Fraction
from functools import lru_cache

import msgspec

from distill.verifiers.maths.languages import in_english

MAX_UNIT_CHARS = 80


class Unit(msgspec.Struct, frozen=True):
    """What follows a number."""

    powers: tuple[tuple[str, int], ...] = ()  # base dimension to power, sorted; () for a ratio
    scale: Fraction = Fraction(1)  # base units in one of it
    known: bool = True  # False: words such as "students", which nobody can convert


UNKNOWN = Unit(known=False)

_DIMENSIONS = {
    "length": {
        "m meter metre": 1, "cm centimeter centimetre": Fraction(1, 100),
        "mm millimeter millimetre": Fraction(1, 1000), "km kilometer kilometre": 1000,
        "nm nanometer nanometre": Fraction(1, 10**9), "μm micrometer micron": Fraction(1, 10**6),
        "dm decimeter decimetre": Fraction(1, 10), "inch in": Fraction(254, 10000),
        "foot feet ft": Fraction(3048, 10000), "yard yd": Fraction(9144, 10000),
        "mile mi": Fraction(1609344, 1000), "Å angstrom Angstrom": Fraction(1, 10**10),
        "nauticalmile": 1852, "AU": 149597870700, "ly lightyear": 9460730472580800,
        "pc parsec": 30856775814913673,
    },
    "mass": {
        "kg kilogram": 1, "g gm gram": Fraction(1, 1000), "mg milligram": Fraction(1, 10**6),
        "ton": 1000, "tonne": 1000, "lb pound": Fraction(45359237, 10**8),
        "oz ounce": Fraction(45359237, 16 * 10**8), "u amu dalton": Fraction(166053906892, 10**38),
    },
    "time": {
        "s sec second": 1, "ms millisecond": Fraction(1, 1000), "min minute": 60,
        "ns nanosecond": Fraction(1, 10**9), "h hr hour": 3600, "day": 86400, "week wk": 604800,
        "fortnight": 1209600,
    },
    "year": {"yr year": 1, "month": Fraction(1, 12), "decade": 10, "century centurie": 100},
    "money": {"dollar usd buck $": 1, "cent penny pennie ¢": Fraction(1, 100)},
    "euro": {"euro eur €": 1},
    "sterling": {"gbp £": 1, "pence": Fraction(1, 100)},
    "yuan": {"yuan rmb cny": 1}, "peso": {"peso": 1}, "franc": {"franc": 1},
    "rupee": {"rupee rs inr ₹": 1},
    "yen": {"yen": 1}, "¥": {"¥": 1},
    "angle": {"degree deg": 1, "arcminute": Fraction(1, 60), "arcsecond": Fraction(1, 3600)},
    "radian": {"radian rad": 1},
    "unit": {"unit": 1},
    "temperature": {"K kelvin": 1},
    "celsius": {"degc degC celsius celsiu": 1},
    "fahrenheit": {"degf degF fahrenheit": 1},
    "current": {"A amp ampere": 1, "mA": Fraction(1, 1000)},
    "amount": {"mol mole": 1},
    "turn": {"revolution rev rotation": 1},
    "information": {
        "bit": 1, "kilobit kbit": 1000, "megabit Mbit": 10**6, "gigabit Gbit": 10**9, "byte": 8,
        "kB KB kilobyte": 8000, "MB megabyte": 8 * 10**6, "GB gigabyte": 8 * 10**9,
        "TB terabyte": 8 * 10**12, "KiB kibibyte": 8 * 2**10, "MiB mebibyte": 8 * 2**20,
        "GiB gibibyte": 8 * 2**30,
    },
    "part": {"ppm": Fraction(1, 10**6), "ppb": Fraction(1, 10**9), "ppt": Fraction(1, 10**12)},
    "solarmass": {"solarmass solarmasse": 1}, "solarradius": {"solarradius solarradii": 1},
    "solarluminosity": {"solarluminosity solarluminositie": 1},
    "earthmass": {"earthmass earthmasse": 1}, "earthradius": {"earthradius earthradii": 1},
    "jupitermass": {"jupitermass jupitermasse": 1},
    "loudness": {"dB decibel": 1}, "solid": {"sr steradian": 1}, "light": {"cd candela": 1},
    "flux": {"lm lumen": 1}, "illumination": {"lx lux": 1}, "dose": {"Gy gray": 1},
    "exposure": {"Sv sievert": 1}, "decay": {"Bq becquerel": 1},
}  # fmt: skip
_COMPOUND = {
    ("length", 3): {
        "L l liter litre": Fraction(1, 1000), "mL ml milliliter millilitre cc": Fraction(1, 10**6),
        "gallon gal": Fraction(3785411784, 10**12), "quart qt": Fraction(946352946, 10**12),
        "pint pt": Fraction(473176473, 10**12), "cup": Fraction(2365882365, 10**13),
        "tablespoon tbsp": Fraction(2365882365, 16 * 10**13),
        "teaspoon tsp": Fraction(2365882365, 48 * 10**13),
        "fluidounce floz": Fraction(2365882365, 8 * 10**13), "dL dl": Fraction(1, 10**4),
        "cL cl": Fraction(1, 10**5),
    },
    ("amount", 1, "length", -3): {"M molar": 1000},
    ("length", 2): {"acre": Fraction(40468564224, 10**7), "hectare ha": 10000},
    ("length", 1, "time", -1): {
        "mph": Fraction(1609344, 3600000), "kph kmph kmh": Fraction(1000, 3600),
        "knot kn": Fraction(1852, 3600),
    },
    ("time", -1, "turn", 1): {"rpm RPM": Fraction(1, 60), "rps": 1},
    ("time", -1): {"Hz hertz": 1, "kHz": 1000, "MHz": 10**6, "GHz": 10**9},
    ("current", 1, "time", 1): {"C coulomb": 1},
    ("length", 1, "mass", 1, "time", -2): {"N newton": 1, "kN": 1000, "dyne": Fraction(1, 10**5)},
    ("length", 2, "mass", 1, "time", -2): {
        "J joule": 1, "kJ kilojoule": 1000, "erg": Fraction(1, 10**7),
        "eV electronvolt": Fraction(1602176634, 10**28), "keV": Fraction(1602176634, 10**25),
        "MeV": Fraction(1602176634, 10**22), "cal calorie": Fraction(4184, 1000), "Wh": 3600,
    },
    ("length", 2, "mass", 1, "time", -3): {
        "W watt": 1, "kW kilowatt": 1000, "MW megawatt": 10**6,
        "hp horsepower": Fraction(7457, 10),
    },
    ("length", -1, "mass", 1, "time", -2): {
        "Pa pascal": 1, "kPa": 1000, "MPa": 10**6, "atm atmosphere": 101325, "bar": 10**5,
        "psi": Fraction(689476, 100), "torr Torr mmHg": Fraction(101325, 760),
    },
    ("current", -1, "length", 2, "mass", 1, "time", -3): {
        "V volt": 1, "mV": Fraction(1, 1000), "kV": 1000,
    },
    ("current", -2, "length", 2, "mass", 1, "time", -3): {
        "ohm Ω Omega": 1, "kilohm": 1000, "megohm megaohm": 10**6,
    },
    ("current", -1, "mass", 1, "time", -2): {"T tesla": 1, "gauss": Fraction(1, 10**4)},
    ("current", -1, "length", 2, "mass", 1, "time", -2): {"Wb weber": 1},
    ("current", -2, "length", 2, "mass", 1, "time", -2): {"H henry": 1},
    ("current", 2, "length", -2, "mass", -1, "time", 4): {"F farad": 1},
}  # fmt: skip


_PREFIXED = "m g s Hz N J W Pa V A Ω eV T L F H C mol cal Wh bar M"
_PREFIXED_WORDS = """
    meter metre gram second hertz newton joule watt pascal volt ampere ohm tesla liter litre farad
    henry coulomb mole calorie electronvolt
"""
_PREFIXES = {
    "f femto": -15, "p pico": -12, "n nano": -9, "μ micro": -6, "m milli": -3, "k kilo": 3,
    "M mega": 6, "G giga": 9, "T tera": 12,
}  # fmt: skip


def _with_prefixes(table: dict[str, Unit]) -> dict[str, Unit]:
    """Symbols and words of units with every prefix; what the table holds goes first."""
    made = {}
    for prefixes, power in _PREFIXES.items():
        pairs = zip(prefixes.split(), (_PREFIXED, _PREFIXED_WORDS), strict=True)
        for prefix, names in pairs:
            for name in names.split():
                unit = table[name]
                made[prefix + name] = Unit(unit.powers, unit.scale * Fraction(10) ** power)
    return made | table


def _table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for dimension, names in _DIMENSIONS.items():
        for words, scale in names.items():
            unit = Unit(powers=((dimension, 1),), scale=Fraction(scale))
            table.update(dict.fromkeys(words.split(), unit))
    for flat, names in _COMPOUND.items():
        powers = tuple(zip(flat[::2], flat[1::2], strict=True))
        for words, scale in names.items():
            unit = Unit(powers=powers, scale=Fraction(scale))
            table.update(dict.fromkeys(words.split(), unit))
    return table


_NAMED_UNITS = _table()
UNITS = _with_prefixes(_NAMED_UNITS)
_BOXED_ONLY = """
    mi pt ms ns wk rs mA mV kN ha Wh Wb AU ly pc rmb cny kB KB MB GB TB dB sr cd lm lx Gy Sv Bq
    dL dl cL cl kn hp rps amu
"""
BARE_UNITS = frozenset(
    name for name in UNITS if len(name) > 1 and name in _NAMED_UNITS
) - frozenset(_BOXED_ONLY.split())
"""What is a unit without a text box around it; a single letter is a variable."""

_PRODUCTS_WORDS = """
    sr cd lm lx ly pc dl cl kn hp
"""
PRODUCTS = frozenset(_PRODUCTS_WORDS.split())
"""Symbols that are rather a product of two variables, even behind a space."""

_PIECE = re.compile(
    r"\s*(?:(?P<name>\^\\circ\s*[CFK]?(?![a-z])|\\circ|\\Omega|[A-Za-zμΩÅ$€£¥₹¢]+)|(?P<over>/|per\b)"
    r"|(?P<times>\\cdot|\\times|\*|\\text|[{}().,'~-])|(?P<power>\^\s*\{?\s*-?\d\s*\}?|(?<=m)[23]))"
)
_DEGREES_OF = re.compile(r"deg(?:rees?)?\s*(C|F)(?:elsius|ahrenheit)?\b", re.IGNORECASE)
_TWO_WORDS = re.compile(
    r"\b(light|nautical|fluid|fl|(?:kilo|mega|giga)?electron|solar|earth|jupiter)\.?[ -]"
    r"(?=(?:years?|miles?|ounces?|oz|volts?|mass(?:es)?|luminosit(?:y|ies)|radi(?:us|i))\b)",
    re.IGNORECASE,
)
_OF_STARS = re.compile(
    r"(?:\\text\s?\{)?\s?\b([MLR])\s?\}?\s?_\s?\{?\s?"
    r"(?:\\?(odot|oplus)|([⊙☉])|(⊕))(?![A-Za-z])\s?\}{0,2}"
)
_STARS = {"M": "mass", "L": "luminosity", "R": "radius"}
_MICRO_BOX = re.compile(
    r"(?:\\text\s?\{\s?)?(?:\\mu(?![A-Za-z])|μ)\s*(?:\}\s*)?\\text\s?\{\s?(?=[A-Za-z])"
)
_BOXED_PREFIX = re.compile(r"\\text\s?\{\s?([kMGm])\s?\}\s?(?=\\Omega(?![A-Za-z])|Ω)")
_SYMBOLS = re.compile(
    r"\\(?:AA|mu|Omega|ohm|cdot)(?![A-Za-z])\s*|(?<=μ)\s+(?=[A-Za-zΩ])"
    r"|(?<=\b[kMGm])\s+(?=\\Omega|Ω)"
)
_SIGNS = {"\\AA": "Å", "\\mu": "μ", "\\Omega": "Ω", "\\ohm": "Ω", "\\cdot": "*"}
_POWER_WORDS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit:
    """The unit in a text such as "cm^2", "square inches", "km/h"; UNKNOWN for other words."""
    if len(text) > MAX_UNIT_CHARS:
        return UNKNOWN
    text = _TWO_WORDS.sub(r"\1", _DEGREES_OF.sub(r"deg\1", in_english(one_spelling(text))))
    powers: dict[str, int] = {}
    scale, sign, power_word, last, at = Fraction(1), 1, 1, None, 0
    while at < len(text.rstrip()):
        match = _PIECE.match(text, at)
        if match is None:
            return UNKNOWN
        at = match.end()
        if match["over"] or match["name"] == "per":
            sign, last = -1, None
        elif match["power"] or match["name"] in ("squared", "cubed"):
            if last is None:
                return UNKNOWN
            times = _power_of(match["power"] or match["name"]) - 1
            scale *= _add(powers, last, sign * times)
        elif match["name"] in _POWER_WORDS:
            power_word = _POWER_WORDS[match["name"]]
        elif match["name"]:
            last = _named(match["name"])
            if last is None:
                return UNKNOWN
            scale *= _add(powers, last, sign * power_word)
            power_word = 1
    kept = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Unit(powers=kept, scale=scale) if last is not None else UNKNOWN


def one_spelling(text: str) -> str:
    """Units without LaTeX: "\\mu m" as "μm", "M_\\odot" as "solarmass"."""
    if "_" in text:
        text = _OF_STARS.sub(_of_star, text)
    if "\\" not in text and text.isascii():
        return text
    text = _BOXED_PREFIX.sub(r" \1", _MICRO_BOX.sub(r"\\text{μ", text))
    return _SYMBOLS.sub(lambda match: _SIGNS.get(match[0].strip(), ""), text)


def _of_star(match: re.Match[str]) -> str:
    star = "earth" if match[2] == "oplus" or match[4] else "solar"
    return f" {star}{_STARS[match[1]]} "


def is_unit(text: str) -> bool:
    """Is it a unit whose size is known?"""
    return read_unit(text) is not UNKNOWN


def _power_of(text: str) -> int:
    return _POWER_WORDS.get(text) or int(re.sub(r"[^-\d]", "", text))


def _named(name: str) -> Unit | None:
    if "circ" in name:
        kind = name.strip()[-1]
        return UNITS[{"C": "degc", "F": "degf", "K": "K"}.get(kind, "degree")]
    if name == "\\Omega":
        return UNITS["ohm"]
    found = UNITS.get(name) or UNITS.get(name.removesuffix("s") if len(name) > 2 else name)
    lower = name.lower()
    if found is None and len(name) > 2:
        found = UNITS.get(lower) or UNITS.get(lower.removesuffix("s"))
        found = found or UNITS.get(lower.removesuffix("es"))
    return found


def _add(powers: dict[str, int], unit: Unit, times: int) -> Fraction:
    """Multiply by a unit so many times; the factor that comes with it."""
    for dimension, power in unit.powers:
        powers[dimension] = powers.get(dimension, 0) + power * times
    return unit.scale**times


def agree(first: Unit, second: Unit) -> bool | None:
    """Do two units measure the same? None when one of them is not known."""
    if not (first.known and second.known):
        return None
    if ("unit" in dict(first.powers)) != ("unit" in dict(second.powers)):
        sizes = {sum(power for _, power in unit.powers) for unit in (first, second)}
        return None if len(sizes) == 1 else False  # "square units" may be square feet
    return first.powers == second.powers


def beside(unit: Unit, other: Unit) -> Unit:
    """What an ambiguous unit means beside another: pounds of money, degrees of temperature, ¥."""
    if unit == UNITS["pound"] and other.powers == UNITS["gbp"].powers:
        return UNITS["gbp"]
    if unit == UNITS["¥"] and other in (UNITS["yen"], UNITS["yuan"]):
        return other
    is_warmth = other in (UNITS["degc"], UNITS["degf"])
    return other if unit == UNITS["degree"] and is_warmth else unit
