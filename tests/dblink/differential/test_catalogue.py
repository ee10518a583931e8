"""`dblink.FUNCTIONS` against the functions that the C extension really has."""

from __future__ import annotations

from dblink.functions import FUNCTIONS, UNDOCUMENTED
from tests.dblink.differential.world import World

_PROC = """
SELECT p.proname, oidvectortypes(p.proargtypes),
       replace(format_type(p.prorettype, NULL), 'ext.', ''), p.proretset,
       p.proisstrict, p.provolatile, p.proparallel, p.prosecdef,
       COALESCE((SELECT array_agg(p.proargnames[n] || ' ' || format_type(p.proallargtypes[n], NULL)
                                  ORDER BY n)
                 FROM generate_subscripts(p.proallargtypes, 1) AS n
                 WHERE p.proargmodes[n] = 'o'),
                (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, NULL) ORDER BY attnum)
                 FROM pg_attribute AS a JOIN pg_type AS t ON t.typrelid = a.attrelid
                 WHERE t.oid = p.prorettype AND a.attnum > 0),
                '{}') AS columns
FROM pg_proc AS p
JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'dblink'
"""


def test_catalogue_is_that_of_the_extension(world: World) -> None:
    theirs = {(row[0], row[1]): tuple(row[2:]) for row in world.admin.query(_PROC)}
    ours = {
        (function.name, ", ".join(overload.arguments.values())): (
            function.returns,
            function.returns_set,
            function.strict,
            function.volatility,
            function.parallel,
            function.security_definer,
            [f"{name} {sql_type}" for name, sql_type in function.columns.items()],
        )
        for function in FUNCTIONS.values()
        for overload in function.overloads
    }
    documented = {key: value for key, value in theirs.items() if key[0] not in UNDOCUMENTED}
    assert ours == documented
    assert {name for name, _ in theirs} - {*FUNCTIONS} == UNDOCUMENTED
