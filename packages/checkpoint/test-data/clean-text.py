"""Writes clean-text.json: texts, and what the reference's tokenizer makes of them before it splits words.

Needs ftfy 6.3.1. The second half of the list is made from the first: each text with its UTF-8 bytes
read as Windows-1252 or Latin-1 once or twice, in whole or in one word.
"""

import json
import pathlib
import re

import ftfy
from ftfy import bad_codecs  # noqa: F401, registers sloppy-windows-1252

TEXTS = [
    "a man is skiing", "the cat's “quoted” toy — it’s great…", "Crème brûlée à la carte",
    "São Paulo, coração, não, à noite", "Müller straße größe Ärger Öl über Ü", "señor ¿qué? ¡olé! mañana",
    "Привет мир, это тест", "Ελληνικά γράμματα", "שלום עולם", "مرحبا بالعالم", "你好世界 熊猫", "こんにちは 世界",
    "안녕하세요", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "İstanbul ığüşöç", "Ångström Ærø Øre",
    "naïve café £5 €10 ¥100 ½ cup 20°C", "© 2020 Foo® Bar™ • item", "a 🐈 and 👍🏽 emoji 🎉",
    "‘single’ ‚low’ „German“ «guillemets» ‹x›", "x² + y³ ± 5 × 3 ÷ 2 ¼ ¾ µm", "ħ ł ß þ ð", "voilà la mode à côté",
    "n° 5 § 3 ¶ 2", "Đặng Thị Hà Nội tiếng Việt", "हिन्दी नमस्ते", "ไทย ภาษา", "dash – and — here",
    "“café…” he said", "„FÖ“ MENÜ»", "L’État c’est moi", "el Niño y la Niña", "œuvre Œdipe cœur",
    "piñata jalapeño", "smörgåsbord på svenska åäö ÅÄÖ", "à", "É", "°C", "“",
]
PLAIN = [
    "fish &amp; chips &eacute; &#233; &#x27; &hellip; &NTILDE; &AMP; &lt &nope; &GTDOT; &hearts;",
    "&#150; &#x80; &#0; &#xd800; &#x110000; &#59; &#7; &#xfffe; &#13; &#10; &#9999999999; &#x1F600;",
    "&amp;amp; &amp;lt;b&amp;gt;", "<b>tag</b> &amp; x", "x &amp; y\n<b> &amp; z\n&amp; w",
    "ﬁne ﬂow ﬀ ﬃ ﬄ ﬅ ﬆ ĳ Ĳ ŉ ǆ ǅ Ǆ ǉ ǌ ǳ", "ＡＢＣ ｶﾞｷﾞ ｱ １２ ￥ ￦ ﾡ　x", "tabs\tand\nnewlines\r\nmore\u2028x\u0085y\u2029z",
    "ctrl\x07\x00 \x1b[31;1mred\x1b[0m \x7f \x1b[x", "zero\u200bwidth\u200djoin\ufeff soft\u00adhyph \u2060 \u206a \ufff9 \ufffc",
    "e\u0301 decomposed A\u030a \u1100\u1161", "Σίσυφος ΟΔΟΣ İ ſ K", "\x1c\x1d\x1e\x1f separators",
    "\u00a0\u1680\u2000\u200a\u202f\u205f\u3000spaces", "‛x‟ ʼy ‵z", "c1 \x80\x93\x94\x99 controls \x81",
]


def misread(text, encoding):
    try:
        return text.encode().decode(encoding)
    except UnicodeDecodeError:
        return None


def cleaned(text):
    return re.sub(r"\s+", " ", ftfy.fix_text(text)).strip().lower()


texts = TEXTS + PLAIN
for text in TEXTS:
    once = misread(text, "sloppy-windows-1252")
    words = text.split(" ")
    words[-1] = misread(words[-1], "sloppy-windows-1252") or words[-1]
    texts += [once, misread(text, "latin-1"), misread(once, "sloppy-windows-1252"), " ".join(words), f"{once} {text}"]
cases = [[text, cleaned(text)] for text in dict.fromkeys(t for t in texts if t is not None)]
lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
(pathlib.Path(__file__).parent / "clean-text.json").write_text(f"[\n{lines}\n]\n")
