"""Does a long request say the same, read with rests?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.web.request.long_body import SHORT_BYTES_MAX, read_long
from tests.support.core.face import Face

SOUND: list[Any] = [
    {},
    {"documents": []},
    {"documents": [{"a": [1, {"b": None}]}, 2, "ü]}", [], {}], "comment": "x", "base": 3},
    {"a": {"documents": [1]}, "b": [[1], [2]], "\u2028": True},
    [1, 2],
    "text",
]


@pytest.mark.parametrize("value", SOUND, ids=str)
@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_sound_is_read_as_ever(value: Any, indent: int | None) -> None:
    assert read_long(json.dumps(value, indent=indent).encode()) == value
    assert read_long((json.dumps(value, ensure_ascii=False) + " \n").encode()) == value


def test_of_two_with_one_name_the_later_counts() -> None:
    assert read_long(b'{"a": [1], "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a"', b'{"a":', b'{"a":[', b'{"a":[1', b'{"a":[1,]}', b'{"a":[1]} x', b"{1:2}",
     b'{"a":1,}', b'{"a" 1}', b"\xff\xfe", b'{"a":[\xff]}'],
)  # fmt: skip
def test_what_is_wrong_is_refused_as_ever(body: bytes) -> None:
    with pytest.raises(ValueError) as expected:
        json.loads(body)

    with pytest.raises(ValueError) as caught:
        read_long(body)

    assert str(caught.value) == str(expected.value)


async def test_a_long_request_is_published(face: Face) -> None:
    documents = [
        {
            "kind": "route",
            "key": f"d{number}.example",
            "body": {"customer": "a" * 50, "deliver_to": ["192.0.2.1:25"]},
        }
        for number in range(1_500)
    ]
    assert len(json.dumps(documents)) > SHORT_BYTES_MAX

    answer = await face.client.post("/api/v1/documents", json={"documents": documents})

    assert answer.status_code == 200, answer.text
    assert answer.json()["revision"] == 1
    refused = await face.client.post("/api/v1/documents", json={"documents": [*documents, 7]})
    assert refused.status_code in (400, 422)
    assert "a document is an object" in refused.text
