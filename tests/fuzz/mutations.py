"""How bytes get worse: strategies of hypothesis, so that what fails is made small by itself."""

import struct
import zlib

from hypothesis import strategies as st

MAX_MUTATIONS = 5
# Sizes and counts at which code tends to break.
NUMBERS = (0, 1, 2, 3, 7, 8, 31, 127, 128, 255, 256, 4095, 8000, 20_000, 20_001, 32_767, 32_768)
LARGE_NUMBERS = (*NUMBERS, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@st.composite
def mutated_files(draw: st.DrawFn, samples: dict[str, bytes]) -> bytes:
    """Draw a sample that was changed in a few places, or noise."""
    if draw(st.integers(0, 30)) == 0:
        return draw(noise(samples))
    files = st.sampled_from([samples[name] for name in sorted(samples)])
    data = draw(files)
    for _ in range(draw(st.integers(1, MAX_MUTATIONS))):
        data = draw(st.sampled_from(MUTATIONS))(draw, data, files)
    # Or the checksums would keep nearly all of it from the decoder.
    return repair_png(data) if draw(st.integers(0, 3)) else data


@st.composite
def noise(draw: st.DrawFn, samples: dict[str, bytes]) -> bytes:
    """Draw bytes that are no picture, alone or behind the beginning of one."""
    beginning = draw(st.sampled_from([samples[name] for name in sorted(samples)]))
    kept = draw(st.sampled_from((0, 2, 4, 12, 32)))
    return beginning[:kept] + draw(st.binary(max_size=300))


def _flip_bits(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    changed = bytearray(data)
    for _bit in range(draw(st.integers(1, 4))):
        if changed:
            position = draw(st.integers(0, len(changed) - 1))
            changed[position] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def _write_byte(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    position = draw(st.integers(0, max(0, len(data) - 1)))
    return data[:position] + draw(st.binary(min_size=1, max_size=2)) + data[position + 1 :]


def _write_number(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    # Headers are at the beginning, and it is they who hold sizes.
    last = draw(st.sampled_from((64, len(data))))
    position = draw(st.integers(0, min(last, len(data))))
    short = draw(st.booleans())
    code = draw(st.sampled_from(("<H", ">H") if short else ("<I", ">I")))
    number = draw(st.sampled_from(NUMBERS if short else LARGE_NUMBERS))
    written = struct.pack(code, number)
    return data[:position] + written + data[position + len(written) :]


def _truncate(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _cut_out(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    start = draw(st.integers(0, len(data)))
    return data[:start] + data[start + draw(st.integers(1, 40)) :]


def _repeat(draw: st.DrawFn, data: bytes, _: st.SearchStrategy[bytes]) -> bytes:
    start = draw(st.integers(0, len(data)))
    end = start + draw(st.integers(1, 60))
    return data[:start] + data[start:end] * draw(st.sampled_from((2, 3, 100))) + data[end:]


def _splice(draw: st.DrawFn, data: bytes, files: st.SearchStrategy[bytes]) -> bytes:
    other = draw(files)
    start = draw(st.integers(0, len(other)))
    part = other[start : start + draw(st.integers(1, 200))]
    position = draw(st.integers(0, len(data)))
    return data[:position] + part + data[position:]


def _swap_header(draw: st.DrawFn, data: bytes, files: st.SearchStrategy[bytes]) -> bytes:
    length = draw(st.sampled_from((4, 8, 12, 16, 32, 64)))
    return draw(files)[:length] + data[length:]


MUTATIONS = (
    _flip_bits,
    _write_byte,
    _write_number,
    _write_number,
    _truncate,
    _cut_out,
    _repeat,
    _splice,
    _swap_header,
)


def repair_png(data: bytes) -> bytes:
    """Write the checksums that a PNG's chunks should have; other files stay as they are."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    repaired = bytearray(data)
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        end = position + 12 + length
        if end > len(data):
            break
        repaired[end - 4 : end] = zlib.crc32(data[position + 4 : end - 4]).to_bytes(4)
        position = end
    return bytes(repaired)
