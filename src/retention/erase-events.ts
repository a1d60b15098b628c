import { sql, type Kysely, type Selectable } from 'kysely';
import type { Database, EventsTable } from '../db/schema.ts';
import type { ChannelKind } from '../lib/channel-kinds.ts';
import { normalizeIdentity } from '../lib/identity.ts';

export interface Sender {
  readonly channel: ChannelKind;
  readonly externalIdentity: string;
}

type StoredEvent = Selectable<EventsTable>;

/** Who wrote the messages in a stored event; none where it has none, or cannot be read. */
export type ReadSenders = (event: StoredEvent) => Promise<readonly Sender[]>;

const pageRows = 500;
const zero = '00000000-0000-0000-0000-000000000000';

/**
 * Takes out of events what was sent: body, headers, the query of the URL, and what a parser said
 * about it. The event stays, with its time and its outcome.
 *
 * @returns how many; those that were blank already do not count.
 */
export async function blankEvents(db: Kysely<Database>, tenantId: string, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const updated = await sql`
    update events set body = '', headers = '[]', url = split_part(url, '?', 1), delivery_id = null,
      reason = case when outcome = 'unparsed' then 'erased' else reason end
    where tenant_id = ${tenantId} and id = any(${[...new Set(ids)]}::uuid[])
      and (octet_length(body) > 0 or headers::text <> '[]')`.execute(db);
  return Number(updated.numAffectedRows ?? 0);
}

/**
 * Blanks the events that no message of the identity names, and that hold something of it all the
 * same: repeated webhooks, by reading them again, and those without a message (edits, receipts, what
 * could not be read) where they name it.
 */
export async function eraseRepeatedEvents(
  db: Kysely<Database>,
  identity: Sender & { readonly tenantId: string },
  readSenders: ReadSenders,
): Promise<number> {
  const name = nameOf(identity.externalIdentity);
  let erased = 0;
  for (let after = zero; ;) {
    const { rows } = await sql<{ id: string; suspect: boolean }>`
      select id, octet_length(body) > 0 and (outcome <> 'accepted' or position(${Buffer.from(name)}::bytea in body) > 0)
        as suspect
      from events where tenant_id = ${identity.tenantId} and id > ${after}::uuid
      order by tenant_id, id limit ${pageRows}`.execute(db);
    const theirs: string[] = [];
    for (const { id } of rows.filter((row) => row.suspect)) {
      const event = await db
        .selectFrom('events')
        .selectAll()
        .where('tenant_id', '=', identity.tenantId)
        .where('id', '=', id)
        .executeTakeFirst();
      if (event && (await isOf(event, identity, name, readSenders))) theirs.push(id);
    }
    erased += await blankEvents(db, identity.tenantId, theirs);
    if (rows.length < pageRows) return erased;
    after = (rows.at(-1) as { id: string }).id;
  }
}

async function isOf(event: StoredEvent, identity: Sender, name: string, readSenders: ReadSenders): Promise<boolean> {
  const senders = await readSenders(event);
  if (senders.length > 0) {
    return senders.some(
      ({ channel, externalIdentity }) =>
        channel === identity.channel && normalizeIdentity(channel, externalIdentity) === identity.externalIdentity,
    );
  }
  return mentions(`${event.url}\n${Buffer.from(event.body).toString('utf8')}`, name);
}

/** How requests name an identity: without our prefix (`TEAM:USER`, `github:1`) and without a phone's plus. */
function nameOf(externalIdentity: string): string {
  return externalIdentity.slice(externalIdentity.lastIndexOf(':') + 1).replace(/^\+/, '') || externalIdentity;
}

/** Whether a text, or a form in it, has the name as a word of its own. */
function mentions(text: string, name: string): boolean {
  const word = new RegExp(
    `(?<![\\p{L}\\p{N}])${name.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}(?![\\p{L}\\p{N}])`,
    'iu',
  );
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return word.test(text) || word.test(decoded);
}
