"""Tables of text and recorded numbers: the same rows in LaTeX and in a notebook."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from practicals.publish import numerals


@dataclass(frozen=True)
class Cell:
    """A table cell that shows a recorded number."""

    key: str
    text: str
    bold: bool = False
    form: str = "value"


Row = Sequence[str | Cell] | None


@dataclass(frozen=True)
class Table:
    """A table of strings and cells; a row that is None is a rule."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    align: str
    caption: str | None = None

    def keys(self) -> list[str]:
        """Return the keys of the numbers shown, each once."""
        cells = (cell for row in self.rows for cell in row or ())
        return list(dict.fromkeys(cell.key for cell in cells if isinstance(cell, Cell)))

    def tex(self) -> str:
        """Return a booktabs ``tabular`` without a float and without a caption."""
        lines = [rf"\begin{{tabular}}{{{self.align}}}", r"\toprule"]
        lines += [_tex_row(self.header), r"\midrule"]
        lines += [r"\midrule" if row is None else _tex_row(row) for row in self.rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def _repr_html_(self) -> str:
        letters = re.findall(r"[lcr]|p\{[^}]*\}", self.align)
        align = [{"r": "right", "c": "center"}.get(letter, "left") for letter in letters]
        head = _html_row(self.header, "th", align)
        rows = "".join(_html_row(row, "td", align) for row in self.rows if row is not None)
        caption = f"<caption>{numerals.to_html(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table>"

    def __repr__(self) -> str:
        rows = [self.header, *(row for row in self.rows if row is not None)]
        return "\n".join(" | ".join(map(_text, row)) for row in rows)


def _text(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _tex_cell(cell: str | Cell) -> str:
    text = numerals.to_tex(_text(cell))
    return rf"\textbf{{{text}}}" if isinstance(cell, Cell) and cell.bold else text


def _span(row: Sequence[str | Cell]) -> int:
    """Return over how many columns the last text of a row goes: a remark takes the empty cells."""
    used = len(row)
    while used > 1 and row[used - 1] == "":
        used -= 1
    return len(row) - used + 1 if isinstance(row[used - 1], str) else 1


def _tex_row(row: Sequence[str | Cell]) -> str:
    span, texts = _span(row), [_tex_cell(cell) for cell in row]
    if span > 1:
        remark = rf"\multicolumn{{{span}}}{{l}}{{{texts[-span]}}}"
        texts = [*texts[:-span], remark]
    return " & ".join(texts) + r" \\"


def _html_row(row: Sequence[str | Cell], tag: str, align: Sequence[str]) -> str:
    cells, span = [], _span(row)
    last = len(row) - span
    for place, (cell, side) in enumerate(zip(row[: last + 1], align, strict=False)):
        text = numerals.to_html(_text(cell))
        text = f"<b>{text}</b>" if isinstance(cell, Cell) and cell.bold else text
        wide = place == last and span > 1
        columns, side = (f' colspan="{span}"', "left") if wide else ("", side)
        cells.append(f'<{tag}{columns} style="text-align: {side}">{text}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"


def with_published(
    table: Table,
    values: Mapping[str, dict[str, Any]],
    forms: Mapping[str, Callable[[dict[str, Any]], str | None]],
) -> Table:
    """Return the table with one more column: the published numbers of each row, in its order."""
    if not any(key in values for key in table.keys()):  # noqa: SIM118 (no dict)
        return table

    def column(row: Row) -> str:
        cells = [cell for cell in row if isinstance(cell, Cell)]
        texts = [forms[cell.form](values[cell.key]) for cell in cells if cell.key in values]
        return " / ".join(filter(None, texts))

    rows = tuple(row and (*row, column(row)) for row in table.rows)
    header = (*table.header, "published (full profile)")
    return Table(header, rows, f"{table.align}l", table.caption)
