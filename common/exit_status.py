"""With which exit status does a program say that its settings are wrong?

Pure. Source: sysexits.h.
"""

WRONG_SETTINGS = 78  # EX_CONFIG
