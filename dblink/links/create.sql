-- Makes the foreign server of a link, its user mappings and grants, of what `dblink_links.wish` says.
DO $link$
DECLARE
  wish json := current_setting('dblink_links.wish')::json;
  server text := wish->>'server';
  role text;
  detail text;
  hint text;
BEGIN
  -- The password is in it: what else runs in this transaction need not see that.
  PERFORM set_config('dblink_links.wish', '', true);
  PERFORM pg_advisory_xact_lock((wish->>'wrapper_lock')::bigint);
  IF NOT EXISTS (SELECT FROM pg_foreign_data_wrapper WHERE fdwname = 'dblink_fdw') THEN
    CREATE FOREIGN DATA WRAPPER dblink_fdw VALIDATOR pg_catalog.postgresql_fdw_validator;
    EXECUTE format('COMMENT ON FOREIGN DATA WRAPPER dblink_fdw IS %L', wish->>'wrapper_mark');
  END IF;
  EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER dblink_fdw OPTIONS (%s)', server,
    (SELECT string_agg(format('%I %L', key, value), ', ') FROM json_each_text(wish->'options')));
  EXECUTE format('COMMENT ON SERVER %I IS %L', server, wish->>'mark');
  FOR role IN SELECT json_array_elements_text(wish->'roles') LOOP
    EXECUTE format('CREATE USER MAPPING FOR %s SERVER %I OPTIONS (user %L, password %L)',
      role, server, wish->>'user', wish->>'password');
    EXECUTE format('GRANT USAGE ON FOREIGN SERVER %I TO %s', server, role);
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  -- Without its context, which would quote the statement with the password.
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM, DETAIL = detail, HINT = hint;
END $link$;
