"""Of which risky type is a content, by what it is and by what it is called?

Pure. What it is comes first: a program is one under any name. A script has no mark at its
beginning, so names count as well; they are the sender's word, and their end picks what opens a
file.

Source: the endings that Outlook blocks (*Blocked attachments in Outlook*, level 1) and those that
Gmail refuses (*File types blocked in Gmail*), and archives and disc images that systems open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from common.preferences.risky_types import RiskyType
from satellite.scanning.content_kind import ContentKind, Kinds

_T = RiskyType

# By the end of a name, in lower case.
_WORDS: Mapping[RiskyType, str] = {
    _T.PROGRAM: (
        "ade adp apk app appimage appref-ms appx appxbundle bin chm com cpl deb dll drv elf "
        "exe gadget hlp jar jnlp ko mde msi msix msixbundle msp mst ocx pif pkg prg rpm run "
        "scr sct shb so sys vxd xap xbap xll"
    ),
    _T.SCRIPT: (
        "applescript bas bash bat btm cjs cmd command crt csh diagcab hta inf ins isp its js "
        "jse ksh mjs msh msh1 msh1xml msh2 msh2xml mshxml pl ps1 ps1xml ps2 ps2xml psc1 psc2 "
        "psd1 psm1 py pyc pyw pyz pyzw rb reg scf sh shs sql tcl vb vbe vbs wasm ws wsc wsf "
        "wsh xsl xslt zsh"
    ),
    _T.ARCHIVE: (
        "7z ace alz ar arc arj bz bz2 bzip2 cab cpio dz egg gz gzip lha lz lz4 lzh lzma r00 "
        "r01 rar tar taz tbz tbz2 tgz tlz txz tzst uu uue wim xar xxe xz z zip zipx zoo zst "
        "zstd"
    ),
    _T.MACRO: (
        "accda accdb accde accdr doc docm dot dotm iqy mdb mdw mht mhtml odb one onepkg oqy "
        "pot potm ppa ppam pps ppsm ppt pptm pub rqy rtf sldm slk wbk wiz xla xlam xlm xls "
        "xlsb xlsm xlt xltm xlw"
    ),
    _T.PAGE: "htm html shtm shtml svg svgz xht xhtm xhtml",
    _T.SHORTCUT: (
        "desktop library-ms lnk mcf msc search-ms searchconnector-ms settingcontent-ms theme "
        "themepack url webloc website"
    ),
    _T.DISK: "dmg img iso udf vdi vhd vhdx vmdk",
}
ENDINGS: Mapping[RiskyType, frozenset[str]] = {
    kind: frozenset(words.split()) for kind, words in _WORDS.items()
}
TYPE_BY_ENDING: Mapping[str, RiskyType] = {
    ending: kind for kind, endings in ENDINGS.items() for ending in endings
}

_BY_KIND: Mapping[ContentKind, RiskyType] = {
    ContentKind.GZIP: _T.ARCHIVE,
    ContentKind.BZIP2: _T.ARCHIVE,
    ContentKind.XZ: _T.ARCHIVE,
    ContentKind.TAR: _T.ARCHIVE,
    ContentKind.RAR: _T.ARCHIVE,
    ContentKind.SEVEN_ZIP: _T.ARCHIVE,
    ContentKind.ACE: _T.ARCHIVE,
    ContentKind.CAB: _T.ARCHIVE,
    ContentKind.ARJ: _T.ARCHIVE,
    ContentKind.LHA: _T.ARCHIVE,
    ContentKind.ZSTD: _T.ARCHIVE,
    ContentKind.LZIP: _T.ARCHIVE,
    ContentKind.COMPRESS: _T.ARCHIVE,
    ContentKind.EGG: _T.ARCHIVE,
    ContentKind.ALZ: _T.ARCHIVE,
    ContentKind.LZMA: _T.ARCHIVE,
    ContentKind.LZ4: _T.ARCHIVE,
    ContentKind.XAR: _T.ARCHIVE,
    ContentKind.ZOO: _T.ARCHIVE,
    ContentKind.CPIO: _T.ARCHIVE,
    ContentKind.AR: _T.ARCHIVE,
    ContentKind.TNEF: _T.ARCHIVE,
    ContentKind.ISO: _T.DISK,
    ContentKind.UDF: _T.DISK,
    ContentKind.WIM: _T.DISK,
    ContentKind.VHD: _T.DISK,
    ContentKind.VHDX: _T.DISK,
    ContentKind.DMG: _T.DISK,
    ContentKind.SQUASHFS: _T.DISK,
    ContentKind.CHM: _T.PROGRAM,
    ContentKind.RPM: _T.PROGRAM,
    ContentKind.COMPOUND: _T.MACRO,  # the old Office formats, Outlook's and msi
    ContentKind.RTF: _T.MACRO,
    ContentKind.ONE_NOTE: _T.MACRO,
    ContentKind.ACTIVE_MIME: _T.MACRO,
}
_PROGRAM_MARKS = (
    b"MZ",
    b"ZM",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",  # Java, and Mach-O for several machines
    b"dex\n03",
)
_SHORTCUT_MARKS = (b"L\0\0\0\x01\x14\x02\0", b"[InternetShortcut]")
_OOXML_NAME, _ODF_MARK = b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis."
_ZIP_MARK, _ODF_PLACE = b"PK\x03\x04", 30
_MACROS = b"vbaProject.bin"
NAME_LENGTH_MAX = 1_024  # the end of a longer one counts


def type_of_name(name: str) -> RiskyType | None:
    """Return the type that a file's name stands for, by its end, without blanks and dots."""
    ending = name[-NAME_LENGTH_MAX:].rstrip(" .\t\0\"';").rpartition(".")[2].lower()
    return TYPE_BY_ENDING.get(ending)


def type_of_beginning(content: bytes) -> RiskyType | None:
    """Return the type that the first octets of a content show; None: none, or not there."""
    if content.startswith(_PROGRAM_MARKS):
        return _T.PROGRAM
    if content.startswith(_SHORTCUT_MARKS):
        return _T.SHORTCUT
    return _T.SCRIPT if content.startswith(b"#!") else None


def types_of_content(content: bytes, kinds: Kinds) -> Iterator[RiskyType]:
    """Yield the types that a content is of, whatever it is called.

    Args:
        content: decoded, whole.
        kinds: of it; see ``content_kind.kinds_of``.
    """
    beginning = type_of_beginning(content)
    if beginning is not None:
        yield beginning
    if kinds.beginning is ContentKind.ZIP:
        yield from _types_of_zip(content)
    for kind in (kinds.beginning, *kinds.further_in):
        if kind is not None and kind in _BY_KIND:
            yield _BY_KIND[kind]


def _types_of_zip(content: bytes) -> Iterator[RiskyType]:
    """Yield what a ZIP archive is: as a document of Office it is what is in it."""
    if _MACROS in content:
        yield _T.MACRO
    is_document = _OOXML_NAME in content or content.startswith(_ODF_MARK, _ODF_PLACE)
    if not is_document:
        yield _T.ARCHIVE
