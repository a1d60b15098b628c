import { hmacBase64, type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { signingSecret: 'Y29udHJhY3Qtb25lLXpENmRlc2stc2VjcmV0LTAwMDE=' },
  nextSecrets: { signingSecret: 'Y29udHJhY3QtdHdvLXpENmRlc2stc2VjcmV0LTAwMDI=' },
  headers: ['x-zendesk-webhook-signature', 'x-zendesk-webhook-signature-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  variants: { PUT: {} },
  sign: (fixture, secrets, now) => {
    const timestamp = now.toISOString().replace('.000Z', 'Z');
    return {
      method: fixture.variant ?? 'POST',
      headers: {
        'content-type': fixture.form ? 'application/x-www-form-urlencoded' : 'application/json; charset=utf-8',
        'x-zendesk-account-id': '21825834',
        'x-zendesk-webhook-id': '01F1KRFQ6BG29CNWFR60NK5FNY',
        'x-zendesk-webhook-invocation-id': `inv-${fixture.name}`,
        'x-zendesk-webhook-signature-timestamp': timestamp,
        'x-zendesk-webhook-signature': hmacBase64('sha256', secrets['signingSecret'] ?? '', timestamp, fixture.bytes),
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'type',
    'id',
    'account_id',
    'subject',
    'time',
    'detail',
    'event',
    'comment',
    'body',
    'html_body',
    'is_public',
    'author',
    'is_staff',
    'attachment',
    'content_url',
    'actor',
    'message',
    'conversation_id',
    'via',
    'sender',
    'text',
    '__proto__',
  ],
};
