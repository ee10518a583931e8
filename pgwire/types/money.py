"""money: str in text format, int in binary format. Manual: 8.2 "Monetary Types".

How an amount is written depends on ``lc_monetary``, which the server does not report: ``1.234``
may be one dollar or a thousand euros. So the text is handed over as it is, and only text is taken
in text format. In binary format the amount is the int that the server keeps, a number of the
currency's smallest unit (cents), whose relation to the unit is the locale's, too. For arithmetic
let the server convert: ``amount::numeric`` gives a Decimal, ``$1::numeric::money`` takes one.
"""

from __future__ import annotations

from pgwire.types.codec import builtin_codec, struct_decoder, struct_encoder
from pgwire.types.text import str_only_encoder, text_decoder

__all__ = ["CODECS"]

CODECS = (
    builtin_codec(
        "money",
        text_decoder=text_decoder,
        text_encoder=str_only_encoder("money"),
        binary_decoder=struct_decoder("money", "!q"),
        binary_encoder=struct_encoder("money", "!q", int),
    ),
)
