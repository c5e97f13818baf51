"""Does every sequence of sets and of strangers' files leave the strangers' as they are?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.definitions.kept_sets import KeptSets
from satellite.definitions.set_placing import FolderTaken, is_placed, place
from tests.support.definitions.made_sets import bring, in_folder, made_set

NAMES = ("daily.cvd", "main.cvd", "daily.cld", "a.ndb")
SETS = (
    made_set(1, {"daily.cvd": b"1", "main.cvd": b"same"}),
    made_set(2, {"daily.cvd": b"2", "main.cvd": b"same", "a.ndb": b"2"}),
    made_set(3, {"a.ndb": b"3"}),
)
PLACE = st.tuples(st.just("place"), st.sampled_from((0, 1, 2, None)))
STRANGER = st.tuples(st.just("stranger"), st.sampled_from(NAMES))
GONE = st.tuples(st.just("gone"), st.sampled_from(NAMES))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(PLACE, PLACE, STRANGER, GONE), max_size=12))
def test_the_folder_holds_one_set_and_what_strangers_put_there(
    steps: list[tuple[str, int | str | None]],
) -> None:
    with tempfile.TemporaryDirectory() as made_folder:
        folder = Path(made_folder)
        sets = KeptSets(folder)
        for made in SETS:
            bring(sets, made)
        strangers: dict[str, bytes] = {}
        for number, (what, which) in enumerate(steps):
            if what == "place":
                _place(sets, which, strangers)
            elif what == "stranger":
                strangers[str(which)] = f"a stranger's {number}".encode()
                (folder / "new").write_bytes(strangers[str(which)])
                (folder / "new").replace(folder / str(which))
            else:
                strangers.pop(str(which), None)
                (folder / str(which)).unlink(missing_ok=True)
            found = in_folder(folder)
            assert {name: found[name] for name in strangers} == strangers


def _place(sets: KeptSets, which: int | str | None, strangers: dict[str, bytes]) -> None:
    before = in_folder(sets.folder)
    wanted = SETS[which] if isinstance(which, int) else None
    try:
        place(sets, None if wanted is None else wanted.name)
    except FolderTaken:
        assert in_folder(sets.folder) == before
        assert strangers
        return
    files = {} if wanted is None else dict(wanted.files)
    assert in_folder(sets.folder) == files | strangers
    assert wanted is None or is_placed(sets, wanted.name)
