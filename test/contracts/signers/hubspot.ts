import { hmacBase64, url, type Signer } from '../signer.ts';

/** The ingest URL with a query in which HubSpot decodes some escapes before it signs. */
const escapedUrl = `${url}?from=crm%2Fcontacts%3Aeu%20west&note=%28a%29`;
const signedUrl = `${url}?from=crm/contacts:eu%20west&note=(a)`;

export const signer: Signer = {
  secrets: { clientSecret: '0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0' },
  nextSecrets: { clientSecret: 'ffeeddcc-bbaa-4988-b766-554433221100' },
  headers: ['x-hubspot-signature-v3', 'x-hubspot-request-timestamp'],
  toleranceSeconds: 300,
  covers: 'bytes',
  variants: { 'escaped-url': {} },
  sign: (fixture, secrets, now) => {
    const time = String(now.getTime());
    const isEscaped = fixture.variant === 'escaped-url';
    const target = isEscaped ? signedUrl : url;
    const mac = hmacBase64('sha256', secrets['clientSecret'] ?? '', `POST${target}`, fixture.bytes, time);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)',
      'x-hubspot-request-timestamp': time,
      'x-hubspot-signature-v3': mac,
    };
    return { method: 'POST', url: isEscaped ? escapedUrl : url, headers, body: fixture.bytes };
  },
  fields: [
    'eventId',
    'subscriptionId',
    'portalId',
    'appId',
    'occurredAt',
    'subscriptionType',
    'objectId',
    'objectTypeId',
    'propertyName',
    'changeSource',
    'sourceId',
    'messageId',
    'associationType',
    'fromObjectId',
    'toObjectId',
    '__proto__',
  ],
};
