"""The actions of the API, as data: what they are called, what they take and what they answer.

The dispatcher, the OpenAPI description and `docs/api.md` read it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from dblink.links import rules

VERSION: Final = "2017-08-01"

MAX_VALUE: Final = 4096
"""Characters of a parameter that has no smaller limit of its own."""


class Parameter(NamedTuple):
    """What an action takes, or answers. All of them are text.

    Attributes:
        name: as it is sent.
        description: for the documentation.
        required: whether it must be there, and not be empty.
        pattern: of JSON Schema; None if there is none.
        max_length: characters.
        secret: whether nobody may see it.
    """

    name: str
    description: str
    required: bool = False
    pattern: str | None = None
    max_length: int = MAX_VALUE
    secret: bool = False


class Action(NamedTuple):
    """A row of `ACTIONS`.

    Attributes:
        summary: what it does.
        parameters: what it takes.
        answer: the members of its answer, besides RequestId.
        infos: the members of each of its `DBLinkInfos`.
        either: names of parameters of which all of one group must be there, and none of others.
    """

    summary: str
    parameters: tuple[Parameter, ...]
    answer: tuple[Parameter, ...] = ()
    infos: tuple[Parameter, ...] = ()
    either: tuple[tuple[str, ...], ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        """The one that has this name."""
        return next((known for known in self.parameters if known.name == name), None)


Name = Literal["CreateDBLink", "DescribeDBLinks", "DeleteDBLink", "RestartDBLink"]

_CLUSTER: Final = Parameter(
    "DBClusterId", "the source cluster", True, rules.CLUSTER_ID, max_length=128
)
_LINK: Final = Parameter("DBLinkName", "the name of the link", True, rules.LINK_NAME, max_length=64)
_ANY_LINK: Final = _LINK._replace(
    description="one link; all of the cluster, if left out", required=False
)
_DATABASE: Final = "^[^\\u0000]{1,63}$"

ACTIONS: Final[dict[Name, Action]] = {
    "CreateDBLink": Action(
        "Creates a link.",
        (
            _CLUSTER,
            _LINK,
            Parameter("SourceDBName", "the database that has the link", True, _DATABASE, 63),
            Parameter("TargetDBName", "the database that the link leads to", True, _DATABASE, 63),
            Parameter("TargetDBAccount", "the role to log in as there", True, _DATABASE, 63),
            Parameter("TargetDBPasswd", "its password", True, "^[^\\u0000]+$", secret=True),
            Parameter(
                "TargetDBInstanceName",
                "the target cluster; left out for a server of one's own",
                pattern=rules.CLUSTER_ID,
                max_length=128,
            ),
            Parameter("TargetIp", "the IP address of a server of one's own", max_length=64),
            Parameter("TargetPort", "its port", pattern="^[0-9]{1,5}$", max_length=5),
            Parameter("VpcId", "the network that it is in, for information", max_length=128),
            Parameter(
                "RegionId",
                "the region of the source cluster, to be compared with",
                pattern=rules.REGION_ID,
                max_length=64,
            ),
            Parameter("ResourceGroupId", "a group, for information", max_length=128),
            Parameter(
                "ClientToken",
                "unique text of the caller's: a request that comes again with it is met once",
                pattern=rules.CLIENT_TOKEN,
                max_length=64,
            ),
        ),
        either=(("TargetDBInstanceName",), ("TargetIp", "TargetPort")),
    ),
    "DescribeDBLinks": Action(
        "Lists the links of a source cluster.",
        (_CLUSTER, _ANY_LINK),
        (Parameter("DBInstanceName", "the source cluster"),),
        (
            Parameter("DBInstanceName", "the source cluster"),
            Parameter("DBLinkName", "the name of the link"),
            Parameter("SourceDBName", "the database that has the link"),
            Parameter("TargetDBName", "the database that the link leads to"),
            Parameter("TargetDBInstanceName", "the target cluster; empty for another server"),
            Parameter("TargetAccount", "the role that is logged in as there"),
        ),
    ),
    "DeleteDBLink": Action("Deletes a link.", (_CLUSTER, _LINK)),
    "RestartDBLink": Action(
        "Tests links anew, and brings their options up to date.",
        (_CLUSTER, _ANY_LINK),
        (Parameter("DBClusterId", "the source cluster"),),
    ),
}

COMMON: Final = (
    Parameter("Action", "the action; or the header x-acs-action", max_length=64),
    Parameter("Version", f"{VERSION}; or the header x-acs-version", max_length=64),
    Parameter(
        "Format",
        "JSON or XML; or the header Accept; else JSON",
        pattern="^([Jj][Ss][Oo][Nn]|[Xx][Mm][Ll])$",
        max_length=4,
    ),
)
"""What every action takes."""

IGNORED: Final = ("OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId")
"""What the service's own clients may send, and nothing comes of. So it is with unknown names."""
