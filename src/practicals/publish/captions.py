r"""Captions of the report's tables as plain text, for pages that show the same tables.

A caption stands in the chapter alone, so that the site cannot say something else than the report.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from practicals.publish import numerals

FLOAT = re.compile(r"\\begin\{(table|figure)\*?\}(.*?)\\end\{\1\*?\}", re.S)
HALF = re.compile(r"\\begin\{half\}\{(table|figure)\}\{[^}]*\}(.*?)\\end\{half\}", re.S)
BESIDE = re.compile(r"\\beside\{[^}]*\}\{(table|figure)\}")
CLAIMS = re.compile(r"\\begin\{claimstable\}(.*?)\\end\{claimstable\}", re.S)
INCLUDED = re.compile(r"\\(?:input|includegraphics|mapsheet)(?:\[[^\]]*\])?\{([^}]+)\}")
LABEL = re.compile(r"\\label\{([^}]+)\}")
NUMBER = re.compile(r"\\(res|respm|resn)\{([^}]+)\}\{([^}]+)\}")
REFERENCE = re.compile(r"(table|figure|chapter|section)s?~\\ref\{([^}]+)\}")
FORMULA = re.compile(r"\$([^$]*)\$")
TITLE_ENDS = re.compile(r"[:;,.(]\s|[:;.]$| \(")
_SIGNS = {tex: sign for sign, tex in numerals._MATHS.items()} | {"\\mathcal ": "", "\\": ""}
_WORDS = {r"\%": "%", r"\,": numerals.THIN, r"\&": "&", "~": "\u00a0", "---": "—", "--": "–"}


@dataclass(frozen=True)
class Caption:
    """A caption in plain text, and the title that a page gives what it belongs to."""

    text: str
    title: str

    @property
    def below(self) -> str:
        """What stands below the title: the caption, without its beginning where that is said."""
        if not re.match(re.escape(self.title) + "[:;.]", self.text):
            return self.text
        rest = self.text[len(self.title) + 1 :].strip()
        return rest[:1].upper() + rest[1:]


def of_chapter(
    tex: str,
    values: Mapping[str, Mapping[str, dict[str, Any]]],
    figures: Mapping[str, str],
    titles: Mapping[str, str],
) -> dict[str, Caption]:
    """Return the captions of a chapter's tables, by the name of the file that each includes.

    ``values`` are the numbers of each ledger, stem to key to entry; a number that is not there
    becomes a dash. ``figures`` has the titles of figures that a caption may name, and ``titles``
    those of tables whose caption does not begin with one.
    """
    numbers = {stem: numerals.defined(dict(entries)) for stem, entries in values.items()}
    floats = [(kind, _included(body), body) for kind, body in _floats(tex)]
    raw = {name: text for kind, name, body in floats
           if kind == "table" and name and (text := _argument(body, r"\caption"))}  # fmt: skip
    own = {name: title_of(_plain(text, numbers, {})) for name, text in raw.items()}
    by_kind = {"figure": figures, "table": own | dict(titles)}
    known = {
        label: by_kind[kind][name]
        for kind, name, body in floats
        for label in LABEL.findall(body)
        if name in by_kind[kind]
    }
    return {
        name: Caption(_plain(text, numbers, known), by_kind["table"][name])
        for name, text in raw.items()
    }


def title_of(text: str) -> str:
    """Return a caption up to its first pause, without a unit: ``Cost of features``."""
    return TITLE_ENDS.split(text.replace(" (%)", ""), maxsplit=1)[0]


def _floats(tex: str) -> Iterator[tuple[str, str]]:
    r"""Yield kind and content of each float, of its halves, and of what stands ``\beside`` text."""
    for kind, body in FLOAT.findall(tex):
        yield from HALF.findall(body) or [(kind, body)]
    yield from HALF.findall(FLOAT.sub("", tex))  # what keeps its place
    for body in CLAIMS.findall(tex):  # its caption is the argument in front
        yield "table", rf"\caption{body}"
    for found in BESIDE.finditer(tex):
        body = _argument(tex[found.start() :], found[0])
        if body is not None:
            yield found[1], body


def _included(body: str) -> str | None:
    found = INCLUDED.search(body)
    return found.group(1) if found else None


def _argument(text: str, command: str) -> str | None:
    """Return what stands in the braces behind a command, braces inside it included."""
    start = text.find(command + "{") + len(command) + 1
    if start <= len(command):
        return None
    depth = 1
    for place, sign in enumerate(text[start:], start):
        if text[place - 1] != "\\":
            depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0:
            return text[start:place]
    return None


def _plain(
    tex: str, numbers: Mapping[str, Mapping[tuple[str, str], str]], known: Mapping[str, str]
) -> str:
    text = LABEL.sub("", " ".join(tex.split()))
    text = NUMBER.sub(lambda m: numbers.get(m[2], {}).get((m[1], m[3]), "–"), text)
    text = re.sub(r"[ ~]?\\cite[pt]?\{[^}]*\}", "", text)
    text = REFERENCE.sub(lambda m: _named(m[1], known.get(m[2])), text)
    text = re.sub(r"\\(?:emph|textbf|texttt)\{([^{}]*)\}", r"\1", text)
    text = FORMULA.sub(lambda m: _formula(m[1]), text)
    for mark, sign in _WORDS.items():
        text = text.replace(mark, sign)
    return text.strip()


def _named(kind: str, title: str | None) -> str:
    if kind in ("table", "figure") and title:
        return f"the {kind} “{title}”"
    return f"the {kind} of the report" if kind in ("table", "figure") else f"this {kind}"


def _formula(tex: str) -> str:
    for mark in sorted(_SIGNS, key=len, reverse=True):
        tex = tex.replace(mark, _SIGNS[mark])
    return tex.replace("_∞", "∞").strip()
