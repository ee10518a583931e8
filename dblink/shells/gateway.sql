-- What a call through a gateway needs in the database: the message to the gateway, the wait for its
-- answer, and what the gateway's side connection writes. All but `take` and the functions of the
-- side run as the caller, with his search_path.

-- One row for each session that a gateway has in this database. Nobody but superusers, the owner
-- and the side can read it.
CREATE UNLOGGED TABLE IF NOT EXISTS dblink_gateway.session (
  pid pg_catalog.int4 PRIMARY KEY,       -- the session's backend
  side_pid pg_catalog.int4 NOT NULL,     -- that of the side connection which answers it
  side_role pg_catalog.oid NOT NULL DEFAULT CURRENT_USER::pg_catalog.regrole::pg_catalog.oid,
  secret pg_catalog.text NOT NULL        -- see `proof`
    DEFAULT pg_catalog.replace(pg_catalog.gen_random_uuid()::pg_catalog.text, '-', '')
);

-- The last answer to each session. It is looked up by the number of its call and never updated:
-- while a statement runs that calls a hundred thousand times, no version of a row goes away, and
-- whoever looked for the newest of a row would look at all of them.
CREATE UNLOGGED TABLE IF NOT EXISTS dblink_gateway.answer (
  call pg_catalog.text PRIMARY KEY,      -- the number of the call
  pid pg_catalog.int4 NOT NULL,          -- the session's backend
  answer pg_catalog.text NOT NULL        -- JSON
);

-- The waits for remote servers that have lasted for some time already.
CREATE UNLOGGED TABLE IF NOT EXISTS dblink_gateway.wait (
  pid pg_catalog.int4 PRIMARY KEY,
  connection pg_catalog.text,
  event pg_catalog.text,
  since pg_catalog.timestamptz,
  query pg_catalog.text
);

CREATE OR REPLACE VIEW dblink_gateway.activity WITH (security_barrier) AS
SELECT w.pid AS session, w.connection, w.event, w.since, w.query
FROM dblink_gateway.wait AS w
JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) AS a ON true
WHERE pg_catalog.pg_has_role(a.usesysid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');

-- Calls `function` with `arguments` and returns the gateway's answer, after its notices; `types`:
-- the declared columns. Raises the answer's error.
CREATE OR REPLACE FUNCTION dblink_gateway.call(
  function pg_catalog.text, arguments pg_catalog.jsonb, types pg_catalog.text[]
) RETURNS pg_catalog.jsonb LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  number pg_catalog.text := pg_catalog.replace(pg_catalog.gen_random_uuid()::pg_catalog.text,
                                               '-', '');
  isolation CONSTANT pg_catalog.text := pg_catalog.current_setting('transaction_isolation');
  snapshot CONSTANT pg_catalog.bool := isolation OPERATOR(pg_catalog.=) 'repeatable read'
    OR isolation OPERATOR(pg_catalog.=) 'serializable';
  bell pg_catalog.int4 := dblink_gateway.bell();
  message pg_catalog.json;
  answer pg_catalog.jsonb;
  item pg_catalog.record;
  rows pg_catalog.text[];
BEGIN
  -- The number comes first: it is looked for in the beginning of a message that is too large.
  message := pg_catalog.json_build_object('n', number, 'v', 1, 'f', function, 'a', arguments,
    'types', dblink_gateway.described(types), 'bell', bell, 'role', CURRENT_USER,
    'proof', dblink_gateway.proof(number), 'iso', isolation);
  LOOP
    -- In ASCII, since a message is converted to the client's encoding on its way.
    RAISE INFO USING ERRCODE = 'DBL01', MESSAGE = pg_catalog.encode(pg_catalog.convert_to(
      message::pg_catalog.text, pg_catalog.getdatabaseencoding()), 'base64');
    answer := dblink_gateway.answer(number, bell, snapshot);
    IF pg_catalog.jsonb_exists(answer, 'notices') OR pg_catalog.jsonb_exists(answer, 'error') THEN
      PERFORM dblink_gateway.raise_from(answer);
    END IF;
    IF NOT pg_catalog.jsonb_exists(answer, 'ask') THEN
      RETURN answer;
    END IF;
    -- The gateway wants to know something of this database, as this transaction and role see it.
    number := pg_catalog.jsonb_object_field_text(answer, 'n');
    rows := '{}';
    answer := pg_catalog.jsonb_object_field(answer, 'ask');
    FOR item IN EXECUTE pg_catalog.jsonb_object_field_text(answer, 'sql')
                       OPERATOR(pg_catalog.||) ' /* dblink_gateway */'
      USING pg_catalog.jsonb_extract_path_text(answer, 'params', '0'),
            pg_catalog.jsonb_extract_path_text(answer, 'params', '1'),
            pg_catalog.jsonb_extract_path_text(answer, 'params', '2'),
            pg_catalog.jsonb_extract_path_text(answer, 'params', '3')
    LOOP
      rows := rows OPERATOR(pg_catalog.||) item::pg_catalog.text;
    END LOOP;
    bell := dblink_gateway.bell();
    message := pg_catalog.json_build_object('n', number, 'v', 1, 'rows', rows, 'bell', bell);
  END LOOP;
END $function$;

-- The rest of an answer, whose table has been read while the gateway filled another one. `number`:
-- what the answer said there is more under.
CREATE OR REPLACE FUNCTION dblink_gateway.more(number pg_catalog.text) RETURNS pg_catalog.jsonb
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  isolation CONSTANT pg_catalog.text := pg_catalog.current_setting('transaction_isolation');
  bell CONSTANT pg_catalog.int4 := dblink_gateway.bell();
  answer pg_catalog.jsonb;
BEGIN
  RAISE INFO USING ERRCODE = 'DBL01', MESSAGE = pg_catalog.encode(pg_catalog.convert_to(
    pg_catalog.json_build_object('n', number, 'v', 1, 'rows', '{}'::pg_catalog.text[],
      'bell', bell)::pg_catalog.text, pg_catalog.getdatabaseencoding()), 'base64');
  answer := dblink_gateway.answer(number, bell,
    isolation OPERATOR(pg_catalog.=) 'repeatable read'
    OR isolation OPERATOR(pg_catalog.=) 'serializable');
  IF pg_catalog.jsonb_exists(answer, 'notices') OR pg_catalog.jsonb_exists(answer, 'error') THEN
    PERFORM dblink_gateway.raise_from(answer);
  END IF;
  RETURN answer;
END $function$;

-- Proof, for the call `number`, that whoever makes it runs as a superuser at this moment, or as the
-- owner: who else could read the secret? A message can be forged by whatever code comes to run in
-- a session, while REINDEX, say, makes the server run it as its owner; this cannot.
CREATE OR REPLACE FUNCTION dblink_gateway.proof(number pg_catalog.text) RETURNS pg_catalog.text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
BEGIN
  IF NOT pg_catalog.has_table_privilege(
       'dblink_gateway.session'::pg_catalog.regclass::pg_catalog.oid, 'SELECT') THEN
    RETURN NULL;
  END IF;
  RETURN (
    SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
      s.secret OPERATOR(pg_catalog.||) number, 'UTF8')), 'hex')
    FROM dblink_gateway.session AS s
    WHERE s.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
  );
END $function$;

-- Which of the session's two bells the gateway holds; null if none, though there is a gateway:
-- then the answer is looked for again and again. Raises an error if there is none.
CREATE OR REPLACE FUNCTION dblink_gateway.bell() RETURNS pg_catalog.int4
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  key CONSTANT pg_catalog.int4 := pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.*) 2;
  done pg_catalog.bool;  -- an assignment needs no plan to be run, as PERFORM does
BEGIN
  IF NOT pg_catalog.pg_try_advisory_lock_shared(1684827755, key) THEN
    RETURN 0;
  END IF;
  done := pg_catalog.pg_advisory_unlock_shared(1684827755, key);
  IF NOT pg_catalog.pg_try_advisory_lock_shared(1684827755, key OPERATOR(pg_catalog.+) 1) THEN
    RETURN 1;
  END IF;
  done := pg_catalog.pg_advisory_unlock_shared(1684827755, key OPERATOR(pg_catalog.+) 1);
  -- On a hot standby the session table cannot even be read.
  IF pg_catalog.pg_is_in_recovery() OR NOT dblink_gateway.alive() THEN
    PERFORM dblink_gateway.no_gateway(false);
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION dblink_gateway.no_gateway(gone pg_catalog.bool) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
BEGIN
  IF pg_catalog.pg_is_in_recovery() THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'dblink does not work on a hot standby',
      DETAIL = 'The gateway answers through the database, and nothing can be written here.';
  ELSIF gone THEN
    RAISE EXCEPTION USING ERRCODE = '08006', MESSAGE = 'the dblink gateway has gone',
      DETAIL = 'Its connection to this database ended before it answered.';
  END IF;
  RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'this session has no dblink gateway',
    DETAIL = 'The functions of dblink are carried out by a gateway between client and server.',
    HINT = 'Connect to the address that "dblink serve" listens on. If this is one, its log says'
      ' what keeps it from this database.';
END $function$;

-- The answer to the call `number`, waited for. The session's client gets the message that was sent
-- before, if there is no gateway between: so nobody is ever waited for who is not alive.
CREATE OR REPLACE FUNCTION dblink_gateway.answer(
  number pg_catalog.text, bell pg_catalog.int4, snapshot pg_catalog.bool
) RETURNS pg_catalog.jsonb LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  answer pg_catalog.text;
  pause pg_catalog.float8 := 0.001;
  woken pg_catalog.bool := false;
BEGIN
  LOOP
    IF bell IS NOT NULL THEN
      woken := dblink_gateway.woken(pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.*) 2
                                    OPERATOR(pg_catalog.+) bell);
    END IF;
    answer := dblink_gateway.take(number, snapshot);
    IF answer IS NOT NULL THEN
      RETURN answer::pg_catalog.jsonb;
    END IF;
    IF NOT dblink_gateway.alive() THEN
      -- What was answered last of all may have come meanwhile.
      answer := dblink_gateway.take(number, snapshot);
      IF answer IS NOT NULL THEN
        RETURN answer::pg_catalog.jsonb;
      END IF;
      PERFORM dblink_gateway.no_gateway(true);
    END IF;
    IF woken OR bell IS NULL THEN  -- by somebody else, or there is nothing to wait for
      PERFORM pg_catalog.pg_sleep(pause /* dblink_gateway */);
      pause := LEAST(pause OPERATOR(pg_catalog.*) 1.5, 0.02);
    END IF;
  END LOOP;
END $function$;

-- Waits for a bell; false if it has not rung for some time.
CREATE OR REPLACE FUNCTION dblink_gateway.woken(key pg_catalog.int4) RETURNS pg_catalog.bool
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET lock_timeout = '200ms' AS $function$
DECLARE
  done pg_catalog.bool;
BEGIN
  done := pg_catalog.pg_advisory_lock_shared(1684827755 /* dblink_gateway */, key) IS NOT NULL;
  done := pg_catalog.pg_advisory_unlock_shared(1684827755, key);
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END $function$;

-- The answer to the call `number` of this session, null if there is none yet. It never looks at
-- another session's, and in the table only under READ COMMITTED (`snapshot` is false): a transaction
-- that keeps its snapshot would not see it. There the answer is the body of a function, since
-- functions are looked up without regard to snapshots. Everybody can read what functions are made
-- of, so it is encrypted: the number is the key, which nobody knows but this session. The function
-- bears a digest of the number in its name, so that none has more versions than one, see above.
CREATE OR REPLACE FUNCTION dblink_gateway.take(number pg_catalog.text, snapshot pg_catalog.bool)
RETURNS pg_catalog.text LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $function$
DECLARE
  answer pg_catalog.text;
  sealed pg_catalog.bytea;
  stream pg_catalog.bytea;
BEGIN
  IF NOT snapshot THEN
    SELECT a.answer INTO answer FROM dblink_gateway.answer AS a
    WHERE a.call = number AND a.pid = pg_catalog.pg_backend_pid();
    RETURN answer;
  END IF;
  -- To lock an object makes a backend learn what others have changed in the catalogue.
  PERFORM pg_catalog.pg_get_object_address('schema', '{pg_catalog}', '{}');
  BEGIN
    EXECUTE pg_catalog.format('SELECT dblink_gateway.reply_%s_s%s()',
      pg_catalog.pg_backend_pid(), pg_catalog.substr(pg_catalog.encode(pg_catalog.sha256(
        pg_catalog.convert_to('tag:' || number, 'UTF8')), 'hex'), 1, 16)) INTO answer;
  EXCEPTION WHEN undefined_function THEN
    RETURN NULL;
  END;
  sealed := pg_catalog.decode(answer, 'base64');
  stream := pg_catalog.substr((
    SELECT pg_catalog.string_agg(pg_catalog.sha256(pg_catalog.convert_to(
             number || ':' || i::pg_catalog.text, 'UTF8')), ''::pg_catalog.bytea ORDER BY i)
    FROM pg_catalog.generate_series(0, pg_catalog.length(sealed) / 32) AS g(i)
  ), 1, pg_catalog.length(sealed));
  RETURN pg_catalog.convert_from(pg_catalog.substr(pg_catalog.varbit_send(
    ('x' || pg_catalog.encode(sealed, 'hex'))::pg_catalog.varbit
    # ('x' || pg_catalog.encode(stream, 'hex'))::pg_catalog.varbit), 5), 'UTF8');
END $function$;

-- Whether this session has a gateway that is alive: whose backend is that of its side connection,
-- not somebody else's who has got the process number since. No lock is asked for: anybody can take
-- advisory locks.
CREATE OR REPLACE FUNCTION dblink_gateway.alive() RETURNS pg_catalog.bool
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  PERFORM pg_catalog.pg_stat_clear_snapshot();  -- or it shows who was there when it was first read
  RETURN EXISTS (
    SELECT FROM dblink_gateway.session AS s,
      LATERAL pg_catalog.pg_stat_get_activity(s.side_pid) AS a
    WHERE s.pid = pg_catalog.pg_backend_pid() AND a.usesysid = s.side_role
      AND a.application_name = 'dblink_gateway'
  );
END $function$;

-- What the side connection answers with: puts the answer to the call `number` of a session in the
-- place of that to `previous`, and when that is committed takes one bell and rings the other, each
-- by its lock's second key, or null. Returns the key that it has taken, else null.
CREATE OR REPLACE PROCEDURE dblink_gateway.put(
  session pg_catalog.int4, number pg_catalog.text, content pg_catalog.text,
  previous pg_catalog.text, INOUT taken pg_catalog.int4, rung pg_catalog.int4
) LANGUAGE plpgsql AS $procedure$
BEGIN
  DELETE FROM dblink_gateway.answer AS a WHERE a.call OPERATOR(pg_catalog.=) previous;
  INSERT INTO dblink_gateway.answer AS a (pid, call, answer) VALUES (session, number, content)
  ON CONFLICT (call) DO UPDATE SET answer = excluded.answer;
  COMMIT;
  IF NOT pg_catalog.pg_try_advisory_lock(1684827755, taken) THEN
    taken := NULL;
  END IF;
  PERFORM pg_catalog.pg_advisory_unlock(1684827755, rung);
END $procedure$;

-- What the side connection does with objects: they belong to the owner of this schema, so its role
-- needs no other rights here.

-- Keeps the answer to a session that keeps its snapshot: `sealed`, in a function with this `name`.
-- That of the answer before, `previous`, goes.
CREATE OR REPLACE FUNCTION dblink_gateway.keep(
  name pg_catalog.text, sealed pg_catalog.text, previous pg_catalog.text
) RETURNS void LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
  IF name !~ '^reply_[0-9]+_s[0-9a-f]+$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = pg_catalog.format('no reply can be named "%s"', name);
  END IF;
  EXECUTE pg_catalog.format(
    'CREATE OR REPLACE FUNCTION dblink_gateway.%I() RETURNS pg_catalog.text'
    ' LANGUAGE sql STABLE AS %L',
    name, pg_catalog.format('SELECT %L::pg_catalog.text', sealed));
  IF previous ~ '^reply_[0-9]+_s[0-9a-f]+$' AND previous <> name THEN
    EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS dblink_gateway.%I()', previous);
  END IF;
END $function$;

-- Makes the table of a large answer, with columns c1, c2, ... of text, which `reader` can read and the
-- caller can write to by COPY ... (FREEZE) in the same transaction.
CREATE OR REPLACE FUNCTION dblink_gateway.make(
  name pg_catalog.text, columns pg_catalog.int4, reader pg_catalog.text
) RETURNS void LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  grantee pg_catalog.oid;
BEGIN
  IF name !~ '^reply_[0-9]+_[0-9a-f]+$'
     OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = reader) THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = pg_catalog.format('no reply can be named "%s" and read by "%s"', name, reader);
  END IF;
  EXECUTE pg_catalog.format(
    'CREATE UNLOGGED TABLE dblink_gateway.%I (%s) WITH (autovacuum_enabled = off)', name,
    (SELECT pg_catalog.string_agg('c' || i || ' pg_catalog.text', ', ' ORDER BY i)
     FROM pg_catalog.generate_series(1, columns) AS g(i)));
  -- ALTER DEFAULT PRIVILEGES may have let others in.
  FOR grantee IN
    SELECT DISTINCT a.grantee FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a
    WHERE c.oid = ('dblink_gateway.' || name)::pg_catalog.regclass AND a.grantee <> c.relowner
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON dblink_gateway.%I FROM %s', name,
      CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::pg_catalog.regrole::pg_catalog.text END);
  END LOOP;
  EXECUTE pg_catalog.format('GRANT SELECT ON dblink_gateway.%I TO %I', name, reader);
  EXECUTE pg_catalog.format('GRANT INSERT ON dblink_gateway.%I TO %I', name, SESSION_USER);
END $function$;

-- Drops replies, by name: tables, reply_<pid>_<number>, and functions, reply_<pid>_s<digest>.
CREATE OR REPLACE FUNCTION dblink_gateway.drop(names pg_catalog.text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  name pg_catalog.text;
BEGIN
  FOREACH name IN ARRAY names LOOP
    IF name ~ '^reply_[0-9]+_[0-9a-f]+$' THEN
      EXECUTE pg_catalog.format('DROP TABLE IF EXISTS dblink_gateway.%I', name);
    ELSIF name ~ '^reply_[0-9]+_s[0-9a-f]+$' THEN
      EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS dblink_gateway.%I()', name);
    END IF;
  END LOOP;
END $function$;

-- The table of a large answer, as conversion's source.
CREATE OR REPLACE FUNCTION dblink_gateway.reply(answer pg_catalog.jsonb) RETURNS pg_catalog.text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
BEGIN
  RETURN pg_catalog.format('dblink_gateway.%I AS t',
                           pg_catalog.jsonb_object_field_text(answer, 'table'));
END $function$;
