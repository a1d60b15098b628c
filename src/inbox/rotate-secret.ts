import { invalid } from '../lib/errors.ts';
import { openSecrets, rotate, sealSecrets, type StoredSecrets } from './channel-secrets.ts';
import { channelColumns, getChannel, toChannel, type Channel, type ChannelContext } from './channels.ts';
import { check, secretNames, secretShape, soleSecret } from './provider-secrets.ts';

export interface Rotation {
  /** Which secret; may be left out where the provider has one. */
  readonly secret?: string | undefined;
  /** The new value; may be left out where the secret is ours to make. */
  readonly value?: string | undefined;
  /** How long the old values stay live beside it, in seconds. */
  readonly graceSeconds: number;
}

/** Rotates a secret. Returns its name, and the value where we made it: that answer is the only one with it. */
export async function rotateSecret(
  context: ChannelContext,
  tenantId: string,
  id: string,
  rotation: Rotation,
): Promise<{ channel: Channel; secret: string; madeValue: string | null }> {
  const channel = await getChannel(context, tenantId, id);
  const provider = context.providers.get(channel.provider);
  if (!provider) throw invalid(['path', 'channelId'], `the provider ${channel.provider} is not installed`);
  const names = secretNames(provider);
  const name = rotation.secret ?? soleSecret(provider);
  if (name === undefined || !names.includes(name)) {
    throw invalid(['body', 'secret'], `must be one of ${names.join(', ')}`);
  }
  const madeValue =
    rotation.value === undefined && name === soleSecret(provider) ? (provider.newSecret?.() ?? null) : null;
  const value = rotation.value ?? madeValue;
  if (value === null)
    throw invalid(['body', 'value'], 'is required: the provider makes this secret, enter its new value');

  return await context.db.transaction().execute(async (trx) => {
    const { secrets } = await trx
      .selectFrom('channels')
      .select('secrets')
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const before: StoredSecrets = openSecrets(context.sealer, tenantId, id, secrets);
    const after = rotate(before, name, value, context.now(), rotation.graceSeconds);
    // The provider's own schema judges the new values as it judged the first.
    const schema = secretShape(provider)[name];
    if (schema)
      check(
        schema,
        after[name]?.map((one) => one.value),
        'value',
      );
    const changed = await trx
      .updateTable('channels')
      .set({ secrets: sealSecrets(context.sealer, tenantId, id, after), updated_at: context.now() })
      .where('tenant_id', '=', tenantId)
      .where('id', '=', id)
      .returning(channelColumns)
      .executeTakeFirstOrThrow();
    return { channel: toChannel(context, changed), secret: name, madeValue };
  });
}
