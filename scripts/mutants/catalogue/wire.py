"""Mutants of bytes on the wire: lengths, checksums, types, and what they may cost (P32, P33, P43, R21, H1 to H14)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_FRAMES = "tests/net/test_frames.py"
_CODEC = "tests/net/test_codec.py"
_BOUNDS = "tests/fuzz/test_bounds.py"
_PORTS = "tests/fuzz/test_ports.py"

MUTANTS = (
    Mutant(
        "frame-checksum-ignored",
        "R21",
        "a flipped bit on the wire never becomes data",
        (
            Edit(
                "net/frames.py",
                "FrameReader.feed",
                "if crc32(payload) != checksum:",
                "if False:",
            ),
        ),
        (_FRAMES,),
    ),
    Mutant(
        "frame-length-without-bound",
        "P32",
        "a length beyond the limit is refused before a byte is kept",
        (
            Edit(
                "net/frames.py",
                "FrameReader._check_length",
                "if not 0 < length <= self.frame_bytes_max:",
                "if not 0 < length:",
            ),
        ),
        (_FRAMES,),
        simulated=False,
    ),
    Mutant(
        "empty-frame-taken",
        "H2",
        "a frame of length 0 is no frame of ours",
        (
            Edit(
                "net/frames.py",
                "FrameReader._check_length",
                "if not 0 < length <= self.frame_bytes_max:",
                "if not 0 <= length <= self.frame_bytes_max:",
            ),
        ),
        (_FRAMES,),
        simulated=False,
    ),
    Mutant(
        "stranger-may-send-large-frames",
        "P32",
        "before the hello was accepted a frame has at most 4 KiB",
        (
            Edit(
                "net/frames.py",
                "FrameReader.__init__",
                "frame_bytes_max: int = HELLO_FRAME_BYTES_MAX",
                "frame_bytes_max: int = PEER_FRAME_BYTES_MAX",
            ),
        ),
        (_FRAMES, _BOUNDS),
        simulated=False,
    ),
    Mutant(
        "slow-frame-copied-per-byte",
        "H5",
        "bytes that come one by one are not parsed again for each",
        (
            Edit(
                "net/frames.py",
                "FrameReader.feed",
                "if not self._complete():",
                "if False:",
            ),
        ),
        (_FRAMES, _BOUNDS),
        simulated=False,
    ),
    Mutant(
        "bytes-after-a-cut-lost",
        "H1",
        "any cut of the stream gives the same payloads",
        (
            Edit(
                "net/frames.py",
                "FrameReader.feed",
                "if at < end:",
                "if at < end and not at:",
            ),
        ),
        (_FRAMES,),
    ),
    Mutant(
        "numbers-of-any-size",
        "H14",
        "a ballot or slot has at most 63 bits",
        (
            Edit(
                "net/codec.py",
                "number",
                "not 0 <= raw <= NUMBER_MAX",
                "raw < 0",
            ),
        ),
        (_CODEC,),
        simulated=False,
    ),
    Mutant(
        "true-is-a-number",
        "P43",
        "a field has exactly its type",
        (
            Edit(
                "net/codec.py",
                "number",
                "type(raw) is not int",
                "not isinstance(raw, int)",
            ),
        ),
        (_CODEC,),
        simulated=False,
    ),
    Mutant(
        "slot-zero-taken",
        "P43",
        "slots count from 1",
        (
            Edit(
                "net/codec.py",
                "_slot",
                "if number(raw) == 0:",
                "if number(raw) < 0:",
            ),
        ),
        (_CODEC,),
        simulated=False,
    ),
    Mutant(
        "text-for-a-value",
        "P43",
        "a value is bytes",
        (
            Edit(
                "net/codec.py",
                "blob",
                "if type(raw) is not bytes:",
                "if type(raw) is not bytes and type(raw) is not str:",
            ),
        ),
        (_CODEC, _BOUNDS),
        simulated=False,
    ),
    Mutant(
        "message-with-too-few-fields",
        "P43",
        "a message has all of its fields",
        (
            Edit(
                "net/codec.py",
                "decode",
                "if len(payload) != len(checks) + 1:",
                "if len(payload) > len(checks) + 1:",
            ),
        ),
        (_CODEC,),
        simulated=False,
    ),
    Mutant(
        "arrays-of-any-length",
        "H3",
        "a header that claims a long array reserves nothing",
        (
            Edit(
                "net/protocol.py",
                "decode",
                "max_array_len=items_max,",
                "max_array_len=(1 << 31) - 1,",
            ),
        ),
        (_CODEC, _BOUNDS),
        simulated=False,
    ),
    Mutant(
        "items-beyond-the-bytes",
        "H3",
        "an array claims no more items than its payload has bytes",
        (
            Edit(
                "net/protocol.py",
                "decode",
                "items_max = min(items_max, len(payload))",
                "pass",
            ),
        ),
        (_BOUNDS,),
        simulated=False,
    ),
    Mutant(
        "extension-types-taken",
        "P43",
        "an extension type of msgpack is no data of ours",
        (
            Edit(
                "net/protocol.py",
                "decode",
                "ext_hook=_refuse_extension,",
                "",
            ),
        ),
        (_BOUNDS,),
        simulated=False,
    ),
    Mutant(
        "magic-word-alone",
        "H1",
        "the first words of a stranger are complete before they are looked at",
        (
            Edit(
                "net/peering.py",
                "decode_card",
                " or len(fields) < 2",
                "",
            ),
        ),
        (_PORTS,),
        simulated=False,
    ),
    Mutant(
        "nesting-bomb-escapes",
        "H3",
        "too deep a nesting is a fault of the sender, not an error of ours",
        (
            Edit(
                "net/protocol.py",
                "decode",
                "except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:",
                "except (msgpack.exceptions.ExtraData, msgpack.exceptions.UnpackException) as error:",
            ),
        ),
        (_CODEC,),
        simulated=False,
    ),
    Mutant(
        "slow-reader-buffered-without-bound",
        "P33",
        "a peer too slow for its queue is cut off",
        (
            Edit(
                "net/stream.py",
                "FrameStream.flush",
                "if self._transport.get_write_buffer_size() > self._write_bytes_max:",
                "if False:",
            ),
        ),
        (_PORTS,),
        simulated=False,
    ),
    Mutant(
        "fault-ends-nothing",
        "H1",
        "wrong bytes close the connection they came on",
        (
            Edit(
                "net/stream.py",
                "FrameStream.data_received",
                "self.refuse(str(error))",
                "pass",
            ),
        ),
        (_PORTS,),
    ),
    Mutant(
        "bytes-after-a-close-heard",
        "P31",
        "what comes on a connection that was closed means nothing",
        (
            Edit(
                "net/stream.py",
                "FrameStream.data_received",
                "if self.closed_because is not None:",
                "if False:",
            ),
        ),
        (_PORTS,),
    ),
    Mutant(
        "silent-stranger-stays",
        "H5",
        "a connection without a hello is closed after a while",
        (
            Edit(
                "net/stream.py",
                "FrameStream._no_hello",
                'self.refuse(f"no hello within {HELLO_TIMEOUT_S:g} s")',
                "pass",
            ),
        ),
        (_PORTS,),
        simulated=False,
    ),
    Mutant(
        "late-refusal-ends-the-node",
        "P31",
        "a refusal of an earlier hello, whose copy came late, says nothing of this life",
        (
            Edit(
                "net/link.py",
                "_Outbound.on_payload",
                "if refused.forgotten not in (None, self._introduced_as):",
                "if False:",
            ),
        ),
        ("tests/net/test_link.py",),
    ),
)
