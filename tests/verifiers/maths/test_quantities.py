"""Numbers with what stands behind them: units, what is counted, words that change the value."""

import pytest

from distill.verifiers.maths.equality import compare
from distill.verifiers.pairs import check_answer

SAME = {
    "units": r"""
5\text{ cm} | 0.05 m
1.6\times 10^{-19}\text{ C} | 1.6e-19 C
9.8\text{ m/s}^2 | 9.8 m s^{-2}
10\text{ m/s} | 10\ \mathrm{m\,s^{-1}}
10\text{ m/s} | 10\frac{\text{m}}{\text{s}}
5 kg m/s^2 | 5 N
5000 \Omega | 5 k\Omega
300 nm | 0.3 \mu m
5e-6 F | 5 \mathrm{\mu F}
5 | 5 m
74 inches | 6 feet 2 inches
90 minutes | 1 hour and 30 minutes
0.1 | 10\%
10 | 10\%
62.5% | \frac58
0.56=56\% | 56%
2 | 2 \text{ minutes}
25 | 25 days
864 \mbox{ inches}^2 | 864
864 \text{ in}^2 | 6 \text{ square feet}
120^\circ | 120
150^\circ | 150 degrees
45^\circ | \frac{\pi}{4}
-10 | -10\,\text{°F}
60 \text{ minutes} | 1 hour
10\text{ m/s} | 36 km/h
9.8 \text{ m/s}^2 | 9.8 m/s^2
5.4 \text{ cents} | 5.4
\$0.05 | 5 cents
2 \text{ euros} | €2
8\sqrt{3} \text { square inches} | 8\sqrt3
480 + 480\sqrt{3}\text{ feet} | 480(1+\sqrt3)
5 | 5个
90^{\circ},60^{\circ} | 60, 90
\csc 10 | \csc 10^\circ
""",
    "names and prefixes of units": r"""
500 \mathrm{~nm} | 0.5\ \mu\text{m}
1.2 \times 10^{-5} \mathrm{~T} | 12\,\mu\mathrm{T}
1.5 \text{ \AA} | 0.15\ \mathrm{nm}
1.5 Å | 150 picometers
3\sqrt{2} \text{ \AA} | 3\sqrt2 angstroms
13.6 eV | 13.6\ \text{electron volts}
2.2 \mathrm{~M}\Omega | 2.2 megaohms
0.25 \mathrm{~mol/L} | 0.25\ \text{M}
100 \text{ nM} | 0.1\ \mu\text{M}
25 \text{ J/(mol K)} | 25 \mathrm{~J\,mol^{-1}\,K^{-1}}
1.4 M_{\odot} | 1.4\ \text{solar masses}
2 R_\oplus | 2 Earth radii
""",
    "other languages": r"""
45 | 45 graus
60^\circ | 60 Grad
5 \text{ hours} | 5 Stunden
5 m | 5 mètres
5 km | 5 км
12 | 12 Kugeln
12 | 12 élèves
12 | 12 яблок
12 | 12人
5000 | 5千人
5000000 | 5 millones de personas
3.5 | 3,5 euros
2.75 m | 2,75 m
1234.5 | 1.234,5 €
12000 | 12 000 habitants
""",
    "plurals without an s": r"""
5 | 5 children
5 | 5 firemen
5 | 5 goldfish
5 | 5 bacteria
5 | 5 cattle
""",
    "numerals": r"""
4210_{5} | 4210_5
1011_2 | 1011_{\text{two}}
1011100 | 1011100_2
\text{A5}_{11} | A5_{11}
""",
    "more units": r"""
1 byte | 8 bits
300 rpm | 300 revolutions per minute
5 revolutions per second | 5\ \text{rev/s}
300000 | 3 lakh
1 cup | 16 tablespoons
5 light-years | 5 light years
£10 | 10 pounds
25^\circ C | 25 degrees
5 m^2 | 5 m2
5 m | 5米
25 cm^2 | 25平方厘米
5 | 5.0 (cm)
20 \text{ square feet} | 20 \text{ square units}
5 hours | 5 hrs.
5 dollars | 5 US dollars
""",
    "words that say how often, of what, or that it is the answer": r"""
5 | 5 apples
5 apples | 5 apple
5 cups | 5 cups of flour
18 dollars | 18 dollars left
7 | 7 toys left
18 | 18 in total
5 years | 5 years old
5 | 5 \text{ total}
5 | 5 \text{ is the minimum}
5 | 5 \text{ (minimum value)}
5 | 5 \text{ (as required)}
12 | 12 people per car
5 | 5 times
62\% | 62 percent of the students
""",
    "the same things": r"""
5 marbles | 5 red marbles
5 integers | 5 distinct integers
12 ways | 12 different combinations
5 people | 5 students
12 apples | 12 items
60 eggs | 5 dozen eggs
\sqrt2 | \sqrt2 \text{ apples}
(1,2,3) \text{ and its permutations} | (1,2,3) \text{ and permutations}
""",
    "words that change a number": r"""
0.5 | 5 \text{ tenths}
\frac76 | 7 \text{ sixths}
5.5 | 5 \text{ and a half}
2.5 hours | 2 and a half hours
""",
}

DIFFERENT = {
    "units": r"""
5 | 5m
2 g | 2
5 m | 5 s
4.5e14\text{ Hz} | 450 GHz
74 inches | 6 feet 3 inches
5\text{ cm} | 0.05 cm
60 \text{ minutes} | 60 hours
5\text{ m} | 5 \text{ cm}
20 \text{ square units} | 20 \text{ units}
\$5 | 5 cents
50\% | 5
4 | 4ab
6 | 6m
""",
    "other sizes": r"""
1.5 \text{ \AA} | 1.5\ \mathrm{nm}
500 \mathrm{~nm} | 500\ \mu\text{m}
13.6 eV | 13.6 volts
1 MeV | 1000 electron volts
0.25 \mathrm{~mol/L} | 0.25 mM
100 \text{ nM} | 100 nm
1.4 M_{\odot} | 1.4 M_\oplus
1.4 M_{\odot} | 1.4 R_\odot
8 | 8 M_L
\frac{3}{8} | 0.375\%
0.5\% | \frac{1}{2}
\frac{\pi}{4} | \frac{\pi}{4}\%
""",
    "other languages": r"""
5 hours | 5 Minuten
5 kg | 5 м
25\% | 25 Grad
5 | 5 millones
5 | 5万
5 | 5 тысяч
5 | 5 Drittel
5 | 5 tercios
5 | 5 o más
5 | 5以上
5 | 5 não é a solução
5 | 5 au carré
5 | 5 False
2.75 | 27,5 m
2.75 | 2,75 oder mehr
12 | 12 000 habitants
""",
    "numerals": r"""
101_2 | 101_3
152A_{11} | 152B
""",
    "other units": r"""
5 bytes | 5 bits
5 revolutions per second | 5 rpm
5 ppb | 5 ppm
3 crore | 3 lakh
5 parsecs | 5 light years
5 mph | 5 knots
5 teaspoons | 5 cups
5 m^3 | 5 m2
5厘米 | 5米
£11 | 10 pounds
5 yuan | 5 yen
20 \text{ apples} | 20 \text{ square units}
5 Canadian dollars | 5 US dollars
""",
    "other things": r"""
5 oranges | 5 apples
5 girls | 5 boys
5 women | 5 men
5 people | 5 apples
5 blue marbles | 5 red marbles
5 dimes | 5 quarters
3 triples | 3 pairs
5 days | 5 nights
5 apples | 5 cm
5 apples | 5 boxes of apples
12 cars | 12 people per car
60 apples | 5 dozen eggs
5 photons/min | 5 photons/s
\sqrt2 \text{ oranges} | \sqrt2 \text{ apples}
""",
    "words that change a number": r"""
5 | 5 \text{ squared}
5 | 5 \text{ doubled}
5 | 5 \text{ tenths}
7 | 7 \text{ sixths}
5 | 5 \text{ and a half}
5 | 5 \text{ or fewer}
5 | 5 or more
5 | 5 \text{ at least}
5 | 5 \text{ minimum}
5 | 5 \text{ below zero}
42 | 42 \text{ more than } x
5 | 5 \text{ times } 3
5 | 5 times as many
3 cupcakes | 3 fewer cupcakes
5 days | 5 days ago
\frac12 | \frac12 \text{ squared}
\sqrt2 | \sqrt2 \text{ squared}
(1,2,3) | (1,2,3) \text{ and permutations}
""",
    "words that take it back": r"""
5 | 5 \text{ (extraneous)}
5 | 5 extraneous
5 | x = 5 \text{ is extraneous}
5 | \text{5 is not the answer}
5 | 5 \text{ fails}
5 | 5 \text{ (wrong)}
5 | 5 \text{ is too large}
5 | x = 5 \text{ does not work}
1 | 1 \text{ wrong}
\sqrt2 | \sqrt2 \text{ is extraneous}
""",
}


def rows(table):
    """(reference, answer) of each line, with the name of its block."""
    return [
        pytest.param(*(part.strip() for part in line.split(" | ", 1)), id=f"{why}: {line}")
        for why, block in table.items()
        for line in block.strip().splitlines()
    ]


@pytest.mark.parametrize(("reference", "answer"), rows(SAME))
def test_the_same(reference, answer):
    assert compare(reference, answer).equal is True


@pytest.mark.parametrize(("reference", "answer"), rows(DIFFERENT))
def test_another(reference, answer):
    assert compare(reference, answer).equal is not True


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (r"The length is $\boxed{1.5\ \mathrm{nm}}$.", r"1.5 \text{ \AA}", False),
        ("5 square", "5", False),
        ("Il y a donc 12 000 habitants.", "12000", True),
        ("Il y a donc 12\u202f000 habitants.", "12000", True),
        ("Il y a donc 12 000 habitants.", "12", False),
        ("El precio es de 3,5 euros.", "3.5", True),
    ],
)
def test_algebra_never_decides_what_words_stand_behind_a_number(answer, reference, expected):
    assert check_answer(answer, reference).correct is expected
