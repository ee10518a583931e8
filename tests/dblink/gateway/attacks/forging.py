"""INFO messages as the functions send them, made by somebody else."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

from tests.dblink.gateway.attacks.rawclient import Answer, RawClient

FORGE = """
CREATE FUNCTION mallory.say(message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE INFO USING ERRCODE = 'DBL01', MESSAGE = message;
END $$;
-- What the gateway answers to the call `number`, as the functions look for it; null: nothing.
CREATE FUNCTION mallory.listen(number text, late boolean = false) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
  FOR i IN 1 .. 300 LOOP
    answer := dblink_gateway.take(number, late);
    EXIT WHEN answer IS NOT NULL;
    PERFORM pg_sleep(0.005);
  END LOOP;
  RETURN answer;
END $$;
-- The same for a whole conversation: what it is asked, it knows nothing of.
CREATE FUNCTION mallory.forge(number text, message text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
  PERFORM mallory.say(message);
  LOOP
    answer := mallory.listen(number);
    IF answer IS NULL OR answer::jsonb->'ask' IS NULL THEN
      RETURN answer;
    END IF;
    number := answer::jsonb->>'n';
    PERFORM mallory.say(encode(convert_to(
      jsonb_build_object('v', 1, 'n', number, 'rows', '[]'::jsonb, 'bell', NULL)::text, 'UTF8'),
      'base64'));
  END LOOP;
END $$;
"""


def number() -> str:
    """A number for a call."""
    return secrets.token_hex(16)


def call(function: str, *arguments: object, **fields: object) -> dict[str, Any]:
    """A call, which claims to be the superuser's."""
    document = {"n": number(), "v": 1, "f": function, "a": list(arguments), "types": None}
    return {**document, "bell": 0, "role": "postgres", "iso": "read committed", **fields}


def encoded(document: object) -> str:
    """The text of the message: `document` as JSON, or bytes as they are."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.b64encode(data).decode()


def say(document: object) -> str:
    """A statement that sends the message and waits for nothing."""
    return f"SELECT mallory.say('{encoded(document)}')"


def forge(client: RawClient, document: dict[str, Any]) -> dict[str, Any] | None:
    """Send a forged call, and return what the gateway answers; None if it does not."""
    answer = client.query(f"SELECT mallory.forge('{document['n']}', '{encoded(document)}')")
    assert not answer.errors, answer
    return read(answer)


def read(answer: Answer) -> dict[str, Any] | None:
    """The gateway's answer in a row's one field."""
    ((text,),) = answer.rows
    assert not answer.notices, "the message was passed to the client"
    found: dict[str, Any] | None = None if text is None else json.loads(text)
    return found
