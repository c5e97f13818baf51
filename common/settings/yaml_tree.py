"""What does a YAML text say, and where in it does each value stand?

Pure. libyaml reads, in C: a hundred thousand customers take seconds. What the words mean is decided
here, so that a file means one thing to all our programs, and nothing but data comes of it.

Source: YAML 1.2.2 section 10.3 (the core schema, of whose tags ``!!str``, ``!!map`` and ``!!seq``
are taken), with ``_`` between digits and the merge key ``<<`` of YAML 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from yaml import (
    AliasEvent,
    CBaseLoader,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    YAMLError,
)
from yaml.reader import ReaderError

LEVELS_MAX = 100  # of values in values; no file of ours has ten
UNFOLDED_MAX = 1_000_000  # values that aliases stand for, each counted where it is used
# So many for nothing, and so many for each value that is written out: what a small file stands for
# is small, and whoever reads it further looks at each value of it.
UNFOLDED_FREE = 10_000
UNFOLDED_PER_VALUE = 10
SCALAR_LENGTH_MAX = 65_536  # characters of one key or value; no setting of ours has a thousand

_MERGE = "<<"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_FLOAT = rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?[0-9]+)?"
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(rf"[-+]?{_DIGITS}"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda word: int(word, 0)),
    (re.compile(_FLOAT), float),
    (
        re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"),
        lambda word: float(word.replace(".", "")),
    ),
)
_DIGITS_MAX = 4000  # Python makes no number of more; nobody means one

_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_MAPPING_TAGS = (None, "!", "tag:yaml.org,2002:map")
_SEQUENCE_TAGS = (None, "!", "tag:yaml.org,2002:seq")


@dataclass(slots=True)
class YamlValue:
    """A value, and where it stands.

    Attributes:
        value: dicts with texts as keys, lists and scalars; nothing in it knows of YAML.
        line, column: from 0; those of its key where it has one.
        inside: the values in it, each with its place; None: it has none, or places are not asked.
        count: of values, with all in it; one that an alias stands for is counted each time.
    """

    value: Any
    line: int
    column: int
    inside: dict[str, YamlValue] | list[YamlValue] | None = None
    count: int = 1


class YamlFault(Exception):
    """A text is no YAML, or none that is taken.

    Attributes:
        line, column: from 0.
    """

    def __init__(self, line: int, column: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line = line
        self.column = column
        self.what = what
        self.remedy = remedy


def parse_yaml(text: str, *, has_places: bool = True) -> YamlValue:
    """Return what one document says; of an empty text, None.

    Args:
        has_places: False leaves out where each value stands: of a large file that is most memory.

    Raises:
        YamlFault: it is no YAML, or twice the same key, deeper than ``LEVELS_MAX``, has aliases
            that stand for very many values, a text that is too long, or a tag that is not taken.
    """
    try:
        return _Composer(_events(text), has_places=has_places).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        what = str(error.problem or error.context or "not valid YAML")
        raise YamlFault(line, column, what, "correct the YAML") from None
    except ReaderError as error:
        before = text.encode()[: error.position].decode(errors="replace")
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        raise YamlFault(line, column, str(error.reason), "correct the YAML") from None
    except YAMLError as error:
        raise YamlFault(0, 0, str(error), "correct the YAML") from None


def _events(text: str) -> Iterator[Event]:
    parser = CBaseLoader(text)
    while (event := parser.get_event()) is not None:
        yield event


class _Composer:
    """Makes nodes of the parser's events, as they come: none is made of a text without an end."""

    def __init__(self, events: Iterator[Event], *, has_places: bool) -> None:
        self._events = events
        self._keeps_inside = has_places  # what an alias may stand for is kept whole in any case
        self._anchors: dict[str, YamlValue] = {}
        self._unfolded = 0
        self._written = 0

    def document(self) -> YamlValue:
        next(self._events)  # the stream's beginning
        first = next(self._events)
        if isinstance(first, StreamEndEvent):
            return YamlValue(None, 0, 0)
        assert isinstance(first, DocumentStartEvent)
        root = self._node(next(self._events), level=1)
        assert isinstance(next(self._events), DocumentEndEvent)
        second = next(self._events)
        if isinstance(second, DocumentStartEvent):
            raise _fault(second, "a second document", "keep one")
        return root

    def _node(self, event: Event, *, level: int, is_merged: bool = False) -> YamlValue:
        if level > LEVELS_MAX:
            raise _fault(event, "nested too deeply", "write it flatter")
        if isinstance(event, AliasEvent):
            return self._unfold(event)
        assert isinstance(event, NodeEvent)
        before = self._keeps_inside
        self._keeps_inside = before or is_merged or event.anchor is not None
        match event:
            case ScalarEvent():
                node = _at(event, _scalar(event))
            case MappingStartEvent():
                node = self._mapping(event, level)
            case SequenceStartEvent():
                node = self._sequence(event, level)
            case _:
                raise AssertionError(event)
        self._keeps_inside = before
        self._written += 1
        # Known once it is whole: nothing can hold itself.
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _unfold(self, event: AliasEvent) -> YamlValue:
        named = self._anchors.get(str(event.anchor))
        if named is None:
            raise _fault(event, f"no value is called &{event.anchor}", "correct the alias")
        self._unfolded += named.count
        if self._unfolded > min(UNFOLDED_MAX, UNFOLDED_FREE + UNFOLDED_PER_VALUE * self._written):
            raise _fault(
                event, "its aliases have no end, or nearly", "write out what they stand for"
            )
        return _at(event, named.value, named.inside, named.count)

    def _sequence(self, event: SequenceStartEvent, level: int) -> YamlValue:
        _check_tag(event, _SEQUENCE_TAGS)
        inside: list[YamlValue] = []
        while not isinstance(item := next(self._events), SequenceEndEvent):
            inside.append(self._node(item, level=level + 1))
        value = [node.value for node in inside]
        count = 1 + sum(node.count for node in inside)
        return _at(event, value, inside if self._keeps_inside else None, count)

    def _mapping(self, event: MappingStartEvent, level: int) -> YamlValue:
        _check_tag(event, _MAPPING_TAGS)
        inside: dict[str, YamlValue] = {}
        merged: list[YamlValue] = []
        while not isinstance(key := next(self._events), MappingEndEvent):
            if not isinstance(key, ScalarEvent):
                raise _fault(key, "a key that is no word", "write a word")
            if len(key.value) > SCALAR_LENGTH_MAX:
                raise _fault(key, f"a key of {len(key.value)} characters", "shorten it")
            is_merged = key.value == _MERGE and bool(key.implicit[0])
            node = self._node(next(self._events), level=level + 1, is_merged=is_merged)
            if is_merged:
                merged += _to_merge(key, node)
                continue
            name = intern(key.value)  # the same few words, a hundred thousand times
            if name in inside:
                raise _fault(key, f"key {name[:80]!r} stands twice", "remove one")
            if key.anchor is not None:
                self._anchors[key.anchor] = _at(key, name)
            inside[name] = _at(key, node.value, node.inside, node.count)
        for mapping in merged:
            self._merge(event, mapping, inside)
        value = {name: node.value for name, node in inside.items()}
        count = 1 + sum(node.count for node in inside.values())
        return _at(event, value, inside if self._keeps_inside else None, count)

    def _merge(self, event: Event, mapping: YamlValue, inside: dict[str, YamlValue]) -> None:
        """Add what a mapping has more; what came in so has no place, its new mapping has."""
        assert isinstance(mapping.inside, dict)
        for name, node in mapping.inside.items():
            if name not in inside:
                inside[name] = _at(event, node.value, node.inside, node.count)


def _to_merge(key: Event, node: YamlValue) -> list[YamlValue]:
    found = node.inside if isinstance(node.inside, list) else [node]
    if not all(isinstance(one.inside, dict) for one in found):
        raise _fault(key, "<< of what is no mapping", "name a mapping or a list of them")
    return found


def _at(event: Event, value: Any, inside: Any = None, count: int = 1) -> YamlValue:
    mark = event.start_mark
    assert mark is not None
    return YamlValue(value, mark.line, mark.column, inside, count)


def _fault(event: Event, what: str, remedy: str) -> YamlFault:
    mark = event.start_mark
    assert mark is not None
    return YamlFault(mark.line, mark.column, what, remedy)


def _check_tag(
    event: ScalarEvent | MappingStartEvent | SequenceStartEvent, taken: Sequence[str | None]
) -> None:
    if event.tag not in taken:
        raise _fault(event, f"tag {event.tag!r:.80} is not taken", "remove it")


def _scalar(event: ScalarEvent) -> Any:
    """Return what a word means: text where it is quoted or nothing else."""
    if len(event.value) > SCALAR_LENGTH_MAX:
        raise _fault(event, f"a value of {len(event.value)} characters", "shorten it")
    if event.tag is None:
        return meaning(event.value) if event.implicit[0] else event.value
    _check_tag(event, _TEXT_TAGS)
    return event.value


def meaning(word: str) -> Any:
    """Return what a plain word is: YAML 1.2.2 section 10.3.2."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in "0123456789+-." or len(word) > _DIGITS_MAX:
        return word
    for shape, read in _NUMBERS:
        if shape.fullmatch(word):
            return read(word)
    return word
