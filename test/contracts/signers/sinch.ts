import { hmacBase64, type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { webhookSecret: 'contract-webhook-secret-one' },
  nextSecrets: { webhookSecret: 'contract-webhook-secret-two' },
  headers: ['x-sinch-webhook-signature', 'x-sinch-webhook-signature-nonce', 'x-sinch-webhook-signature-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const nonce = '01FJA8B4A7BM43YGWSG9GBV067';
    const tail = `.${nonce}.${timestamp}`;
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-sinch-webhook-signature': hmacBase64('sha256', secrets['webhookSecret'] ?? '', fixture.bytes, tail),
        'x-sinch-webhook-signature-nonce': nonce,
        'x-sinch-webhook-signature-timestamp': timestamp,
        'x-sinch-webhook-signature-algorithm': 'HmacSHA256',
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'app_id',
    'accepted_time',
    'event_time',
    'message',
    'message_redaction',
    'event',
    'id',
    'direction',
    'channel_identity',
    'channel',
    'identity',
    'conversation_id',
    'sender_id',
    'contact_message',
    'text_message',
    'text',
    'media_message',
    'url',
    'product_response_message',
    'products',
    'type',
    'from',
    'to',
    'body',
    'media',
    '__proto__',
  ],
};
