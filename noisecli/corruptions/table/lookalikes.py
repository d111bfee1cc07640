"""Letters that look alike, and what may stand for a letter."""

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from noisecli.corruptions.table.characters import heads
from noisecli.splice import Offsets
from noisecli.streams import Floats, uniform_choice
from noisecli.text import Edits, Spans, Text

Numbers = NDArray[np.int64]

OCR_BOTH_WAYS = """
0O 0o 0D 0Q OQ OD 1l 1I 1i 1! 1| 1t 17 lI li lt l| iI ij I| 2Z 2z 38 4A 5S 5s 6b 6G 8B 8S 9g 9q
ao ae ce eo ft gq hb hn nu rt uv vy cC oO pP sS uU vV wW xX zZ CG EF HN MN PR UV VY KX DO ,. ;: '`
rn=m in=m ni=m nn=rm cl=d vv=w VV=W ii=u ri=n rr=n li=h lr=h ll=H tl=d ij=g fi=E
зэ ЗЭ ав ес ий ип ин пн пл мн кх гт чц шщ ыь ьъ вь уч ИЙ ИН НП ПЛ НК ШЩ ЗЭ БВ ОС ГТ ЦЧ ии=н ьі=ы
घध भम बव षप थय यप ङड टठ टढ दढ डइ फप तन नम गम रव चज मस अऊ हद
ロ口 ニ二 ト卜 カ力 タ夕 エ工 ハ八 ノ丿 ー一 へヘ べベ ぺペ カヵ ケヶ アァ イィ エェ オォ ツッ ヤャ ユュ ヨョ ツシ ソン
あぁ いぃ うぅ えぇ おぉ つっ やゃ ゆゅ よょ ばぱ びぴ ぶぷ べぺ ぼぽ
バパ ビピ ブプ ベペ ボポ ダグ るろ われ めぬ はほ さき
日曰 日白 日目 目自 末未 土士 大太 大犬 人入 間問 間聞 体休 使便 侍待 句旬 官宮 東束 玉王
王主 連運 遣遺 遠還 電雷 科料 貝員 貝具
員貢 害書 撤徹 測側 圧庄 水氷 同周 己已 千干 木本 住往 国固 会合 今令 上土 小少 手毛
"""
"""What is read for the other, either way: two letters, or more of them around "=". Both sides are of one script."""

OCR_ONE_WAY = """
á>a à>a â>a ä>a å>a ã>a é>e è>e ê>e ë>e í>i ì>i î>i ï>i ó>o ò>o ô>o ö>o õ>o ú>u ù>u û>u ü>u ñ>n ç>c é>è è>é ö>6 ü>ii
Á>A À>A Â>A Ä>A Å>A É>E È>E Ê>E Ë>E Í>I Î>I Ï>I Ó>O Ô>O Ö>O Ú>U Û>U Ü>U Ñ>N Ç>C ß>B ß>b œ>oe æ>ae ’>' “>" ”>" –>- —>-
О>0 о>0 З>3 з>3 б>6 Ч>4 ё>е Ё>Е й>и ।>! ।>1 ०>0 ー>- 〇>0 〈>< 〉>> 乙>Z 丁>T
"""
"""What is read for another, but not the other way round: marks that are lost, and letters of other scripts."""

HOMOGLYPHS = """
AΑА BΒВ CϹС EΕЕ HΗН IΙІӀ JͿЈ KΚК MΜМ NΝ OΟО PΡР SЅ TΤТ VѴ WԜ XΧХ YΥУҮ ZΖ GԌ
aαа bЬ cϲс dԁ eе gɡ hһ iιіӏ jϳј lӀ oοо pρр qԛ rг sѕ uυʋ vνѵ wԝ xх yγуү ÄӒ äӓ ËЁ ëё ÏЇ ïї ÖӦ öӧ ÇҪ çҫ ÆӔ æӕ ßβ ÞϷ þϸ
ΓГ ΠП ΦФ ΛЛ πп τт κк εє φф 3З 6б
へヘ べベ ぺペ エ工 カ力 タ夕 ト卜 ニ二 ハ八 ロ口 イ亻 ノ丿 ー一
"""
"""Letters that no eye tells apart, in groups; those of ASCII have wide forms besides."""

SCRIPTS = {
    "latin": ((0x00, 0x250),),
    "greek": ((0x370, 0x400),),
    "cyrillic": ((0x400, 0x530),),
    "japanese": ((0x3040, 0x3100), (0x4E00, 0xA000)),
    "fullwidth": ((0xFF01, 0xFF5F),),
}
"""Where the letters of a script are among the code points."""

LEET = "a4 a@ b8 c( e3 g9 g6 i1 i! l1 o0 s5 s$ t7 t+ z2 x% а4 а@ б6 в8 з3 о0 ч4 т7 е3 с$ ä4 ö0 é3 è3 ê3"
"""A letter and the figure or sign that is written for it; capitals alike."""

WITH_MARKS = ((0xC0, 0x180), (0x370, 0x460), (0x900, 0x980), (0x3040, 0x3100))
"""Where letters with marks that are in use are: Latin, Greek, Cyrillic, Devanagari, kana."""

KEYCAP_PARTS = (0xFE0F, 0x20E3)

Table = Mapping[str, Sequence[str]]


class Replacements:
    """What may stand for a letter, or for two in a row: each choice has equal chances.

    A letter with combining marks keeps them. Where pairs overlap, the first is one, and what is in a pair is not
    replaced on its own.
    """

    def __init__(self, table: Table) -> None:
        sources = sorted(table)
        self._texts = [text for source in sources for text in table[source]]
        self._counts = np.array([len(table[source]) for source in sources])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._widths = np.array([len(source) for source in sources])
        self._alone = _index({source: i for i, source in enumerate(sources) if len(source) == 1})
        pairs = {source: i for i, source in enumerate(sources) if len(source) == 2}
        left, right = (sorted({source[side] for source in pairs}) for side in (0, 1))
        self._left, self._right = (_index({letter: i for i, letter in enumerate(some)}) for some in (left, right))
        self._pairs = np.full((len(left), len(right)), -1)
        for source, i in pairs.items():
            self._pairs[left.index(source[0]), right.index(source[1])] = i

    def find(self, text: Text) -> Numbers:
        """Return the number of what is to be replaced at each character, -1 where there is nothing."""
        found = _look_up(self._alone, heads(text))
        if self._pairs.size:
            at, pairs = self._find_pairs(text)
            found[at], found[at + 1] = pairs, -1
        emoji = np.isin(text.points, KEYCAP_PARTS) if not text.ascii else np.zeros(0, bool)
        found[text.character_of[np.flatnonzero(emoji)]] = -1
        return found

    def _find_pairs(self, text: Text) -> tuple[Offsets, Numbers]:
        left, right = _look_up(self._left, heads(text)), _look_up(self._right, heads(text))
        left[(text.characters.stops - text.characters.starts > 1) | ~text.characters.followed] = -1
        at = np.flatnonzero((left[:-1] >= 0) & (right[1:] >= 0))
        pairs = self._pairs[left[at], right[at + 1]]
        at, pairs = at[pairs >= 0], pairs[pairs >= 0]
        number = np.arange(len(at))
        begins = np.diff(at, prepend=-2) > 1
        apart = (number - np.maximum.accumulate(number * begins)) % 2 == 0
        return at[apart], pairs[apart]

    def replace(self, text: Text, at: Offsets, uniform: Floats) -> Edits:
        """Replace what was found at each of some characters."""
        number, characters = self.find(text)[at], text.characters[at]
        chosen = self._firsts[number] + uniform_choice(self._counts[number], uniform)
        stops = characters.starts + self._widths[number]
        return Edits.by(Spans(characters.starts, stops, characters.rows, characters.ordinals), self._texts, chosen)


def _index(numbers: Mapping[str, int]) -> Numbers:
    """Numbers of letters by code point; the last is for all code points beyond."""
    index = np.full(max(map(ord, numbers), default=0) + 2, -1)
    for letter, number in numbers.items():
        index[ord(letter)] = number
    return index


def _look_up(index: Numbers, points: NDArray[np.uint32]) -> Numbers:
    return np.asarray(index.take(points, mode="clip"))


def ocr_table() -> Table:
    """What is read for a letter or two by a machine."""
    table: dict[str, list[str]] = {}
    for token in OCR_BOTH_WAYS.split():
        one, _, other = token.partition("=") if "=" in token else (token[0], "", token[1])
        table.setdefault(one, []).append(other)
        table.setdefault(other, []).append(one)
    for token in OCR_ONE_WAY.split():
        read = token[2:]
        table.setdefault(token[0], []).append(read)
    return {source: sorted(set(texts)) for source, texts in table.items() if len(source) <= 2}


def homoglyph_table(scripts: Sequence[str]) -> Table:
    """Letters of some scripts that look like one of any."""
    wide = [chr(low) + chr(low + 0xFEE0) for low in range(0x21, 0x7F)]
    table: dict[str, list[str]] = {}
    for group in [*HOMOGLYPHS.split(), *wide]:
        for letter, other in permutations(group, 2):
            if script_of(other) in scripts:
                table.setdefault(letter, []).append(other)
    return table


def script_of(letter: str) -> str:
    """Return the script of a letter among the homoglyphs."""
    spans = ((script, span) for script, spans in SCRIPTS.items() for span in spans)
    return next((script for script, (first, end) in spans if first <= ord(letter) < end), "latin")


def leet_table() -> Table:
    """Figures and signs that are written for a letter."""
    table: dict[str, list[str]] = {}
    for pair in LEET.split():
        for letter in (pair[0], pair[0].upper()):
            table.setdefault(letter, []).append(pair[1])
    return table


def marked_table() -> Table:
    """Letters with one mark, by the letter without it."""
    table: dict[str, list[str]] = {}
    for letter in (chr(point) for first, end in WITH_MARKS for point in range(first, end)):
        parts = unicodedata.normalize("NFD", letter)
        if len(parts) == 2 and unicodedata.combining(parts[1]) not in (0, 9):
            table.setdefault(parts[0], []).append(unicodedata.normalize("NFC", letter))
    return table
