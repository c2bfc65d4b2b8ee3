"""Units, multiples and words that change a value, in languages besides English."""

import re
from fractions import Fraction

_UNITS = {
    "degree": "graus grau grados grado gradi grad grade degrés degré градус градуса градусов 度 도",
    "hour": "stunde stunden heure heures hora horas ora ore час часа часов ч 小时 小時 時間 시간",
    "minute": "minuten minuto minutos minuti минута минуты минут мин 分钟 分鐘 분",
    "second": "sekunde sekunden seconde secondes segundo segundos secondo secondi секунда секунды"
    " секунд с 秒 초",
    "day": "tag tage tagen jour jours día días dia dias giorno giorni день дня дней 天",
    "week": "woche wochen semaine semaines semana semanas settimana settimane неделя недели"
    " недель 周 週間",
    "month": "monat monate monaten mois mes meses mês mese mesi месяц месяца месяцев 个月 ヶ月",
    "year": "jahr jahre jahren an ans année années año años ano anos anno anni год года лет 年 년",
    "m": "м meter metern mètre mètres metro metros metri метр метра метров 米 メートル 미터",
    "cm": "zentimeter zentimetern centimètre centimètres centímetro centímetros centimetri"
    " сантиметр сантиметра сантиметров см 厘米 センチメートル",
    "km": "kilometern kilomètre kilomètres kilómetro kilómetros quilômetro quilômetros chilometri"
    " километр километра километров км 千米 公里 キロメートル",
    "mm": "millimetern millimètre millimètres milímetro milímetros millimetri мм 毫米",
    "dm": "分米",
    "kg": "kilogramm kilogrammes kilogramos quilo quilos quilogramas chilogrammi кг килограмм"
    " килограмма килограммов 千克 公斤",
    "g": "г gramm gramme grammes gramo gramos grama gramas grammi грамм грамма граммов 克 グラム",
    "L": "litro litros litri литр литра литров 升 リットル", "mL": "毫升", "ton": "吨",
    "euro": "евро ユーロ 欧元", "dollar": "dólar dólares dollari доллар доллара долларов 美元 ドル",
    "yen": "円 日元", "yuan": "元 人民币", "points": "punkt punkte punkten punto puntos punti ponto"
    " pontos очко очка очков",
    "people": "personen personne personnes persona personas pessoa pessoas persone человек"
    " человека людей 人 명",
    "percent": "prozent pourcent процент процента процентов",
}  # fmt: skip
_ENGLISH = {word: name for name, words in _UNITS.items() for word in words.split()}
_PREFIXES_OF_AREA = {"平方": "square ", "立方": "cubic "}

_MULTIPLES = {
    1000: "mil mille tausend millar millares milhar milhares millier milliers тысяча тысячи тысяч"
    " 千 천 हजार हज़ार ألف آلاف พัน",
    10**4: "万 萬 만", 10**5: "लाख", 10**7: "करोड़ करोड़",
    100: "百 백 hundert cento сто", 12: "dutzend douzaine douzaines docena docenas dúzia"
    " dúzias dozzina dozzine дюжина дюжины дюжин",
    10**6: "millón millones milhão milhões milione milioni millionen миллион миллиона миллионов"
    " مليون ملايين ล้าน",
    10**8: "亿 億 억",
    10**9: "milliarde milliarden milliard milliards bilhão bilhões miliardo miliardi миллиард"
    " миллиарда миллиардов مليار",
    Fraction(1, 2): "medios meios hälften mitades metades moitiés половины",
    Fraction(1, 3): "tiers tercios terços drittel трети",
    Fraction(1, 4): "viertel четверти четвертей", Fraction(1, 5): "quintos fünftel пятых",
    Fraction(1, 10): "décimos zehntel десятых",
}  # fmt: skip
_MULTIPLE = {word: size for size, words in _MULTIPLES.items() for word in words.split()}
_COUNTING_SIGN = re.compile(r"[千百万萬亿億천백만억]+")

_CHANGING_WORDS = """
    nicht kein keine keinen ist sind und oder mehr weniger mindestens höchstens hoch quadrat
    ungefähr etwa fast über unter falsch
    pas n'est est et ou sont moins plus carré environ presque faux au
    no es y o menos más al como cuadrado casi falso
    não nem é são e ou mais menos ao quase
    non sono meno più oltre circa quasi quadrato falsa
    не нет или и больше меньше более менее квадрате кубе почти около
    ليس أو أكثر أقل
"""
CHANGING = frozenset(_CHANGING_WORDS.split())
"""Words behind a number that make it another one, or none at all."""

_CHANGING_SIGN = re.compile(
    r"[以上下不未满滿超过過约約倍分割半余餘多少非错錯误誤或和と次方乗乘の]|より|から|まで"
    r"|이상|이하|초과|미만|배|보다|아니|또는"
)
_SHARES = re.compile(r"\w+(?:ièmes?|[tz]el|tels|avos|cimos|timos|avas)$", re.IGNORECASE)
_GERMAN_PLURAL = re.compile(r"[A-ZÄÖÜ][a-zäöüß]{2,}(?:e|n|er)")
MAX_FOREIGN_WORDS = 3


def in_english(text: str) -> str:
    """ "Stunden" as "hour", "平方厘米" as "square cm"; other words as they are."""
    square = _PREFIXES_OF_AREA.get(text[:2], "")
    name = _ENGLISH.get(text[2:] if square else text.strip(" .").lower())
    return text if name is None else square + name


def multiple_in_front(words: str) -> tuple[int | Fraction | None, str]:
    """A thousand and the rest of "千人", "mil habitantes"; None where there is no multiple."""
    if signs := _COUNTING_SIGN.match(words):
        size = 1
        for sign in signs[0]:
            size *= _MULTIPLE[sign]
        return size, words[signs.end() :].strip()
    head, _, tail = words.partition(" ")
    return _MULTIPLE.get(head.lower()), tail.removeprefix("de ").removeprefix("di ")


def is_counted(words: str) -> bool:
    """May words of another script stand behind a number and leave it as it is?"""
    parts = words.lower().split()
    if len(parts) > MAX_FOREIGN_WORDS or CHANGING.intersection(parts):
        return False
    return not _CHANGING_SIGN.search(words)


def is_share(word: str) -> bool:
    """Is it a part, "cinquièmes", "Viertel"?"""
    return word.lower() in _MULTIPLE or (_SHARES.fullmatch(word) is not None)


def is_german_plural(word: str) -> bool:
    """Has it a capital and the ending of most German plurals: "Kugeln", "Kinder"?"""
    return _GERMAN_PLURAL.fullmatch(word) is not None
