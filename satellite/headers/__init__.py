"""The header section of a message: reading a stranger's, and writing ours.

Pure. ``block`` finds the fields, ``encoded_words`` turns their text into characters, ``ours``
writes the lines that each delivered copy carries and takes forged ones out.
"""

from satellite.headers.block import HEADER_BYTES_MAX, HeaderBlock
from satellite.headers.ours import render, render_released

__all__ = ["HEADER_BYTES_MAX", "HeaderBlock", "render", "render_released"]
