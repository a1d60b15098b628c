import { hmacBase64, url as ingestUrl, type Signer } from '../signer.ts';

const nonce = '12345678901234567890';

/** V3, by Plivo's description; `test/contracts/sdks/plivo.test.ts` compares it with Plivo's own code. */
function signV3(token: string, url: string, fields: readonly (readonly [string, string])[]): string {
  const [base = '', query = ''] = url.split('?', 2);
  const sorted = [...new URLSearchParams(query)].toSorted(byCode).map(([name, value]) => `${name}=${value}`);
  const form = fields.toSorted(byCode).map(([name, value]) => `${name}${value}`);
  const parts = [sorted.join('&'), form.join('')].filter((part) => part !== '');
  return hmacBase64('sha256', token, `${[base, parts.join('.')].filter((part) => part !== '').join('?')}.${nonce}`);
}

function byCode(a: readonly [string, string], b: readonly [string, string]): number {
  const [x, y] = a[0] === b[0] ? [a[1], b[1]] : [a[0], b[0]];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}

export const signer: Signer = {
  secrets: { authToken: 'MWQ0ZTM1YmY5N2Q4ZjA2YWJjZDEyMzQ1Njc4OTBh' },
  nextSecrets: { authToken: 'ZmVkY2JhMDk4NzY1NDMyMTBmZWRjYmEwOTg3NjU0' },
  headers: ['x-plivo-signature-v3', 'x-plivo-signature-v3-nonce'],
  covers: 'fields',
  variants: {
    get: {},
    // Without its signature another account's is left, which is wrong and not missing.
    'main-account': { headers: ['x-plivo-signature-v3-nonce'] },
    v2: { headers: ['x-plivo-signature-v2', 'x-plivo-signature-v2-nonce'], covers: 'none' },
  },
  sign: (fixture, secrets) => {
    const token = secrets['authToken'] ?? '';
    const isGet = fixture.variant === 'get';
    const form = new TextDecoder().decode(fixture.bytes);
    const url = isGet ? `${ingestUrl}?${form}` : `${ingestUrl}${fixture.variant === 'query' ? '?tenant=a b&a=1' : ''}`;
    if (fixture.variant === 'v2') {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        'x-plivo-signature-v2': hmacBase64('sha256', token, `${ingestUrl}${nonce}`),
        'x-plivo-signature-v2-nonce': nonce,
      };
      return { method: 'POST', headers, body: fixture.bytes };
    }
    const signature = signV3(token, url, isGet ? [] : [...new URLSearchParams(`&${form}`)]);
    const other = signV3('another-token', url, []);
    // A main account's number: under the first name stands another account's signature.
    const signatures: Record<string, string> =
      fixture.variant === 'main-account'
        ? { 'x-plivo-signature-v3': other, 'x-plivo-signature-ma-v3': signature }
        : { 'x-plivo-signature-v3': fixture.variant === 'two-tokens' ? `${other},${signature}` : signature };
    return {
      method: isGet ? 'GET' : 'POST',
      url,
      headers: {
        ...(isGet ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...signatures,
        'x-plivo-signature-v3-nonce': nonce,
      },
      body: isGet ? '' : fixture.bytes,
    };
  },
  fields: [
    'MessageUUID',
    'From',
    'To',
    'Text',
    'Body',
    'Type',
    'Status',
    'Media0',
    'Media1',
    'MimeType',
    'CallUUID',
    'MessageIntent',
    '__proto__',
  ],
};
