-- Gives the foreign server of a link the options, and user mappings and grants to roles that have none,
-- of what `dblink_links.wish` says.
DO $link$
DECLARE
  wish json := current_setting('dblink_links.wish')::json;
  server text := wish->>'server';
  changes text;
  role text;
  detail text;
  hint text;
BEGIN
  PERFORM set_config('dblink_links.wish', '', true);
  SELECT string_agg(CASE
      WHEN n.key IS NULL THEN format('DROP %I', o.key)
      WHEN o.key IS NULL THEN format('ADD %I %L', n.key, n.value)
      ELSE format('SET %I %L', n.key, n.value) END, ', ')
    INTO changes
    FROM json_each_text(wish->'options') AS n
    FULL JOIN (
      SELECT p.option_name AS key, p.option_value AS value
      FROM pg_foreign_server AS s, pg_options_to_table(s.srvoptions) AS p WHERE s.srvname = server
    ) AS o USING (key)
    WHERE n.value IS DISTINCT FROM o.value;
  IF changes IS NOT NULL THEN
    EXECUTE format('ALTER SERVER %I OPTIONS (%s)', server, changes);
  END IF;
  FOR role IN SELECT json_array_elements_text(wish->'roles') LOOP
    -- IF NOT EXISTS would say so, in a message that quotes the statement.
    IF NOT EXISTS (
      SELECT FROM pg_user_mappings AS m WHERE m.srvname = server
        AND role = CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END
    ) THEN
      EXECUTE format('CREATE USER MAPPING FOR %s SERVER %I OPTIONS (user %L, password %L)',
        role, server, wish->>'user', wish->>'password');
    END IF;
    EXECUTE format('GRANT USAGE ON FOREIGN SERVER %I TO %s', server, role);
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM, DETAIL = detail, HINT = hint;
END $link$;
