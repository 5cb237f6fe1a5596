"""The two binary encodings of logs: records behind each other in a file, and protobuf's fields.

Own code, as it is little: the packages that read these files bring TensorFlow's or W&B's whole
client along. Formats: TensorFlow's TFRecord, LevelDB's log format, protobuf's wire format.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

VARINT, BYTES = 0, 2
FIXED_LENGTHS = {1: 8, 5: 4}  # kind -> bytes
BLOCK = 32768
# LevelDB: a record in one piece, or its first, middle and last piece.
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
CHUNK_HEADER = struct.Struct("<IHB")


class DamagedError(Exception):
    """The bytes at a place are not what the format has there."""

    def __init__(self, place: int) -> None:
        super().__init__(f"byte {place}")
        self.place = place


@dataclass(frozen=True)
class Records:
    """The records of a file, and whether its end is missing."""

    found: list[bytes]
    is_cut: bool


def make_crc_table() -> tuple[int, ...]:
    """The table of CRC-32C (Castagnoli), which the standard library does not have."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


CRC_TABLE = make_crc_table()


def compute_masked_crc(content: bytes) -> int:
    """TFRecord's checksum."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_tf_records(content: bytes) -> Records:
    """The records of a TFRecord file: length, its checksum, content, its checksum.

    Only the checksums of lengths are tested: in pure Python those of contents take too long.

    Raises:
        DamagedError: a length whose checksum is another.
    """
    found = []
    place = 0
    while place + 12 <= len(content):
        length, crc = struct.unpack_from("<QI", content, place)
        if compute_masked_crc(content[place : place + 8]) != crc:
            raise DamagedError(place)
        end = place + 16 + length
        if end > len(content):
            break
        found.append(content[place + 12 : end - 4])
        place = end
    return Records(found, place < len(content))


def read_leveldb_log(content: bytes, start: int) -> Records:
    """The records of a log in LevelDB's format after a file header of `start` bytes.

    Raises:
        DamagedError: a piece whose checksum is another, or that has no beginning.
    """
    found: list[bytes] = []
    pieces: list[bytes] = []
    place = start
    while place + CHUNK_HEADER.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < CHUNK_HEADER.size:
            place += left
            continue
        crc, length, kind = CHUNK_HEADER.unpack_from(content, place)
        if kind == 0 and length == 0:
            place += left
            continue
        begin = place + CHUNK_HEADER.size
        piece = content[begin : begin + length]
        if len(piece) < length:
            break
        is_start = kind in (FULL, FIRST)
        if not FULL <= kind <= LAST or is_start == bool(pieces) or not is_piece(crc, kind, piece):
            raise DamagedError(place)
        pieces.append(piece)
        if kind in (FULL, LAST):
            found.append(b"".join(pieces))
            pieces = []
        place = begin + length
    return Records(found, bool(pieces) or place < len(content))


def is_piece(crc: int, kind: int, piece: bytes) -> bool:
    """Whether the checksum of a piece is right: W&B's is a plain CRC-32 of kind and content."""
    return zlib.crc32(bytes([kind]) + piece) == crc


def read_varint(message: bytes, place: int) -> tuple[int, int]:
    """A protobuf integer and where it ends."""
    if place < len(message) and message[place] < 0x80:
        return message[place], place + 1
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise DamagedError(place)
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7


def read_fields(message: bytes) -> dict[int, list[int | bytes]]:
    """The contents of each field by its number: integers, or the bytes of anything else.

    Raises:
        DamagedError: this is no protobuf message.
    """
    fields: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        kind = tag & 7
        value: int | bytes
        if kind == VARINT:
            value, place = read_varint(message, place)
        else:
            length = FIXED_LENGTHS.get(kind)
            if kind == BYTES:
                length, place = read_varint(message, place)
            if length is None or place + length > len(message):
                raise DamagedError(place)
            value = message[place : place + length]
            place += length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def pick_bytes(fields: Mapping[int, list[int | bytes]], number: int) -> list[bytes]:
    """The contents of all fields of a number that are no integers."""
    return [value for value in fields.get(number, []) if isinstance(value, bytes)]


def pick_text(fields: Mapping[int, list[int | bytes]], number: int) -> str:
    """The text of a field; empty if it is not there."""
    found = pick_bytes(fields, number)
    return found[-1].decode("utf-8", errors="replace") if found else ""


def pick_integer(fields: Mapping[int, list[int | bytes]], number: int) -> int:
    """A signed integer; 0, the default, if it is not there."""
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >> 63 else value
