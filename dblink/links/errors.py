"""What can go wrong with a link, as one table: code, HTTP status, message.

The command line, the API, its description and `docs/links.md` read it. Codes are those of the
service where it has one (API 2017-08-01).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Failure(NamedTuple):
    """A row of the table.

    Attributes:
        status: HTTP status code.
        message: with {placeholders} for what `LinkError` is given.
        when: when it happens, for the documentation.
    """

    status: int
    message: str
    when: str


FAILURES: Final[dict[str, Failure]] = {
    # Clusters.
    "InvalidDBClusterId.NotFound": Failure(
        404, 'There is no cluster "{cluster}".', "a cluster is not registered, or not yours"
    ),
    "InvalidDBClusterId.Malformed": Failure(
        400,
        'The cluster ID "{cluster}" must have 1 to 128 characters: letters, digits, "-", "_" and '
        '".", of which the first is a letter or a digit.',
        "a cluster is registered under an ID that cannot be",
    ),
    "InvalidDBClusterId.Duplicate": Failure(
        409, 'The cluster "{cluster}" is registered already.', "a cluster is registered twice"
    ),
    "InvalidAccount.Malformed": Failure(
        400,
        'The account "{account}" must have 1 to 64 characters: letters, digits, "-" and "_".',
        "a cluster or an access key belongs to an account that cannot be",
    ),
    "InvalidConnectionString": Failure(
        400,
        "The connection string of the cluster cannot be used: {reason}",
        "the maintenance connection string of a cluster is wrong",
    ),
    "OperationDenied.ClusterHasLinks": Failure(
        409,
        'The cluster "{cluster}" has links: {links}. Delete them first.',
        "a cluster is removed that is the source or the target of links",
    ),
    "InvalidRegionId.NotFound": Failure(
        400,
        'There is no region "{region}". The regions are: {regions}.',
        "a region is not among those of the catalogue",
    ),
    "InvalidRegionId.Malformed": Failure(
        400,
        'The region "{region}" must have 1 to 64 characters: lower-case letters, digits and "-".',
        "a region is added to the catalogue that cannot be one",
    ),
    "InvalidRegionId.InUse": Failure(
        409,
        'The region "{region}" has clusters: {clusters}.',
        "a region with clusters is taken out of the catalogue",
    ),
    "InvalidRegionId.Mismatch": Failure(
        400,
        'The cluster "{cluster}" is in region "{region}", not in "{given}".',
        "RegionId is another region than the source cluster's",
    ),
    "InvalidQuota.Malformed": Failure(
        400, "The quota is a number from 0 to 10000, not {quota}.", "a quota is set that cannot be"
    ),
    # Links.
    "InvalidDBLinkName.Malformed": Failure(
        400,
        'The link name "{link}" must have 1 to 64 characters: lower-case letters, digits and "_"; '
        "it begins with a letter and ends with a letter or a digit.",
        "a link name breaks the rules",
    ),
    "InvalidDBLinkName.NotFound": Failure(
        404,
        'The cluster "{cluster}" has no link "{link}".',
        "a link does not exist, or was deleted meanwhile",
    ),
    "InvalidDBLinkName.Duplicate": Failure(
        409,
        'The cluster "{cluster}" already has a link "{link}".',
        "a cluster has a link of that name",
    ),
    "InvalidDBLinkName.ServerExists": Failure(
        409,
        'The database "{database}" already has a foreign server "{server}", which is not of this '
        "catalogue.",
        "the source database has a foreign server of that name (by its first 63 bytes)",
    ),
    "QuotaExceeded.DBLink": Failure(
        403,
        'The cluster "{cluster}" has its {quota} links, as source or as target: no more are '
        "possible.",
        "the source or the target cluster has as many links as it may have",
    ),
    "OperationDenied.RegionMismatch": Failure(
        400,
        'The clusters "{cluster}" and "{target}" are in different regions, "{region}" and '
        '"{target_region}".',
        "source and target cluster are not in the same region",
    ),
    "OperationDenied.DBLinkStatus": Failure(
        409,
        'Another request is at work on the link "{link}" of the cluster "{cluster}". Try again '
        "in a moment.",
        "a link is being created, restarted or deleted by somebody else",
    ),
    "OperationDenied.DBLinkInUse": Failure(
        409,
        'The link "{link}" cannot be deleted, since other objects depend on its foreign server: '
        "{reason}",
        "foreign tables, or other objects in the source database, depend on the link",
    ),
    "OperationDenied.DBLinkBroken": Failure(
        409,
        'The link "{link}" is broken: {reason} Delete it and create it again.',
        "the foreign server of a link, or its user mapping, was dropped or replaced by somebody",
    ),
    "InvalidTarget": Failure(
        400,
        "A target is either TargetDBInstanceName, a cluster, or TargetIp and TargetPort, a server "
        "of one's own: {reason}",
        "the target is named twice, by halves or not at all",
    ),
    "InvalidTargetIp.Malformed": Failure(
        400, 'TargetIp "{address}" is no IP address.', "TargetIp is no IPv4 or IPv6 address"
    ),
    "InvalidTargetPort.Malformed": Failure(
        400, 'TargetPort "{port}" is no number from 1 to 65535.', "TargetPort is no port"
    ),
    "InvalidTarget.Forbidden": Failure(
        403,
        "Links to this address are not allowed: {reason}",
        "the target's address is refused by default or not in the catalogue's allow-list",
    ),
    "InvalidDBName.Malformed": Failure(
        400,
        'The name "{name}" ({parameter}) must have 1 to 63 bytes, and none of them zero.',
        "the name of a database, an account or a role cannot be one",
    ),
    "InvalidPassword.Malformed": Failure(
        400,
        "The password must not be empty, nor hold a zero byte or what is no text.",
        "a password cannot be one",
    ),
    "InvalidRole.NotFound": Failure(
        400,
        'The source database has no role "{role}".',
        "a link is to be made for a role that does not exist",
    ),
    "InvalidClientToken.Malformed": Failure(
        400,
        "ClientToken must have 1 to 64 printable ASCII characters.",
        "a client token is empty, too long or not ASCII",
    ),
    "IdempotentParameterMismatch": Failure(
        409,
        "ClientToken was used before for another request.",
        "a client token comes again with other parameters",
    ),
    "InvalidSourceDBName.NotFound": Failure(
        404,
        'The cluster "{cluster}" has no database "{database}".',
        "the source database does not exist, or not any more",
    ),
    "InvalidSource.Unreachable": Failure(
        503,
        'The source database "{database}" of the cluster "{cluster}" cannot be reached: {reason}',
        "the maintenance role cannot connect to the source database",
    ),
    "InvalidSource.Refused": Failure(
        409,
        'The source database "{database}" of the cluster "{cluster}" refused: {reason}',
        "the maintenance role lacks a right, or the source database fails",
    ),
    "InvalidTarget.Refused": Failure(
        400,
        "The target refused, or could not be reached: {reason}",
        "the target does not accept account and password, or does not answer",
    ),
    # Access.
    "InvalidPolicy": Failure(
        400, "The policy document cannot be used: {reason}", "a policy document is wrong"
    ),
    "InvalidAccessKeyId.NotFound": Failure(
        404, "The access key does not exist.", "the AccessKeyId is unknown, or was deleted"
    ),
    "InvalidAccessKeyId.Inactive": Failure(
        403, "The access key is disabled.", "the access key has been disabled"
    ),
    "IncompleteSignature": Failure(
        400,
        "The request is not signed as it must be: {reason}",
        "a part of the signature is missing, or cannot be",
    ),
    "SignatureDoesNotMatch": Failure(
        400,
        "The signature does not match the request. The string to sign is: {string_to_sign}",
        "the signature is another than the one that was calculated",
    ),
    "InvalidTimeStamp.Expired": Failure(
        400,
        "The request was signed more than {seconds} s before or after now.",
        "x-acs-date is too far from the server's clock",
    ),
    "SignatureNonceUsed": Failure(
        400, "The request has been made before.", "x-acs-signature-nonce comes again"
    ),
    "NoPermission": Failure(
        403,
        "You are not allowed to do {action} on {resource}.",
        "no policy allows the action, or one denies it",
    ),
    "Throttling.User": Failure(
        429, "Too many requests. Try again in {seconds} s.", "a caller makes too many requests"
    ),
    # The protocol.
    "InvalidAction.NotFound": Failure(
        404, 'There is no action "{action}".', "Action is missing, or none of the four"
    ),
    "InvalidVersion": Failure(
        400, 'There is no version "{version}". Use {right}.', "Version is not that of this API"
    ),
    "MissingParameter": Failure(
        400, "The parameter {parameter} is missing.", "a required parameter is missing or empty"
    ),
    "InvalidParameter": Failure(
        400,
        "The parameter {parameter} {reason}.",
        "a parameter is given twice, is too long, or is no text in UTF-8",
    ),
    "UnsupportedHTTPMethod": Failure(
        405, "Use GET or POST, not {method}.", "the HTTP method is another than GET or POST"
    ),
    "UnsupportedContentType": Failure(
        415,
        "A body must be application/x-www-form-urlencoded in UTF-8.",
        "the body of a request is no form",
    ),
    "RequestEntityTooLarge": Failure(
        413, "The request has more than {limit} bytes.", "a request is too large"
    ),
    "InvalidRequest": Failure(
        400,
        "This is no HTTP request that can be read in one way only, or its head has more than "
        "{limit} bytes.",
        "what comes is no HTTP, or says twice how long it is, or has too long a head",
    ),
    "InvalidPath": Failure(
        404, "There is nothing here: requests go to /.", "the path of the URL is not /"
    ),
    "RequestTimeout": Failure(
        408, "The request did not come within {seconds} s.", "a request is sent too slowly"
    ),
    "Throttling": Failure(
        503,
        "Too many requests are at work. Try again in {seconds} s.",
        "the server, or one access key, has as many requests at work as it may have",
    ),
    "InternalError": Failure(
        500, "The request failed for an unknown reason.", "a defect of this program; see its log"
    ),
    "ServiceUnavailable": Failure(
        503,
        "The catalogue cannot be reached: {reason}",
        "the store of the catalogue fails, or the server is being stopped",
    ),
}


class LinkError(Exception):
    """A request on the catalogue that cannot be met.

    Attributes:
        code: key of `FAILURES`.
        message: for people; it holds no password.
        status: HTTP status code.
    """

    def __init__(self, code: str, **details: object) -> None:
        """`details`: what the message of the code has placeholders for."""
        failure = FAILURES[code]
        self.code = code
        self.message = failure.message.format(**details)
        self.status = failure.status
        super().__init__(code, self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
