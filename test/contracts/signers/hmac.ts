import { createHmac } from 'node:crypto';
import { hmacBase64, hmacHex, url, type Signer } from '../signer.ts';
import { ownBodyFields } from '../own-body-fields.ts';

/**
 * Each variant is a scheme that somebody uses, computed here as its own documentation says and not
 * out of the fixture's settings, which describe it.
 */
export const signer: Signer = {
  secrets: { secret: '6f6e652d6f6e652d6f6e652d6f6e652d6f6e652d6f6e652d6f6e652d6f6e6521' },
  nextSecrets: { secret: '74776f2d74776f2d74776f2d74776f2d74776f2d74776f2d74776f2d74776f21' },
  headers: ['x-signature', 'x-timestamp', 'x-event-id'],
  toleranceSeconds: 300,
  covers: 'bytes',
  variants: {
    github: { headers: ['x-hub-signature-256'], toleranceSeconds: undefined },
    slack: { headers: ['x-slack-signature', 'x-slack-request-timestamp'] },
    // Of the signatures in the third header one is enough, so not every change of it is refused.
    svix: { headers: ['webhook-id', 'webhook-timestamp'] },
    hubspot: { headers: ['x-signature-v3', 'x-request-timestamp'] },
    zendesk: { headers: ['x-mac', 'x-time'] },
    intercom: { headers: ['x-hub-signature'], toleranceSeconds: undefined },
    'sha512-base64url': { headers: ['x-mac'], toleranceSeconds: undefined },
    'upper-case-sha384': { headers: ['authorization'], toleranceSeconds: undefined },
  },
  sign: (fixture, secrets, now) => {
    const key = secrets['secret'] ?? '';
    const { bytes } = fixture;
    const seconds = String(Math.floor(now.getTime() / 1000));
    const millis = String(now.getTime());
    const headers: Record<string, string> = {
      'content-type': fixture.form ? 'application/x-www-form-urlencoded' : 'application/json',
    };
    switch (fixture.variant) {
      case 'github':
        headers['x-hub-signature-256'] = `sha256=${hmacHex('sha256', key, bytes)}`;
        headers['x-github-delivery'] = `delivery-${fixture.name}`;
        break;
      case 'slack':
        headers['x-slack-request-timestamp'] = seconds;
        headers['x-slack-signature'] = `v0=${hmacHex('sha256', key, `v0:${seconds}:`, bytes)}`;
        break;
      case 'svix': {
        const id = `msg_${fixture.name}`;
        const mac = createHmac('sha256', Buffer.from(key, 'base64')).update(`${id}.${seconds}.`).update(bytes);
        headers['webhook-id'] = id;
        headers['webhook-timestamp'] = seconds;
        headers['webhook-signature'] = `v1,${hmacBase64('sha256', 'rolled', bytes)} v1a,AA v1,${mac.digest('base64')}`;
        break;
      }
      case 'hubspot':
        headers['x-request-timestamp'] = millis;
        headers['x-signature-v3'] = hmacBase64('sha256', key, 'POST', url, bytes, millis);
        break;
      case 'zendesk':
        headers['x-time'] = now.toISOString();
        headers['x-mac'] = hmacBase64('sha256', key, now.toISOString(), bytes);
        break;
      case 'intercom':
        headers['x-hub-signature'] = `sha1=${hmacHex('sha1', key, bytes)}`;
        break;
      case 'sha512-base64url':
        headers['x-mac'] = createHmac('sha512', Buffer.from(key, 'hex')).update(bytes).digest('base64url');
        break;
      case 'upper-case-sha384':
        headers['authorization'] = `HMAC ${hmacHex('sha384', key, bytes).toUpperCase()}`;
        break;
      default:
        headers['x-event-id'] = `evt_${fixture.name}`;
        headers['x-timestamp'] = seconds;
        headers['x-signature'] = `v1=${hmacHex('sha256', key, `evt_${fixture.name}.${seconds}.`, bytes)}`;
    }
    return { method: fixture.variant === 'upper-case-sha384' ? 'PUT' : 'POST', headers, body: bytes };
  },
  fields: ownBodyFields,
};
