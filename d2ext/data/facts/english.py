"""What an English sentence states, read by its phrases; what is not known to be a statement is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from d2ext.data.facts import phrases_en as E
from d2ext.data.facts.phrases_en import ABOUT, NOUN, NUMBER, any_of, colors_in, meters
from d2ext.data.facts.predicates import (
    Aside,
    AtEdge,
    Away,
    Colored,
    Count,
    InMiddle,
    Measures,
    Ranked,
    Side,
    Visible,
)
from d2ext.data.facts.reading import Read, Reader
from d2ext.data.facts.words import NAMES_EN, PLURAL
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.units_en import spelt


class EnglishReader(Reader):
    """Reads facts off a text; what is read is blanked, so that no word is read twice."""

    def read(self) -> Iterator[Read]:
        """In order of what has to be taken first: numbers, relations, places, then names and colours."""
        yield from self._numbers()
        adjectives_noun = rf"{E.DETERMINER}\s+{E.ADJECTIVES}{NOUN}"
        yield from self.take(rf"\b(?P<r>{any_of(E.RELATION_OF)})\s+{adjectives_noun}", E.relation)
        yield from self._places()
        for level, words in enumerate(E.WORDS_OF_LEVEL):
            yield from self.take(rf"\b(?:{words})", lambda _, n=level: Visible(n))  # type: ignore[misc]
        yield from self._facing()
        yield from self._sides()
        yield from self._name()

    def _numbers(self) -> Iterator[Read]:
        yield from self.take(rf"\b{ABOUT}{E.RANGE}\s+(?:{E.HIGH})\b", E.height_range)
        yield from self.take(
            rf"\bheights?\s+(?:rang\w+\s+)?(?:of|is|are|from|that|\s)*{ABOUT}{E.RANGE}", E.height_range
        )
        yield from self.take(
            rf"\b(?P<w>more than|over|at least|taller than|higher than|less than|under|at most)\s+{NUMBER}"
            rf"\s*(?:{E.HIGH})\b",
            E.height_limit,
        )
        yield from self.take(rf"\b{ABOUT}{NUMBER}\s*-?(?P<d>{E.HIGH}|{E.WIDE}|{E.LONG})\b", E.size_of)
        for dimension in ("height", "width", "length"):
            yield from self.take(
                rf"\b{dimension}(?:\s+of\s+(?:the|this|that)\s+\w+)?(?:\s+measures|:)?\s+{ABOUT}{NUMBER}",
                lambda m, d=dimension: Measures(d, *meters(m)),  # type: ignore[misc]
            )
        yield from self.take(
            rf"\b{ABOUT}{NUMBER}\s+(?:to|on|at)\s+(?:my|the|our)\s+(?P<s>left|right)\b"
            r"(?!\s+(?:side\s+)?of\s+(?!me\b|the camera))",
            lambda m: Aside(meters(m)[0] * (-1 if m["s"].lower() == "left" else 1), meters(m)[1]),
        )
        near = "within|less than|closer than|nearer than|under|at most|no more than|up to|not more than"
        far = "beyond|more than|farther than|further than|over|at least"
        yield from self.take(
            rf"\b(?P<w>{near}|{far})\s+(?:a distance of\s+)?{ABOUT}{NUMBER}"
            rf"(?:\s+(?:of|from|away from|away)\b(?:\s+{E.ME})?)?",
            E.limit,
        )
        yield from self.take(
            rf"\b{ABOUT}{NUMBER}\s+(?:straight\s+|directly\s+)?(?:ahead|in front)(?:\s+of\s+{E.ME})?\b"
            r"(?!\s+of)",
            lambda m: Away(*meters(m), forward=True),
        )
        yield from self.take(
            rf"\bdistance(?:\s+(?:from|to)\s+{E.ME})?\s+{ABOUT}{NUMBER}", lambda m: Away(*meters(m))
        )
        yield from self.take(
            rf"\b{ABOUT}{NUMBER}\s+(?:away|from|distant|off)\b"
            r"(?!\s+(?:from\s+)?(?:the|a)\s+(?!camera|viewer|observer|pole))"
            rf"(?:\s+(?:from\s+)?{E.ME})?",
            lambda m: Away(*meters(m)),
        )

        yield from self.take(
            rf"\b(?:at|located|parked|stands?|standing)\s+{ABOUT}{NUMBER}(?!\s+(?:to|of|behind|left|right|from)\b)",
            lambda m: Away(*meters(m)),
        )

    def _places(self) -> Iterator[Read]:
        edges = r"(?P<s>left|right|top|bottom)(?:-hand)?\s+(?:edge|border|margin)"
        cut = rf"\b(?:cut off|cropped|truncated|clipped|leaves the \w+)\s+(?:by|at)\s+(?:the|its)\s+{edges}"
        size = self.image_size
        yield from self.take(cut, lambda m: AtEdge(m["s"].lower(), size))
        yield from self.take(
            rf"\b(?:at|on|by|near)\s+the\s+(?:far\s+)?{edges}", lambda m: AtEdge(m["s"].lower(), size)
        )
        yield from self.take(
            r"\bin the (?:middle|center|centre) of the (?:image|picture|frame|photo|view|scene)",
            lambda _: InMiddle(size),
        )
        yield from self.take(rf"\b{E.CORNER}", E.place(size))

    def _facing(self) -> Iterator[Read]:
        verb = (
            r"(?:facing|faces|pointing|points|turned|heading|headed|oriented|looking|driving|moving|coming)"
        )
        yield from self.take(
            rf"\b(?P<to>back|rear|tail)\s+(?:is\s+|turned\s+)?(?:facing|to|towards?)\s+{E.ME}\b", E.facing
        )
        yield from self.take(
            rf"\b(?:{verb}\s+)(?P<to>away(?:\s+from\s+{E.ME})?|(?:straight\s+)?(?:towards?\s+|to\s+|at\s+)?{E.ME}"
            r"|(?:to\s+|towards?\s+)?(?:the\s+|my\s+)?(?:left|right)|sideways|forwards? me)\b",
            E.facing,
        )
        yield from self.take(
            r"\b(?:seen|viewed|visible|shown|visible only)\s+from\s+(?:the\s+|its\s+)?"
            r"(?P<to>behind|back|rear|front|side)\b",
            E.facing,
        )
        yield from self.take(r"\b(?P<to>oncoming)\b", E.facing)

    def _sides(self) -> Iterator[Read]:
        yield from self.take(
            rf"\b(?:(?:straight|directly|dead) ahead|ahead of {E.ME}"
            rf"|(?:(?:right|directly|straight) )?in front of {E.ME})\b",
            lambda _: Side("ahead"),
        )
        yield from self.take(
            r"\b(?:on|to|at|off to|in)\s+(?:the|my|our)\s+(?:far\s+)?(?P<s>left|right)\b"
            r"(?:[\s-]+(?:hand\s+)?side)?(?!\s+(?:lane|of\s+the|edge|turn|headlight|door|foot|hand|arm)\b)",
            lambda m: Side(m["s"].lower()),
        )

    def _name(self) -> Iterator[Read]:
        """What is meant, with its colours: the first noun, and what that is said to be."""
        number = rf"\b(?P<c>{any_of([spelt(i) for i in range(2, 21)])}|[1-9]\d?)"
        yield from self.take(
            rf"{number}\s+{E.ADJECTIVES}(?<![\w-])(?P<noun>{any_of(PLURAL)})\b",
            lambda m: Count(
                int(E.SPELT.get(m["c"].lower()) or m["c"]),
                PLURAL[m["noun"].lower()],
                colors_in(m["adjectives"]),
            ),
            keep=True,
        )
        nouns = list(re.finditer(NOUN, self.text, re.I))
        if not nouns:
            return
        first = next((noun for noun in nouns if noun["noun"].lower() in NAMES_EN), nouns[0])
        name = NAMES_EN.get(first["noun"].lower())
        if name is not None:
            yield self.fact(first, name)
        before = re.search(rf"{E.COLORS}\s+(?:{E.TONE}\s+)*$", self.text[: first.start()], re.I)
        rank = re.search(
            rf"\b(?P<rank>{any_of(E.RANK_OF)})\s+(?:[\w-]+\s+){{0,3}}$", self.text[: first.start()], re.I
        )
        rank = rank or re.search(rf"\b(?:is|are)\s+(?P<rank>{any_of(E.RANK_OF)})\b", self.text, re.I)
        if rank is not None and isinstance(name, P.IsCategory):
            yield self.fact(rank, Ranked(name.category, E.RANK_OF[rank["rank"].lower()]))
        colors = colors_in(before["colors"]) if before is not None else ()
        if name is not None and re.search(
            r"\bthe (?:only|sole|single)\s+(?:[\w-]+\s+){0,3}$", self.text[: first.start()], re.I
        ):
            yield self.fact(first, Count(1, name, colors, whole=True))
        if before is not None:
            yield self.fact(before, Colored(colors))
        yield from self._dress(first.end())

    def _dress(self, start: int) -> Iterator[Read]:
        """Colours behind the noun: of clothes, and of what is said to be of a colour."""
        rest = self.text[start:]
        dress = re.match(
            rf"\s*,?\s*(?:(?:who|that) is )?(?:dressed |clothed )?(?:in|wearing|with)\s+(?:an? )?{E.COLORS}\b"
            r"(?!\s+(?:bag|backpack|hat|cap|hair|bicycle|bike|dog|umbrella|helmet|trousers|pants|shoes))",
            rest,
            re.I,
        )
        said = re.search(
            r"\b(?:(?:is|are)\s+(?:all\s+)?(?:the\s+)?|colou?r(?:ed)?(?:\s+is)?\s+|painted\s+)"
            rf"(?:an? )?{E.COLORS}\b",
            rest,
            re.I,
        )
        for match in (dress, said):
            if match is not None:
                yield Read(
                    rest[match.start() : match.end()].strip(), start, Colored(colors_in(match["colors"]))
                )
        complement = re.search(
            rf"\b(?:is|are)\s+(?:all\s+)?(?:the\s+|a\s+|an\s+)?{E.ADJECTIVES}{NOUN}", rest, re.I
        )
        if complement is not None and complement["noun"].lower() in NAMES_EN:
            yield Read(complement["noun"], start + complement.start(), NAMES_EN[complement["noun"].lower()])
