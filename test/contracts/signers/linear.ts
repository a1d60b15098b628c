import { hmacHex, type Signer } from '../signer.ts';

/** Fixtures have the suite's time in `webhookTimestamp`: Linear signs the time as part of the body. */
export const signer: Signer = {
  secrets: { signingSecret: 'lin_wh_postroomContractSecretOne' },
  nextSecrets: { signingSecret: 'lin_wh_postroomContractSecretTwo' },
  headers: ['linear-signature'],
  toleranceSeconds: 60,
  covers: 'bytes',
  sign: (fixture, secrets, now) => ({
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Linear-Webhook',
      'linear-delivery': '234d1a4e-b617-4388-90fe-adc3633d6b72',
      'linear-event': fixture.variant ?? 'Issue',
      'linear-timestamp': String(now.getTime()),
      'linear-signature': hmacHex('sha256', secrets['signingSecret'] ?? '', fixture.bytes),
    },
    body: fixture.bytes,
  }),
  fields: [
    'action',
    'type',
    'actor',
    'data',
    'id',
    'title',
    'description',
    'body',
    'issue',
    'issueId',
    'identifier',
    'team',
    'key',
    'agentSession',
    'agentActivity',
    'content',
    'comment',
    'createdAt',
    'webhookTimestamp',
    '__proto__',
  ],
};
