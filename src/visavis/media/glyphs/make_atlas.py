"""Draws the atlas of the label's characters from a font; run once, by hand, when some are added.

python -m visavis.media.glyphs.make_atlas NotoSansCJK-Bold.ttc
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

EM = 64
"""Pixels of the font's em square in the atlas."""
ASCENT, DESCENT = 60, 18
"""Rows of the atlas above and below the baseline: room for g and for Han characters."""
CHARACTERS = "".join(chr(c) for c in range(32, 127)) + (
    "·—，。：！（）人工智能生成合成内容由虚拟数字制作视频本为仅供参考演示"
)


def main(font_path: str) -> None:
    """Write atlas.png and atlas.json beside this file."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(font_path, EM, index=2)  # 2: Simplified Chinese
    x, places = 0, {}
    wanted = list(dict.fromkeys(CHARACTERS))
    strip = Image.new("L", (EM * 2 * len(wanted), ASCENT + DESCENT))
    draw = ImageDraw.Draw(strip)
    for char in wanted:
        advance = round(font.getlength(char))
        draw.text((x, ASCENT), char, fill=255, font=font, anchor="ls")
        places[char] = (x, advance)
        x += advance + 8  # a gap, so that no glyph leans into the next
    here = Path(__file__).parent
    strip.crop((0, 0, x, ASCENT + DESCENT)).quantize(16).convert("L").save(
        here / "atlas.png", optimize=True
    )
    text = json.dumps({"em": EM, "ascent": ASCENT, "places": places}, ensure_ascii=False)
    (here / "atlas.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
