import { createPrivateKey, sign as signBytes, type JsonWebKey } from 'node:crypto';
import { type Signer } from '../signer.ts';

/** A key made for these tests; Bot Framework's own is Microsoft's. */
const privateKey: JsonWebKey = {
  kty: 'RSA',
  n: '18wUA9OCy3V3uXd_C7n_5YsOtnuwwLJa_dD5a-GXfQoCPsbWbMa91Up6Cwgy7wl-H78zPvMXM0rbElzIJCHEWunutZvsibz3r64CiHIeos8Eh5ITvrp_UvdCWBO4BJGl6taIQ934c0lEa8SYpeVps7Sj7FYFaufX-ILgPSIjEEjR1yF18nMMZSnOxSBuuzzwlHRgzWISxLG0N4vwAtyngH2-zHTfdkxel0WCHLjuLrLpOtn9gLJehgsfXhMZw2qgdoBdQjI8MRlWGaxp6WRI9ZkIJeC-YKSI6bXVcELnVwzP4yzZPjj4ycV5y0zI2ybv9tiXB88hEz45RQcfBdnevw',
  e: 'AQAB',
  d: 'ATElYygF7u3FLYcVcpEicrgj6qogPdA-ZGyFFC140r39aS9b-9nVLppstibjcSKSScaal9xr4mKldyKAEIMHPKFSKjqkQdaDX7sMVIic1rViBwWtij4peeHXwfjJ6WyMiBGLSySsvKZI9HdviGsN_GohBasr-H0zWjIO3weTPgHGXUcL51WYU4rQBBc84NaxCWkCfsMM3W2I_pm4FUGnWUeOGm31w9jLIyjLTrSMm80fUGv5XrydnhJwofEWW7ssHq9pdcFajOThY1SBdYUrcRQTFy0O7MSJpdcWNYvKwf21i-PRoLgpp4uiHdV7D-ZQsvxXn5yTfum8HMvidbWKsQ',
  p: '9_Pq0ihOd-YaGeJcs-7TeVl5LBqvBE8lFt-7gk_zQLnVzTbcV8kmLBBYvWvrCmNAODoHHm0uLMrPkKl7y3rpESGOrJTJDL5t964NzqAJIIHEaKE-PBK-nzCjaBkKzPa8RtPUGf5RBrkiByWdwTthDesgh6CedMgs41RPE_ciLds',
  q: '3s0ADwMSbuspekIOAXZwoCzOA1tUjtQHXZnI35KRSGoVSUks5pNLsHBX7g-rBBPFWaKQiyBBd_aYaD9ll0BaECPFvf7eXIhJlARyNAUFnatVNfiB6EL2l2wtQ-BpZBOb0uPzQP2UO9F-6dSkft5yAxIN59VekF3_o1rMXsrTse0',
  dp: '2pA22INRD91T-qcPQkhuPtSAvEDVL344Wl5jIe4ppU9qSBdoyTT1IfhS0L4VFDYCwM1dwxNIlZE8v-61wdqZIVGsOzJ3unUN6DqTzyRAh1f78qLXggqf3yD3mWYhoCSKOAC3QSZs8_kzJoug8FjQJ32wUf1iT9y3vLdvcVDx3us',
  dq: 'vT4_GIExfQk919yXbOKfU037RpqivhaWkwh2uIAT6wBASFlhTBA8sAcciNbCGdp5PGN6htHFChJo7dM7hTdhyGe6JGGBmfMhHBqSrmC9nmjTHd6Q6SlHruJxqD_LBPgq2PxJuCArcovFUvQNLL3g9X62VP7FLbbJ1oTfJnz9Rxk',
  qi: 'M45MxkDUZFjCe3RmZv7t3c6iiD3vaHmuhidkluLahMHCQgojCE3DGvAV5ui0cibRDgCjYnFFPTY_V7QyxpNbF8kqZDVdQy5thJYYLgwCUAmu9KzcS3KdrNLBf-GphtqjoVFyhBL01JmOkK6ExskLKdm0htRppcAwV4woxXG4Kn4',
};

export const teamsKeyId = 'postroom-contract-key';
export const teamsAppId = '5f0d3c1e-7a42-4b9e-9c55-2b8f6f1e0a11';
export const teamsMetadataUrl = 'https://login.botframework.com/v1/.well-known/openidconfiguration';
export const teamsKeysUrl = 'https://login.botframework.com/v1/.well-known/keys';

/** The published key as Microsoft publishes its own, under any id. */
export function teamsKeySet(...kids: readonly string[]): string {
  const { kty, n, e } = privateKey;
  const keys = kids.map((kid) => ({ kty, use: 'sig', kid, n, e, endorsements: ['msteams', 'webchat'] }));
  return JSON.stringify({ keys: [{ kty: 'EC', kid: 'of-another-kind' }, ...keys] });
}

export const teamsMetadata = JSON.stringify({
  issuer: 'https://api.botframework.com',
  authorization_endpoint: 'https://invalid.botframework.com',
  jwks_uri: teamsKeysUrl,
  id_token_signing_alg_values_supported: ['RS256'],
  token_endpoint_auth_methods_supported: ['private_key_jwt'],
});

/** A token of Bot Framework's: an hour of life, for one bot and one service. */
export function signTeamsToken(
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode({ alg: 'RS256', kid: teamsKeyId, x5t: teamsKeyId, typ: 'JWT', ...header })}.${encode(claims)}`;
  const key = createPrivateKey({ key: privateKey, format: 'jwk' });
  return `${signed}.${signBytes('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

export function teamsClaims(serviceUrl: string, now: Date): Record<string, unknown> {
  const time = Math.floor(now.getTime() / 1000);
  return {
    serviceurl: serviceUrl,
    nbf: time,
    exp: time + 3600,
    iss: 'https://api.botframework.com',
    aud: teamsAppId,
  };
}

/** The secret is for files alone: requests are signed with Microsoft's key. */
export const signer: Signer = {
  secrets: {},
  nextSecrets: {},
  headers: ['authorization'],
  // Of the hour that a token lives, and five minutes at both ends.
  toleranceSeconds: { early: 300, late: 3_899 },
  // `serviceUrl` and `channelId`, by which the token is bound to the body.
  covers: 'part',
  published: { [teamsMetadataUrl]: teamsMetadata, [teamsKeysUrl]: teamsKeySet(teamsKeyId) },
  sign: (fixture, _secrets, now) => {
    const { serviceUrl } = fixture.body as { serviceUrl: string };
    return {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        authorization: `Bearer ${signTeamsToken(teamsClaims(serviceUrl, now))}`,
      },
      body: fixture.bytes,
    };
  },
  fields: [
    'type',
    'id',
    'name',
    'timestamp',
    'serviceUrl',
    'channelId',
    'text',
    'from',
    'recipient',
    'aadObjectId',
    'role',
    'conversation',
    'conversationType',
    'tenantId',
    'channelData',
    'tenant',
    'attachments',
    'contentType',
    'contentUrl',
    'content',
    'downloadUrl',
    'entities',
    'mentioned',
    'value',
    'action',
    'verb',
    'trigger',
    '__proto__',
  ],
};
