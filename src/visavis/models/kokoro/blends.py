"""Voices that are means of published ones.

The mean of several style tables is a voice as well. Weak sounds of one of its voices are evened out by
the others: figures in this folder's README.
"""

from __future__ import annotations

BLENDS: dict[str, tuple[str, ...]] = {
    "zf_xiaohe": ("zf_xiaobei", "zf_xiaoxiao", "zf_xiaoyi"),
}
"""Name of a blend and the voices whose tables are averaged, each with the same weight."""
