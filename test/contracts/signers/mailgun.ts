import { hmacHex, type Signer } from '../signer.ts';

const token = 'c8e3a1f0b4d2967583a0e1f2c3b4d5968778695a4b3c2d1e0f';

/**
 * The three fields stand in the body: at the end of a form (in fixtures, multipart forms have the
 * boundary `xYzZY`), in JSON under `signature`.
 */
export const signer: Signer = {
  secrets: { signingKey: '7f1d3b5a9c8e0f2d4b6a8c0e1f3d5b7a' },
  nextSecrets: { signingKey: '00112233445566778899aabbccddeeff' },
  headers: [],
  toleranceSeconds: { early: 300, late: 9 * 3600 },
  covers: 'part',
  sign: (fixture, secrets, now) => {
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const signature = hmacHex('sha256', secrets['signingKey'] ?? '', timestamp, token);
    const signed = { timestamp, token, signature };
    if (fixture.body !== undefined) {
      const body = JSON.stringify({ signature: signed, ...(fixture.body as object) });
      return { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    }
    if (fixture.form !== undefined || fixture.variant === 'form') {
      const body = Buffer.concat([fixture.bytes, Buffer.from(`&${new URLSearchParams(signed).toString()}`)]);
      return { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body };
    }
    const end = Buffer.from(fixture.bytes).lastIndexOf('--xYzZY--');
    const fields = Object.entries(signed).map(
      ([name, value]) => `--xYzZY\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const body = Buffer.concat([fixture.bytes.subarray(0, end), Buffer.from(`${fields.join('')}--xYzZY--\r\n`)]);
    return { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=xYzZY' }, body };
  },
  fields: [
    'signature',
    'timestamp',
    'token',
    'event-data',
    'recipient',
    'sender',
    'from',
    'From',
    'subject',
    'Message-Id',
    'message-headers',
    'body-plain',
    'body-mime',
    'attachments',
    'event',
    '__proto__',
  ],
};
