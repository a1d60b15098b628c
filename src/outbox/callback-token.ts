import { isUuid } from '../lib/ids.ts';
import type { Sealer } from '../lib/sealing.ts';
import type { Claim } from './claim.ts';

/**
 * The secret part of a callback URL: good for one run of one delivery, so it needs no row of its
 * own. Who has the delivery's id cannot make one without the key.
 */
export function callbackToken(sealer: Sealer, claim: Pick<Claim, 'tenant_id' | 'id' | 'fence'>): string {
  const named = `${claim.tenant_id}.${claim.id}.${claim.fence}`;
  return `${named}.${sealer.sign(`callback:${named}`)}`;
}

/** What a token is for; undefined where we did not make it. */
export function readCallbackToken(
  sealer: Sealer,
  token: string,
): Pick<Claim, 'tenant_id' | 'id' | 'fence'> | undefined {
  const [tenantId = '', id = '', fence = '', mac] = token.split('.');
  if (mac === undefined || !isUuid(tenantId) || !isUuid(id) || !/^\d{1,18}$/.test(fence)) return undefined;
  return sealer.isSigned(`callback:${tenantId}.${id}.${fence}`, mac) ? { tenant_id: tenantId, id, fence } : undefined;
}
