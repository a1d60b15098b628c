import { verifySlackRequest } from '@slack/bolt';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { signSlack } from '../../../demo/sign.ts';
import { signers } from '../signers/index.ts';
import { anyText, verifyRequest } from '../verify-request.ts';

/** Our verifier, our signer and the provider's own code agree on what is signed. */
test('Slack: what we accept, its SDK accepts', async () => {
  const secret = signers['slack']?.secrets['signingSecret'] ?? '';
  const now = new Date();
  await fc.assert(
    fc.asyncProperty(anyText, async (body) => {
      const request = signSlack({ secret, body, now });
      const headers = {
        'x-slack-signature': request.headers['x-slack-signature'] ?? '',
        'x-slack-request-timestamp': Number(request.headers['x-slack-request-timestamp']),
      };
      verifySlackRequest({ signingSecret: secret, body, headers });
      const forged = { signingSecret: secret, body: `${body}x`, headers };
      expect(() => verifySlackRequest(forged)).toThrow(/signature mismatch/);
      expect(await verifyRequest('slack', request, now)).toEqual({ ok: true });
      expect(await verifyRequest('slack', { ...request, body: `${body}x` }, now)).toMatchObject({ ok: false });
    }),
  );
});
