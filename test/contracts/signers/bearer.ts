import { type Signer } from '../signer.ts';
import { ownBodyFields } from '../own-body-fields.ts';

export const signer: Signer = {
  secrets: { token: 'k7Tq2~contract-token.One/9A+b=' },
  nextSecrets: { token: 'k7Tq2~contract-token.Two/9A+b=' },
  headers: ['authorization'],
  covers: 'none',
  variants: { 'x-api-key': { headers: ['x-api-key'] }, 'x-gitlab-token': { headers: ['x-gitlab-token'] } },
  sign: (fixture, secrets) => {
    const token = secrets['token'] ?? '';
    const credentials: Record<string, string> = fixture.variant
      ? { [fixture.variant]: token }
      : { authorization: `Bearer ${token}` };
    const contentType = fixture.form ? 'application/x-www-form-urlencoded' : 'application/json';
    return {
      method: fixture.name.startsWith('put') ? 'PUT' : 'POST',
      headers: { 'content-type': contentType, 'x-request-id': `req_${fixture.name}`, ...credentials },
      body: fixture.bytes,
    };
  },
  fields: ownBodyFields,
};
