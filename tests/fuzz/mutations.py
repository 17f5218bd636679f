"""How bytes get worse: strategies of Hypothesis, so that what fails is made small by itself."""

import zlib

from hypothesis import strategies as st

MAX_MUTATIONS = 5
# Sizes and counts at which code tends to break, in two or four bytes.
VALUES = (
    *(0, 1, 2, 3, 7, 8, 31, 127, 128, 255, 256, 4095, 8000, 20_000, 20_001, 32_767, 32_768),
    *(65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1),
)
NUMBERS_OR_BYTES = st.binary(max_size=4) | st.builds(
    lambda value, size, order: (value % 256**size).to_bytes(size, order),
    st.sampled_from(VALUES),
    st.sampled_from((2, 4)),
    st.sampled_from(("little", "big")),
)
REPETITIONS = st.sampled_from((1, 1, 2, 100))
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@st.composite
def mutated_files(draw: st.DrawFn, samples: dict[str, bytes]) -> bytes:
    """Draw a sample in which parts were replaced, left out or repeated; or noise."""
    files = st.sampled_from([samples[name] for name in sorted(samples)])
    data = draw(st.binary(max_size=300) if draw(st.integers(0, 30)) == 0 else files)
    for _ in range(draw(st.integers(1, MAX_MUTATIONS))):
        # Headers are at the beginning, and it is they who hold sizes.
        start = draw(st.integers(0, min(len(data), draw(st.sampled_from((64, len(data)))))))
        new = draw(NUMBERS_OR_BYTES)
        if draw(st.booleans()):
            source = data if draw(st.booleans()) else draw(files)
            first = draw(st.sampled_from((start, 0, len(source) // 2)))
            new = source[first : first + draw(st.integers(0, 64))] * draw(REPETITIONS)
        removed = draw(st.sampled_from((len(new), len(new), len(new), 0, 1, 40, len(data))))
        data = data[:start] + new + data[start + removed :]
    # Or the checksums would keep nearly all of it from the decoder.
    return repair_png(data) if draw(st.integers(0, 3)) else data


def repair_png(data: bytes) -> bytes:
    """Write the checksums that a PNG's chunks should have; other files stay as they are."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    repaired = bytearray(data)
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4])
        if end > len(data):
            break
        repaired[end - 4 : end] = zlib.crc32(data[position + 4 : end - 4]).to_bytes(4)
        position = end
    return bytes(repaired)
