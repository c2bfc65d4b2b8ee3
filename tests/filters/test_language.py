"""Drift into another language of the same script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.language import natural_words, other_language_share
from distill.recipe import Filter

LIMIT = Filter().max_other_language_share
ENGLISH = "How many apples does John have left after he gives half of them to his sister?"
DRIFTS = {  # about 60 words each
    "es": (
        "Entonces, primero vamos a calcular el número total de manzanas que tiene Juan. Si al "
        "principio tenía \\(x\\) manzanas y después compró $12$ más, el total es $x + 12$. Ahora "
        "bien, sabemos que regaló la mitad a su hermana, así que le quedan \\(\\frac{x+12}{2}\\). "
        "Espera, tengo que comprobar si la respuesta es correcta: el resultado es 20."
    ),
    "fr": (
        "Donc, je dois d'abord trouver la somme de tous les nombres entiers qui sont divisibles "
        "par 3. On sait que la suite est arithmétique, avec une raison égale à $3$. Attendez, il "
        "faut vérifier que le nombre de termes est bien 33. En utilisant la formule de la somme, "
        "nous obtenons 1683, ce qui semble être la bonne réponse."
    ),
    "de": (
        "Also, zuerst müssen wir die Anzahl der Möglichkeiten bestimmen. Es gibt $5$ rote und $3$ "
        "blaue Kugeln, und wir ziehen zwei davon ohne Zurücklegen. Moment, ich sollte noch einmal "
        "prüfen, ob das stimmt. Wenn man die erste Kugel gezogen hat, bleiben noch sieben übrig, "
        "von denen vier rot sind. Deshalb ist das Ergebnis richtig."
    ),
    "pt": (
        "Então, primeiro precisamos encontrar o valor de $x$ que satisfaz a equação. Sabemos que "
        "a soma das raízes é igual a cinco, portanto, se uma delas é 2, a outra deve ser 3. "
        "Espere, vou verificar se isso está correto. Substituindo na equação original, temos que "
        "o resultado não é zero, então cometi um erro em algum lugar."
    ),
    "nl": (
        "Dus eerst moeten we uitrekenen hoeveel appels er in totaal zijn. Als Jan $12$ appels "
        "heeft en hij geeft er \\(3\\) aan zijn zus, dan blijven er nog negen over. Wacht even, ik "
        "moet controleren of dat klopt, want in de opgave staat dat hij daarna nog vijf appels "
        "koopt. Dat betekent dat het antwoord veertien moet zijn."
    ),
    "vi": (
        "Trước tiên, chúng ta cần tìm số các số nguyên dương thỏa mãn điều kiện của bài toán. Giả "
        "sử $n$ là một số chẵn, khi đó \\(n = 2k\\). Thay vào phương trình, ta được kết quả là 36. "
        "Khoan đã, tôi cần kiểm tra lại xem phép tính này có đúng không. Nếu đúng thì đáp án cuối "
        "cùng của bài toán là mười hai."
    ),
    "id": (
        "Jadi, pertama-tama kita perlu mencari jumlah semua bilangan bulat yang memenuhi syarat "
        "tersebut. Misalkan $x$ adalah banyaknya apel yang dimiliki oleh Budi. Tunggu, saya harus "
        "memeriksa kembali apakah hasil ini benar. Jika kita masukkan nilai itu ke dalam "
        "persamaan, ternyata hasilnya sama dengan dua puluh, sehingga jawabannya sudah benar."
    ),
    "tr": (
        "Öyleyse önce bu denklemi sağlayan bütün tam sayıları bulmamız gerekiyor. Eğer $x$ bir "
        "çift sayı ise, o zaman \\(x = 2k\\) şeklinde yazabiliriz. Bekle, burada bir hata yapmış "
        "olabilirim, bu yüzden tekrar kontrol etmem lazım. Sonuç olarak toplam 45 çıkıyor, ama "
        "soruda bizden çarpım isteniyor, yani cevap daha büyük olmalı."
    ),
    "pl": (
        "Najpierw musimy obliczyć, ile jabłek ma Janek na początku. Wiemy, że jeżeli odda połowę "
        "swojej siostrze, to zostanie mu $6$ jabłek, czyli na początku miał ich \\(12\\). "
        "Chwileczkę, muszę jeszcze sprawdzić, czy to się zgadza z treścią zadania. Jeśli "
        "podstawimy tę wartość do równania, to otrzymamy prawdziwą równość."
    ),
    "sv": (
        "Först måste vi räkna ut hur många äpplen det finns sammanlagt. Om Johan har $12$ äpplen "
        "och ger bort hälften till sin syster, så har han \\(6\\) äpplen kvar. Vänta, jag måste "
        "kontrollera om det stämmer, eftersom det står i uppgiften att han sedan köper fem till. "
        "Det betyder att svaret borde vara elva."
    ),
}
TURN = (
    "Okay, so John starts with {n} apples and gives half of them to his sister, so he has half of "
    "that left.\n\nWait, let me check this again. If we write $x = {n}$, then the number that is "
    "left is \\[ \\frac{{x}}{{2}}, \\] and that is what the question asks for.\n\n"
)
CHAIN = "".join(TURN.format(n=n) for n in range(90))  # 4,500 words


def share(text, question=ENGLISH):
    return other_language_share(text, question)[0]


@pytest.mark.parametrize("language", DRIFTS)
def test_one_paragraph_in_a_long_chain_is_found(language):
    drift = DRIFTS[language]
    for text in (drift, drift.replace(", ", ",\n").replace(". ", ".\n")):
        found, named = other_language_share(f"{CHAIN}{text}\n\n{CHAIN}", ENGLISH)
        assert found > LIMIT
        assert named in (language, "ms" if language == "id" else language)
    assert share(drift) > 0.6  # its end is too short to go by


@pytest.mark.parametrize("language", DRIFTS)
@pytest.mark.parametrize("words", [5, 10, 15])
def test_a_short_quotation_is_no_drift(language, words):
    quoted = " ".join(DRIFTS[language].split()[:words])
    assert share(f'{CHAIN}The title is "{quoted}", as it says.\n\n{CHAIN}') == 0
    assert share(f"{CHAIN}{quoted}\n\n{CHAIN}") == 0


@pytest.mark.parametrize("language", DRIFTS)
def test_a_language_is_not_foreign_to_itself_and_english_is_to_it(language):
    text = DRIFTS[language]
    assert share(f"{text}\n\n{text}", text) == 0
    assert share(f"{text}\n\n{CHAIN}", text) > 0.5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CHAIN, "English"),
        ("\\sin \\cos bi di bi di sqrt mod lcm gcd\n" * 60, "names of functions"),
        ("αβαγ + αββδ = γδαγ + γδβδ\n" * 30, "products of Greek letters"),
        ("```\nfor i in range(9): print(i)\n```\n" * 30, "program text"),
        ("Maria Schmidt, Jean Dupont, Giulia Rossi, Pedro Alvarez\n" * 30, "names"),
        ("$a$ $b$ 12 = 4 + 8 | 3 | 4\n" * 100, "no words"),
        ("", "nothing"),
    ],
)
def test_what_is_no_other_language(text, why):
    assert share(text) == 0, why


def test_a_question_without_words_allows_the_language_of_the_text():
    assert share(DRIFTS["es"], "2 + 2 =") == 0
    assert share(f"{DRIFTS['es']}\n\n{CHAIN}", "2 + 2 =") > LIMIT  # of most of the text


def test_another_script_is_left_to_the_other_check():
    russian = "Сначала нам нужно посчитать, сколько яблок было у него в самом начале. " * 4
    assert share(f"{CHAIN}{russian}") == 0


def test_formulas_code_and_names_are_no_words():
    text = "So John has \\frac{1}{2} of `total` apples, $ab$ or \\(cd\\), x2 and f(x)."
    assert natural_words(text) == ["has", "of", "apples", "or", "and"]


@given(st.text(max_size=400), st.text(max_size=60))
def test_a_share_stays_between_0_and_1(text, question):
    assert 0 <= share(text, question) <= 1
