import { sql, type RawBuilder } from 'kysely';

/**
 * What a message says, taken out of its row; for `update inbound_messages m set`. Who wrote it stays,
 * and what a repeated one is known by. Of the decision stays what it was, without who was meant.
 */
export function blankPayload(now: Date): RawBuilder<unknown> {
  return sql`display_name = null, text = null, attachments = '[]', channel_metadata = '{}', blanked_at = ${now},
    decision = case when m.decision is not null then
      jsonb_set(m.decision - 'identity', '{considered}', case
        when jsonb_typeof(m.decision->'considered') = 'array' then coalesce((
          select jsonb_agg(case when c->>'reason' like 'match_failed%'
            then jsonb_set(c, '{reason}', '"match_failed"') else c end order by n)
          from jsonb_array_elements(m.decision->'considered') with ordinality as e(c, n)), '[]')
        else '[]' end) end`;
}

/** An error's code without its text, which may quote the message. */
export function codeAlone(error: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`case when ${error} is not null then jsonb_build_object('code', ${error}->'code') end`;
}
