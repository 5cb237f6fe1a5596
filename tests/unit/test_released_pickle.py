"""Reading pickles of plain data: what is allowed, and that nothing else is ever called."""

import decimal
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retu.audit.released.plain_pickle import MAX_BYTES, load_plain_pickle
from retu.core.errors import InputError

PLAIN = {0: {"gsm8k": 67.81, "aime": 4.5}, 19.76: {"names": ["a", "b"], "count": -3}}
RELEASED = {0.57: {"gsm8k": np.float64(88.76), "aime": np.float64(8.75)}}


class CallingPickle:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back_from_every_protocol(protocol: int) -> None:
    assert load_plain_pickle(pickle.dumps(PLAIN, protocol), "file") == PLAIN


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int8, np.uint16])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_numpy_scalars_become_python_numbers(kind: Any, protocol: int) -> None:
    number = load_plain_pickle(pickle.dumps([kind(12.5)], protocol), "file")[0]
    assert number == kind(12.5)
    assert type(number) in (int, float)


def test_big_endian_scalars_are_read_in_their_order() -> None:
    scalar = np.array([1.5], dtype=">f8")[0]
    # NumPy writes scalars in the machine's order; a file from another machine says ">".
    data = pickle.dumps(scalar, 4).replace(b"\x8c\x01<", b"\x8c\x01>")
    swapped = data.replace(scalar.tobytes(), scalar.tobytes()[::-1])
    assert swapped != data
    assert load_plain_pickle(swapped, "file") == 1.5


def test_both_names_of_the_numpy_module_are_known() -> None:
    data = pickle.dumps(RELEASED, 3)
    old = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != data
    assert load_plain_pickle(old, "file") == load_plain_pickle(data, "file") == RELEASED


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CallingPickle(eval, "1 + 1"), "builtins.eval"),
        (CallingPickle(os.system, "true"), "system"),
        (decimal.Decimal("1.5"), "decimal.Decimal"),
        (np.array([1.5]), "_reconstruct"),
        (np.array([PLAIN], dtype=object), "_reconstruct"),
        (np.datetime64("2026-05-08"), "numpy.dtype"),
        (np.complex128(1j), "numpy.dtype"),
        (np.str_("text"), "numpy.dtype"),
        (np.void(b"12345678"), "numpy.dtype"),
        ({1, 2}, "builtins.set"),
        ((1, 2), "builtins.tuple"),
        ([b"bytes"], "builtins.bytes"),
        ({"a": None}, "builtins.NoneType"),
        ([True], "builtins.bool"),
        (np.dtype("f8"), "NumberType"),
        ({frozenset([1]): 1}, "builtins.frozenset"),
    ],
)
def test_anything_else_is_refused_by_name(content: object, name: str) -> None:
    with pytest.raises(InputError, match=f"cache.pkl: asks for .*{name}.*; fetch the") as error:
        load_plain_pickle(pickle.dumps(content, 4), "cache.pkl")
    assert "\n" not in str(error.value)


def test_nothing_that_a_pickle_names_is_called(tmp_path: Path) -> None:
    made = tmp_path / "made"
    data = pickle.dumps([PLAIN, CallingPickle(os.mkdir, str(made))])
    with pytest.raises(InputError, match=r"mkdir, which is no plain data"):
        load_plain_pickle(data, "file")
    assert not made.exists()


def test_a_scalar_type_with_fields_is_refused() -> None:
    data = pickle.dumps(np.void((1.0, 2), dtype=[("a", "f8"), ("b", "i8")]))
    with pytest.raises(InputError, match=r"numpy\.dtype"):
        load_plain_pickle(data, "file")


def test_a_persistent_reference_is_refused() -> None:
    with pytest.raises(InputError, match="a persistent reference"):
        load_plain_pickle(b"\x80\x04K\x01Q.", "file")


def test_every_truncation_is_noticed() -> None:
    data = pickle.dumps(RELEASED)
    for length in range(len(data)):
        with pytest.raises(InputError, match=r"^file: "):
            load_plain_pickle(data[:length], "file")


def test_every_changed_byte_gives_plain_data_or_one_line() -> None:
    data = pickle.dumps(RELEASED)
    messages = []
    for place in range(len(data)):
        for change in (1, 0x20, 0xFF):
            damaged = bytes([*data[:place], data[place] ^ change, *data[place + 1 :]])
            try:
                load_plain_pickle(damaged, "file")
            except InputError as error:
                messages.append(str(error))
    assert len(messages) > len(data)
    assert all(message.startswith("file: ") for message in messages)


def test_a_place_far_out_in_the_memo_takes_no_memory() -> None:
    with pytest.raises(InputError, match="place 2147483647 in its memo"):
        load_plain_pickle(b"\x80\x04K\x01r\xff\xff\xff\x7f.", "file")


def test_content_after_the_end_is_refused() -> None:
    with pytest.raises(InputError, match="goes on after its end"):
        load_plain_pickle(pickle.dumps(PLAIN) + b"more", "file")


def test_too_deep_content_is_refused() -> None:
    content: object = 1
    for _ in range(9):
        content = [content]
    with pytest.raises(InputError, match="more than 8 levels"):
        load_plain_pickle(pickle.dumps(content), "file")


def test_a_list_inside_itself_is_refused() -> None:
    content: list[object] = []
    content.append(content)
    with pytest.raises(InputError, match="more than 8 levels"):
        load_plain_pickle(pickle.dumps(content), "file")


def test_a_list_named_again_and_again_costs_no_time() -> None:
    content: object = [1] * 100
    for _ in range(6):
        content = [content] * 100
    assert len(load_plain_pickle(pickle.dumps(content), "file")) == 100


def test_a_file_over_the_limit_is_not_even_read() -> None:
    with pytest.raises(InputError, match="over the limit"):
        load_plain_pickle(pickle.dumps("x" * MAX_BYTES), "file")
