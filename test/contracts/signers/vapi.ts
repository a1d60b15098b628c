import { hmacHex, type Signer } from '../signer.ts';

/** HMAC credentials with Vapi's defaults. Tokens, which cover nothing, are in test/unit/vapi.test.ts. */
export const signer: Signer = {
  secrets: { secret: 'contract-hmac-secret-one' },
  nextSecrets: { secret: 'contract-hmac-secret-two' },
  headers: ['x-signature', 'x-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  sign: (fixture, secrets, now) => {
    const timestamp = String(now.getTime());
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-signature': hmacHex('sha256', secrets['secret'] ?? '', `${timestamp}.`, fixture.bytes),
        'x-timestamp': timestamp,
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'message',
    'type',
    'call',
    'id',
    'customer',
    'number',
    'sipUri',
    'phoneNumber',
    'assistant',
    'assistantId',
    'artifact',
    'transcript',
    'messages',
    'role',
    'recording',
    'mono',
    'combinedUrl',
    'recordingUrl',
    'analysis',
    'summary',
    'structuredData',
    'structuredOutputs',
    'durationSeconds',
    'timestamp',
    'endedAt',
    '__proto__',
  ],
};
