"""A figure as a notebook shows it."""

from typing import Any

from practicals import figures
from practicals.publish import numerals


class Picture:
    """A figure with caption and alternative text, as a notebook shows it: sharper than its size."""

    def __init__(self, content: bytes, suffix: str, caption: str, alt: str) -> None:
        self.content, self.suffix, self.caption, self.alt = content, suffix, caption, alt

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display  # here: only notebooks have it

        display(self._picture())
        display(HTML(f'<p class="caption"><em>{numerals.to_html(self.caption)}</em></p>'))

    def _picture(self) -> Any:
        from io import BytesIO

        from IPython.display import Image
        from PIL import Image as Pixels

        picture = Pixels.open(BytesIO(self.content))
        dots = picture.info.get("dpi", (figures.DPI / 2,))[0]
        shown = round(picture.width / dots * figures.DPI / 2)
        kind = {"jpg": "jpeg"}.get(self.suffix, self.suffix)
        return Image(self.content, format=kind, width=shown, alt=self.alt)
