"""tsvector and tsquery as str, written as the server writes them. Manual: 8.11 "Text Search Types".

In binary format the parts of a value come one by one; they are put together to the same text here,
and taken apart again. Only words that are lexemes already belong into it: nothing is normalised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct, unpack_from
from struct import error as StructError
from typing import Final, NamedTuple

from pgwire.types.codec import (
    Decoder,
    Encoder,
    bad_binary,
    bad_text,
    builtin_codec,
    str_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.text import str_only_encoder, text_decoder

__all__ = ["CODECS"]

_COUNT: Final = Struct("!i")
_UINT2: Final = Struct("!H")
_QUOTED: Final = r"'((?:[^'\\]|''|\\.)+)'"
_ESCAPED: Final = re.compile(r"''|\\(.)", re.DOTALL)


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _unquoted(quoted: str | None, bare: str) -> str:
    return _ESCAPED.sub(lambda match: match[1] or "'", quoted if quoted is not None else bare)


class _Reader:
    """Takes the fields of a binary value one by one; what goes beyond its end is an error."""

    __slots__ = ("_data", "_decode", "_name", "_position")

    def __init__(self, name: str, data: bytes, decode: Callable[[bytes], str]) -> None:
        self._name = name
        self._data = data
        self._decode = decode
        self._position = 0

    def count(self, smallest: int) -> int:
        """The number of items of at least `smallest` bytes that follow."""
        (count,) = self._take(_COUNT)
        if not 0 <= count <= (len(self._data) - self._position) // smallest:
            raise bad_binary(self._name)
        return count

    def byte(self) -> int:
        self._position += 1
        if self._position > len(self._data):
            raise bad_binary(self._name)
        return self._data[self._position - 1]

    def uint2(self) -> int:
        return self._take(_UINT2)[0]

    def uint2s(self, count: int) -> tuple[int, ...]:
        return self._take(Struct(f"!{count}H"))

    def string(self) -> str:
        end = self._data.find(b"\0", self._position)
        if end < 0:
            raise bad_binary(self._name)
        text = self._decode(self._data[self._position : end])
        self._position = end + 1
        return text

    def end(self) -> None:
        if self._position != len(self._data):
            raise bad_binary(self._name)

    def _take(self, layout: Struct) -> tuple[int, ...]:
        try:
            fields = unpack_from(layout.format, self._data, self._position)
        except StructError:
            raise bad_binary(self._name) from None
        self._position += layout.size
        return fields


# tsvector: lexemes with positions, whose two highest bits are the weight.

_WEIGHTS: Final = ("", "C", "B", "A")  # D, the lowest, is not shown
_POSITION_BITS: Final = 14
_LAST_POSITION: Final = (1 << _POSITION_BITS) - 1
_MOST_POSITIONS: Final = 255
_POSITION: Final = re.compile(r"(\d{1,9})([A-Da-d]?)", re.ASCII)
_WORD: Final = re.compile(
    rf"\s*(?:{_QUOTED}|((?:[^\s'\\:]|\\.)+))(?::([\dA-Da-d,]+))?(?=\s|\Z)", re.DOTALL
)


def _vector_binary_decoder(context: Context) -> Decoder:
    decode_str = text_decoder(context)

    def decode(data: bytes) -> str:
        reader = _Reader("tsvector", data, decode_str)
        words = []
        for _ in range(reader.count(3)):
            word = _quoted(reader.string())
            positions = reader.uint2s(reader.uint2())
            if positions:
                word += ":" + ",".join(
                    [f"{p & _LAST_POSITION}{_WEIGHTS[p >> _POSITION_BITS]}" for p in positions]
                )
            words.append(word)
        reader.end()
        return " ".join(words)

    return decode


def _vector_binary_encoder(context: Context) -> Encoder:
    encode_str = str_encoder(context)

    def encode(value: object) -> bytes:
        if not isinstance(value, str):
            raise wrong_type("tsvector", value)
        lexemes: dict[bytes, dict[int, int]] = {}
        place, stripped = 0, value.rstrip()
        while place < len(stripped):
            match = _WORD.match(stripped, place)
            if match is None:
                raise bad_text("tsvector", value)
            weights = lexemes.setdefault(encode_str(_unquoted(match[1], match[2])), {})
            for item in match[3].split(",") if match[3] else ():
                position = _POSITION.fullmatch(item)
                if position is None or not int(position[1]):
                    raise bad_text("tsvector", value)
                number = min(int(position[1]), _LAST_POSITION)
                weight = "DCBA".index(position[2].upper() or "D")
                weights[number] = max(weight, weights.get(number, 0))
            place = match.end()
        parts = [_COUNT.pack(len(lexemes))]
        for lexeme, weights in sorted(lexemes.items()):
            found = sorted(weights.items())[:_MOST_POSITIONS]
            packed = [weight << _POSITION_BITS | number for number, weight in found]
            parts += lexeme, b"\0", Struct(f"!{1 + len(packed)}H").pack(len(packed), *packed)
        return b"".join(parts)

    return encode


# tsquery: a tree in prefix notation, the right operand before the left. Read from its end it is
# postfix notation, so neither way of it needs recursion, however deep the tree is.


class _Operator(NamedTuple):
    code: int
    priority: int
    sign: str


_NOT: Final = _Operator(1, 4, "!")
_AND: Final = _Operator(2, 2, " & ")
_OR: Final = _Operator(3, 1, " | ")
_PHRASE: Final = _Operator(4, 3, " <-> ")
_OPERATORS: Final = {operator.code: operator for operator in (_NOT, _AND, _OR, _PHRASE)}
_SIGNS: Final = {"!": _NOT, "&": _AND, "|": _OR}
_OPERAND, _OPERATOR = 1, 2
_FLAGS: Final = {"A": 8, "B": 4, "C": 2, "D": 1}
_LAST_DISTANCE: Final = 1 << 14
_TOKEN: Final = re.compile(
    rf"\s*(?:([!&|()])|<(-|\d{{1,5}})>|(?:{_QUOTED}|((?:[^\s'\\:!&|()<]|\\.)+))(?::([*A-Da-d]+))?)",
    re.DOTALL | re.ASCII,
)

# An operand is its text; an operation its operator, sign, and left (None of NOT) and right operand.
_Node = str | tuple[_Operator, str, "_Node | None", "_Node"]


def _query_binary_decoder(context: Context) -> Decoder:
    decode_str = text_decoder(context)

    def decode(data: bytes) -> str:
        reader = _Reader("tsquery", data, decode_str)
        items = [_item(reader) for _ in range(reader.count(2))]
        reader.end()
        nodes: list[_Node] = []
        for item in reversed(items):
            if isinstance(item, str):
                nodes.append(item)
                continue
            operator, sign = item
            if len(nodes) < (1 if operator is _NOT else 2):
                raise bad_binary("tsquery")
            right = nodes.pop()
            nodes.append((operator, sign, None if operator is _NOT else nodes.pop(), right))
        if len(nodes) != bool(items):
            raise bad_binary("tsquery")
        return _infix(nodes[0]) if nodes else ""

    return decode


def _item(reader: _Reader) -> str | tuple[_Operator, str]:
    """The next operand, or operator and its sign."""
    kind = reader.byte()
    if kind == _OPERAND:
        weights, prefix, lexeme = reader.byte(), reader.byte(), reader.string()
        if weights > 15 or prefix > 1:
            raise bad_binary("tsquery")
        flags = "*" * prefix + "".join([flag for flag, bit in _FLAGS.items() if weights & bit])
        return _quoted(lexeme) + (":" + flags if flags else "")
    operator = _OPERATORS.get(reader.byte())
    if kind != _OPERATOR or operator is None:
        raise bad_binary("tsquery")
    if operator is not _PHRASE:
        return operator, operator.sign
    distance = reader.uint2()
    return operator, operator.sign if distance == 1 else f" <{distance}> "


def _infix(root: _Node) -> str:
    """The tree as text, with the parentheses that the server sets."""
    parts: list[str] = []
    # What is to be written, the last first; with a node the priority of the operation it belongs
    # to, and whether it stands to the right of a phrase operator, whose order matters.
    waiting: list[tuple[_Node, int, bool]] = [(root, 0, False)]
    while waiting:
        node, outer, follows = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        operator, sign, left, right = node
        bracketed = operator.priority < outer or (operator is _PHRASE and follows)
        if bracketed:
            parts.append("( ")
            waiting.append((" )", 0, False))
        waiting.append((right, operator.priority, operator is _PHRASE))
        waiting.append((sign, 0, False))
        if left is not None:
            waiting.append((left, operator.priority, False))
    return "".join(parts)


def _query_binary_encoder(context: Context) -> Encoder:
    encode_str = str_encoder(context)

    def encode(value: object) -> bytes:
        if not isinstance(value, str):
            raise wrong_type("tsquery", value)
        items: list[bytes] = []  # in postfix notation
        operators: list[tuple[_Operator | None, bytes]] = []  # None: an open parenthesis
        place, stripped = 0, value.rstrip()
        wanted = True  # an operand comes next
        while place < len(stripped):
            match = _TOKEN.match(stripped, place)
            if match is None:
                raise bad_text("tsquery", value)
            place = match.end()
            sign, distance, quoted, bare, flags = match.groups()
            if wanted != (sign in ("!", "(") or bool(quoted or bare)):
                raise bad_text("tsquery", value)
            if sign == "(":
                operators.append((None, b""))
            elif sign == ")":
                while operators and operators[-1][0] is not None:
                    items.append(operators.pop()[1])
                if not operators:
                    raise bad_text("tsquery", value)
                operators.pop()
            elif sign or distance:
                operator = _SIGNS[sign] if sign else _PHRASE
                while operators and operator is not _NOT:
                    before = operators[-1][0]
                    if before is None or before.priority < operator.priority:
                        break
                    items.append(operators.pop()[1])
                operators.append((operator, _operator_item(operator, distance, value)))
                wanted = True
            else:
                lexeme = encode_str(_unquoted(quoted, bare or ""))
                items.append(_operand_item(lexeme, (flags or "").upper()))
                wanted = False
        while operators and operators[-1][0] is not None:
            items.append(operators.pop()[1])
        if operators or wanted == bool(items):
            raise bad_text("tsquery", value)
        return _COUNT.pack(len(items)) + b"".join(reversed(items))

    return encode


def _operator_item(operator: _Operator, distance: str | None, query: str) -> bytes:
    item = bytes((_OPERATOR, operator.code))
    if operator is not _PHRASE:
        return item
    number = 1 if distance == "-" or distance is None else int(distance)
    if number > _LAST_DISTANCE:
        raise bad_text("tsquery", query)
    return item + _UINT2.pack(number)


def _operand_item(lexeme: bytes, flags: str) -> bytes:
    weights = sum(bit for flag, bit in _FLAGS.items() if flag in flags)
    return bytes((_OPERAND, weights, "*" in flags)) + lexeme + b"\0"


CODECS = (
    builtin_codec(
        "tsvector",
        text_decoder=text_decoder,
        text_encoder=str_only_encoder("tsvector"),
        binary_decoder=_vector_binary_decoder,
        binary_encoder=_vector_binary_encoder,
    ),
    builtin_codec(
        "tsquery",
        text_decoder=text_decoder,
        text_encoder=str_only_encoder("tsquery"),
        binary_decoder=_query_binary_decoder,
        binary_encoder=_query_binary_encoder,
    ),
)
