import { hmacHex, type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { clientSecret: '0f5c8f3e-contract-4b1a-9d52-one' },
  nextSecrets: { clientSecret: '0f5c8f3e-contract-4b1a-9d52-two' },
  headers: ['x-hub-signature'],
  covers: 'bytes',
  sign: (fixture, secrets) => {
    // The probe before a URL is saved.
    if (fixture.variant === 'probe') return { method: 'HEAD', headers: {}, body: new Uint8Array() };
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'intercom-parrot-service-client/1.0',
        'x-hub-signature': `sha1=${hmacHex('sha1', secrets['clientSecret'] ?? '', fixture.bytes)}`,
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'type',
    'id',
    'topic',
    'app_id',
    'data',
    'item',
    'source',
    'conversation_message',
    'conversation_parts',
    'body',
    'author',
    'name',
    'email',
    'attachments',
    'url',
    'filesize',
    'created_at',
    'redacted',
    '__proto__',
  ],
};
