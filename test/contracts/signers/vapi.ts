import { hmacHex, type Signer } from '../signer.ts';

/** HMAC credentials with Vapi's defaults, and the two headers for a token, which covers nothing. */
export const signer: Signer = {
  secrets: { secret: 'contract-hmac-secret-one' },
  nextSecrets: { secret: 'contract-hmac-secret-two' },
  headers: ['x-signature', 'x-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  variants: {
    authorization: { headers: ['authorization'], toleranceSeconds: undefined, covers: 'none' },
    'x-vapi-secret': { headers: ['x-vapi-secret'], toleranceSeconds: undefined, covers: 'none' },
  },
  sign: (fixture, secrets, now) => {
    const secret = secrets['secret'] ?? '';
    if (fixture.variant !== undefined) {
      const token = fixture.variant === 'authorization' ? `Bearer ${secret}` : secret;
      const headers = { 'content-type': 'application/json', [fixture.variant]: token };
      return { method: 'POST', headers, body: fixture.bytes };
    }
    const timestamp = String(now.getTime());
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-signature': hmacHex('sha256', secret, `${timestamp}.`, fixture.bytes),
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
