"""What names, quotas and regions may be. Nothing here looks at a store or a server."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from dblink.links.errors import LinkError

REGIONS: Final = (
    "cn-hangzhou",
    "cn-shanghai",
    "cn-beijing",
    "cn-zhangjiakou",
    "cn-huhehaote",
    "cn-shenzhen",
    "cn-guangzhou",
    "cn-chengdu",
    "cn-hongkong",
    "ap-southeast-1",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ap-northeast-1",
    "ap-northeast-2",
    "us-west-1",
    "us-east-1",
    "eu-central-1",
    "eu-west-1",
)
"""The regions of a new catalogue: those of the service."""

QUOTA: Final = 10
"""Links a cluster of a new catalogue, as source and as target: the service's number."""

MAX_QUOTA: Final = 10_000

LINK_NAME: Final = "^[a-z]([a-z0-9_]{0,62}[a-z0-9])?$"
"""1 to 64 characters, as a pattern of JSON Schema, too."""

CLIENT_TOKEN: Final = "^[ -~]{1,64}$"
CLUSTER_ID: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
REGION_ID: Final = "^[a-z0-9-]{1,64}$"
ACCOUNT: Final = "^[A-Za-z0-9_-]{1,64}$"

NAME_BYTES: Final = 63
"""Of databases, roles and accounts: NAMEDATALEN - 1. Manual: 4.1.1."""

NOTE_LENGTH: Final = 1024
"""Characters of what is kept for information only."""


def check_link_name(name: str) -> str:
    """`name`, if a link may be called so. Raises InvalidDBLinkName.Malformed."""
    if not _is(LINK_NAME, name):
        raise LinkError("InvalidDBLinkName.Malformed", link=name)
    return name


def check_cluster_id(cluster: str) -> str:
    """`cluster`, if it may be the ID of one. Raises InvalidDBClusterId.Malformed."""
    if not _is(CLUSTER_ID, cluster):
        raise LinkError("InvalidDBClusterId.Malformed", cluster=cluster)
    return cluster


def check_account(account: str) -> str:
    """`account`, if it may be one that owns clusters. Raises InvalidAccount.Malformed."""
    if not _is(ACCOUNT, account):
        raise LinkError("InvalidAccount.Malformed", account=account)
    return account


def check_region(region: str) -> str:
    """`region`, if it may be the ID of one. Raises InvalidRegionId.Malformed."""
    if not _is(REGION_ID, region):
        raise LinkError("InvalidRegionId.Malformed", region=region)
    return region


def check_quota(quota: int) -> int:
    """`quota`, if it may be one. Raises InvalidQuota.Malformed."""
    if isinstance(quota, bool) or not 0 <= quota <= MAX_QUOTA:
        raise LinkError("InvalidQuota.Malformed", quota=quota)
    return quota


def check_client_token(token: str) -> str:
    """`token`, if it is at most 64 ASCII characters. Raises InvalidClientToken.Malformed."""
    if not _is(CLIENT_TOKEN, token):
        raise LinkError("InvalidClientToken.Malformed")
    return token


def check_name(name: str, parameter: str) -> str:
    """`name`, if a database or a role can have it; `parameter` is what it was given as. Raises
    InvalidDBName.Malformed."""
    if not name or not _is_text(name) or len(name.encode()) > NAME_BYTES:
        raise LinkError("InvalidDBName.Malformed", name=name, parameter=parameter)
    return name


def check_note(text: str | None, parameter: str) -> str | None:
    """`text` that is kept for information only. Raises InvalidParameter."""
    if text is not None and not (_is_text(text) and len(text) <= NOTE_LENGTH):
        reason = f"has more than {NOTE_LENGTH} characters, or some that are no text"
        raise LinkError("InvalidParameter", parameter=parameter, reason=reason)
    return text


def check_password(password: str) -> str:
    """`password`, if it can be one. Raises InvalidPassword.Malformed."""
    if not password or not _is_text(password):
        raise LinkError("InvalidPassword.Malformed")
    return password


def check_address(address: str, port: int | str) -> tuple[str, int]:
    """The address and port of a server of one's own. Raises InvalidTargetIp.Malformed or
    InvalidTargetPort.Malformed."""
    try:
        known = str(ipaddress.ip_address(address))
    except ValueError:
        raise LinkError("InvalidTargetIp.Malformed", address=address) from None
    text = str(port)
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise LinkError("InvalidTargetPort.Malformed", port=port)
    return known, int(text)


def _is(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _is_text(text: str) -> bool:
    """Whether a database can hold it: no zero byte, and nothing that was no UTF-8 (PEP 383)."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
