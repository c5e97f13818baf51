"""The header section of a message: reading a stranger's, and writing ours.

Pure. ``block`` finds the fields, ``encoded_words`` turns their text into characters, ``forged``
finds those that bear our name, ``ours`` writes the lines that each delivered copy carries.
"""

from satellite.headers.block import HEADER_BYTES_MAX, HeaderBlock
from satellite.headers.ours import KeptHeader, render, render_released

__all__ = ["HEADER_BYTES_MAX", "HeaderBlock", "KeptHeader", "render", "render_released"]
