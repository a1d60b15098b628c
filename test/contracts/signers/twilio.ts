import { signTwilioForm, signTwilioGet, signTwilioJson, type TwilioParams } from '../../../demo/sign.ts';
import { url, type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { authToken: '0f1e2d3c4b5a69788796a5b4c3d2e1f0' },
  nextSecrets: { authToken: 'ffeeddccbbaa99887766554433221100' },
  headers: ['x-twilio-signature'],
  covers: 'fields',
  variants: { json: { covers: 'bytes' }, get: {} },
  sign: (fixture, secrets) => {
    const authToken = secrets['authToken'] ?? '';
    const params = (fixture.form ?? {}) as TwilioParams;
    if (fixture.variant === 'json') return signTwilioJson({ authToken, url, body: fixture.bytes });
    if (fixture.variant === 'get') return signTwilioGet({ authToken, url, params });
    return signTwilioForm({ authToken, url, params });
  },
  fields: [
    'MessageSid',
    'SmsSid',
    'From',
    'To',
    'Body',
    'NumMedia',
    'MediaUrl0',
    'MediaContentType0',
    'SmsStatus',
    'MessageStatus',
    'ProfileName',
    'CallSid',
    'ButtonText',
    'Label',
    'Latitude',
    'Longitude',
    'OtherRecipients0',
    '__proto__',
  ],
};
