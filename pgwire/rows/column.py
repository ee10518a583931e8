"""What RowDescription says about a column. Manual: 54.7 RowDescription."""

from __future__ import annotations

from pgwire.protocol.backend import FieldDescription


class Column:
    """One column of a result.

    `name`; `type_oid` and `type_modifier` of its type (a domain shows as its base type);
    `type_size` in bytes, negative if it varies; `table_oid` and `number` of the table column that
    it shows, 0 if it is an expression; `format`, 0 for text and 1 for binary.
    """

    __slots__ = (
        "format",
        "name",
        "number",
        "table_oid",
        "type_modifier",
        "type_oid",
        "type_size",
    )

    def __init__(
        self,
        name: str,
        type_oid: int,
        type_modifier: int = -1,
        *,
        type_size: int = -1,
        table_oid: int = 0,
        number: int = 0,
        format: int = 0,
    ) -> None:
        self.name = name
        self.type_oid = type_oid
        self.type_modifier = type_modifier
        self.type_size = type_size
        self.table_oid = table_oid
        self.number = number
        self.format = format

    @classmethod
    def described_by(cls, field: FieldDescription, name: str) -> Column:
        """The column of `field`, whose `name` has been decoded by the caller."""
        return cls(
            name,
            field.type_oid,
            field.type_modifier,
            type_size=field.type_size,
            table_oid=field.table_oid,
            number=field.column_number,
            format=field.format,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Column):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.name, self.type_oid, self.type_modifier))

    def __repr__(self) -> str:
        return f"Column({self.name!r}, type_oid={self.type_oid})"
