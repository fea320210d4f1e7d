"""XML that comes from anywhere: read piece by piece, with one-line errors that name file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from d2ext.reading import found_value, open_file

_CHUNK = 1 << 16  # bytes parsed at once
_MAX_TEXT = 1 << 20  # characters between two tags


class XmlParser:
    """Reads XML piece by piece; document types, which could hold entities, are refused.

    Attributes:
        root: name of the first element.
        done: whether the file has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = False
        self.root = ""
        self.expat = expat.ParserCreate()
        self.expat.StartElementHandler = self._start
        self.expat.StartDoctypeDeclHandler = self._doctype
        self._fault: ValueError | None = None

    def feed(self, data: bytes) -> None:
        """Parse the next bytes; none: the end of the file.

        Raises:
            ValueError: names the line.
        """
        try:
            self.expat.Parse(data, not data)
        except (expat.ExpatError, ValueError, LookupError) as error:
            # The latter two are for encodings that are not known.
            code = getattr(error, "code", None)
            reason = str(error)[:60] if code is None else expat.ErrorString(code)
            message = f"{self.path}:{self.expat.CurrentLineNumber}: expected XML: {reason}"
            raise self._fault or ValueError(message) from None
        self.done = not data

    def read(self) -> None:
        """Parse the whole file.

        Raises:
            FileNotFoundError, ValueError: no such file; no XML.
        """
        with open_file(self.path) as file:
            while not self.done:
                self.feed(file.read(_CHUNK))

    def fail(self, message: str) -> NoReturn:
        """End with an error of this line."""
        self._fault = ValueError(f"{self.path}:{self.expat.CurrentLineNumber}: {message}")
        raise self._fault

    def element(self, name: str, attributes: dict[str, str]) -> None:
        """Called at the start of each element."""

    def _doctype(self, *_: object) -> None:
        self.fail("expected XML without a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.root = self.root or name
        self.element(name, attributes)


@dataclass
class Element:
    """An element of a file that was read whole.

    Attributes:
        where: file and line, for messages.
        text: what stands in it, without that of its children.
    """

    name: str
    where: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[Element]:
        """The children of these names."""
        return (child for child in self.children if child.name in names)

    def below(self, *names: str) -> list[Element]:
        """What is reached by taking the children of one name after the other."""
        found = [self]
        for name in names:
            found = [child for element in found for child in element.all(name)]
        return found

    def require(self, key: str) -> str:
        """The value of an attribute.

        Raises:
            ValueError: it has none.
        """
        if key not in self.attributes:
            raise ValueError(f"{self.where}: field {key!r}: expected one in <{self.name[:40]}>, got nothing")
        return self.attributes[key]

    def whole(self, key: str, default: int | None = None) -> int:
        """The whole number, not negative, of an attribute.

        Raises:
            ValueError: anything else, or none where there is no ``default``.
        """
        if default is not None and key not in self.attributes:
            return default
        text = self.require(key)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise ValueError(f"{self.where}: field {key!r}: expected a whole number, got {found_value(text)}")
        return int(text)


class _TreeParser(XmlParser):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.top: Element | None = None
        self._open: list[Element] = []
        self._text: list[list[str]] = []
        self.expat.buffer_text = True
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._characters

    def element(self, name: str, attributes: dict[str, str]) -> None:
        found = Element(name, f"{self.path}:{self.expat.CurrentLineNumber}", attributes)
        if self._open:
            self._open[-1].children.append(found)
        else:
            self.top = found
        self._open.append(found)
        self._text.append([])

    def _end(self, _: str) -> None:
        element, parts = self._open.pop(), self._text.pop()
        if sum(map(len, parts)) > _MAX_TEXT:
            self.fail(f"expected at most {_MAX_TEXT} characters in <{element.name[:40]}>")
        element.text = "".join(parts).strip()

    def _characters(self, text: str) -> None:
        self._text[-1].append(text)


def read_xml(path: str | Path, root: str) -> Element:
    """The root element of a file, with all that is in it.

    Args:
        root: its name.

    Raises:
        FileNotFoundError, ValueError: no such file, no XML, a document type, another root.
    """
    parser = _TreeParser(Path(path))
    parser.read()
    if parser.top is None or parser.root != root:
        raise ValueError(f"{path}: expected XML of <{root}>, got <{parser.root[:40]}>")
    return parser.top
