"""Reading a pickle that may hold plain data only: dicts, lists, numbers, strings.

A pickle is a program; reading one with `pickle.load` runs whatever its writer put in. This reader
never calls anything that a pickle names. The two NumPy names that a number needs are answered by
classes of this module, which turn it into a Python number; every other name is refused.
"""

import io
import pickle
import pickletools
import struct
from typing import Any

from retu.audit.released.released_files import FETCH_AGAIN
from retu.core.errors import InputError

MAX_BYTES = 1 << 20
MAX_NESTING = 8
PLAIN_TYPES = (dict, list, int, float, str)
SCALAR_GLOBALS = frozenset(
    {("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}
)
"""Both names of the function that makes a NumPy scalar: NumPy 2 renamed its module."""
# A damaged stream fails in as many ways as it has opcodes; these are all that opcodes can raise.
DAMAGE_ERRORS: tuple[type[Exception], ...] = (
    *(pickle.UnpicklingError, struct.error, ArithmeticError, AttributeError, EOFError),
    *(ImportError, LookupError, MemoryError, RecursionError, TypeError, ValueError),
)
MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
FORMATS = {
    **{f"f{size}": code for size, code in ((2, "e"), (4, "f"), (8, "d"))},
    **{f"i{size}": code for size, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))},
    **{f"u{size}": code for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))},
}


class ForbiddenError(Exception):
    """The pickle asks for more than plain data; the text says for what."""


class NumberType:
    """Stands for `numpy.dtype` of a number; remembers how its bytes are laid out."""

    def __init__(self, code: str, *_: object) -> None:
        """Accept the code of an integer or a float (`f8`), nothing with objects inside."""
        if code not in FORMATS:
            raise ForbiddenError(f"numpy.dtype({code!r})")
        self.code = code
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order; the rest of the state describes records, which are refused."""
        _, order, *rest = state
        if order not in ("<", ">", "|", "=") or any(part is not None for part in rest[:3]):
            raise ForbiddenError("numpy.dtype with fields")
        self.order = ">" if order == ">" else "<"


def decode_number(kind: NumberType, data: bytes) -> int | float:
    """What `numpy.core.multiarray.scalar` would make, as a Python number."""
    if not isinstance(kind, NumberType) or not isinstance(data, bytes):
        raise ForbiddenError("numpy scalar of no number")
    value: int | float = struct.unpack(kind.order + FORMATS[kind.code], data)[0]
    return value


class PlainUnpickler(pickle.Unpickler):
    """An unpickler that knows two names, and answers them with its own classes."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse every global but the two behind a NumPy number."""
        if (module, name) in SCALAR_GLOBALS:
            # A new function each time: a pickle may set attributes on what it was given.
            return lambda kind, data: decode_number(kind, data)
        if (module, name) == ("numpy", "dtype"):
            return NumberType
        raise ForbiddenError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise ForbiddenError("a persistent reference")


def load_plain_pickle(data: bytes, source: str) -> Any:
    """Read a pickle of plain data; NumPy scalars become Python numbers.

    Args:
        data: the whole file.
        source: how errors call it.

    Raises:
        InputError: it holds or names anything else, is cut short, too large or nested too deep.
    """
    remedy = f"fetch the file of the listed commit again ({FETCH_AGAIN})"
    if len(data) > MAX_BYTES:
        raise InputError(f"{source}: has {len(data)} bytes, over the limit {MAX_BYTES}; {remedy}")
    stream = io.BytesIO(data)
    try:
        check_memo(data)
        content = PlainUnpickler(stream).load()
        check_plain_content(content)
    except ForbiddenError as error:
        raise InputError(f"{source}: asks for {error}, which is no plain data; {remedy}") from error
    except DAMAGE_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{source}: not a readable pickle ({reason}); {remedy}") from error
    if stream.read(1):
        raise InputError(f"{source}: goes on after its end; {remedy}")
    return content


def check_memo(data: bytes) -> None:
    """Refuse places in the memo beyond the length of the file, for which memory would be taken.

    The opcodes are only listed for that, not followed; a file cut short fails here already.
    """
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in MEMO_OPCODES and isinstance(argument, int) and argument > len(data):
            raise ForbiddenError(f"place {argument} in its memo")


def check_plain_content(content: object) -> None:
    """Make sure that nothing but plain data is inside, at most `MAX_NESTING` levels deep."""
    level: dict[int, object] = {id(content): content}
    for _ in range(MAX_NESTING):
        for item in level.values():
            if type(item) not in PLAIN_TYPES:
                raise ForbiddenError(f"{type(item).__module__}.{type(item).__qualname__}")
        # Visit each container once, by identity: a short pickle can refer to one list a million
        # times.
        level = {id(part): part for item in level.values() for part in list_parts(item)}
        if not level:
            return
    raise ForbiddenError(f"more than {MAX_NESTING} levels")


def list_parts(item: object) -> list[object]:
    """What a container holds, keys included."""
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return list(item) if isinstance(item, list) else []
