import { createPrivateKey, sign, type JsonWebKey } from 'node:crypto';
import type { Fixture } from '../fixtures.ts';
import { type Signer } from '../signer.ts';

/** A key pair of the tests' own, in the place of the one that SNS signs with. */
const key: JsonWebKey = {
  kty: 'RSA',
  n: 'yI1Tw8R9JNVQBCyjIffxXnVkdRKTYSJypNIpYZil2QkgTR12ULdbKuMRDt00keY578PRff_nSCdLxsrzK2cBXbxXBsZz7M_ybpW_2wMd6Fhrhje-vJMeSLR66J4YvgGe4mjh4UuD9k7w4DtaiYYTysSKAKN1-dc6Wsp-r3EoOR9pYficfUBSbe3kdl_hrJg9OpA9QIlQOwsYI2PGRzvNzLx5oPN7RN6Fdv9xyFjMbVff7Cr_IdILZEMfvOnzGNy0DzqxEP6z_9jeYkthu9fIpm5YGh-QYjD3HqHvAoOYeKlzgDT4eieuDqnWtWxHNzirUIvjq16skyx1RnWoNuJqnQ',
  e: 'AQAB',
  d: 'XMJBRALVfvvKjqO2sDdlxDK3zA5TbFHqhKFP0nwv-TpnXkOKPbsQx71OXnmhnvnFQkhn1MdPyeei_MdRwXlbAGfkOJYBeD6V-t_4ZOwEITsEQIf4CHBjSW1wi7bT6s4FFuM71mB_IKVSc-P_9Cu3a8mLqs_v-Sa7LtMJ1UuZNxGmhu_eA4GvLx0OaMQpZoCeWxyPUrBidWRBoMXwUt3peb1xgdhd2FRkc7pZVxbFjTzNjMk--z00F3ahcQWpGh_aFz8Ei9RV4LWa0H3BtTCUtyxNfRdf3ppyjQjGpqLca0R_C46he6O2IxCRMWyuvYkelxqgAoEfGtXGDhYZeBfMYQ',
  p: '6ukXqblpT3RH9KBC_bSfRli4w6P9Sx6PDyZwuDXqc7_9LBr2cbWTnL2DzcmMiyNGwMmj4gazDY9q0FoNhqqVmc6ccz_J-wW2LZeUtzh5UbG9xHBJ_dM9IWIWKV4tJlplFFkZXaW5-jvy50ggwVZCN8mNH03lJzuGYxcti4BNC4M',
  q: '2o6UjyWs1DbTSxDwe49MgAFv4P2jjmuLlUaqWMlghFkJQgskKNYDYs_KCiPSboX57HLN0kZToSlpf1wLbh8m-Vs6nr9ckicajZtp9lzWk87HGpOzI_kkvdK_Fu0ordxRHytRAV9ubj4VsQxtGdM_lpdV3VIL_GyesvRUrs1GN18',
  dp: 'BLTQzYyyaG4a9vKzBOQ2gLFMWlcRvwyIrzQE9BvYa6NADj8oCtUpdO1zE49jKnJ1e21OxDuAINhrumrjdHw8bQ1vovt3L3lI0hcEWrtd6t4VwDbDtLsjsWSGryN84hTTi5nRYUfttu62ih2u0lDJGNcH5cWovqV5psiTGAVlBcM',
  dq: '2lBCJRtFIFYDiaBKF6J0kAjfcKbrkX_r1hjYYAgH2Sv3C3mFjST6DOHyt15A_RXnKEElRz3om7t6HjYbVMzZaYuvapNMLNHSvFDZ77WcwdhzGiEfeHeOM-8n4gbT85d3kOL775sb_BMYJ9p5wKo7gnl407L5NhRqEefuDw4NbZE',
  qi: 'lrpNO0l4jlIemBUBCqBAGQaBUKM9VKOT8SQNmglndoCZQIGDN99qfq43bcpB4ZoXvXrkTJqGC8neOjl9LMMr-YwmiMuXKV5bJrQ70ZhVLKDUIqwit06wtey3LmaoqLvfo1KmzRpCWIApu7wmBlmnN-EXGMEjtLPKnCtIBuP7MI0',
};

/** Its certificate, self-signed, in base64. */
const certificate = `
MIIDGzCCAgOgAwIBAgIUInUyHzKpZbEGobD1ymz556/kwZAwDQYJKoZIhvcNAQELBQAwHDEaMBgGA1UEAwwRc25zLmFtYXpv
bmF3cy5jb20wIBcNMjYxMTIxMTE0ODMwWhgPMjEyNjEwMjgxMTQ4MzBaMBwxGjAYBgNVBAMMEXNucy5hbWF6b25hd3MuY29t
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyI1Tw8R9JNVQBCyjIffxXnVkdRKTYSJypNIpYZil2QkgTR12ULdb
KuMRDt00keY578PRff/nSCdLxsrzK2cBXbxXBsZz7M/ybpW/2wMd6Fhrhje+vJMeSLR66J4YvgGe4mjh4UuD9k7w4DtaiYYT
ysSKAKN1+dc6Wsp+r3EoOR9pYficfUBSbe3kdl/hrJg9OpA9QIlQOwsYI2PGRzvNzLx5oPN7RN6Fdv9xyFjMbVff7Cr/IdIL
ZEMfvOnzGNy0DzqxEP6z/9jeYkthu9fIpm5YGh+QYjD3HqHvAoOYeKlzgDT4eieuDqnWtWxHNzirUIvjq16skyx1RnWoNuJq
nQIDAQABo1MwUTAdBgNVHQ4EFgQUbA75XrcTx17FxJcB4e0pnWR4DlYwHwYDVR0jBBgwFoAUbA75XrcTx17FxJcB4e0pnWR4
DlYwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAr1ixGAsu5hWNDBHLiDFob7Ht7BT51XT1Mo/weeZ7u4+v
R134D7p6F8etqfYd8JtVCUZsjQgc6pzaxKt6/CJExBXZ0VGXAGvvzvRUjGW6u7aUe5FRrbeeQLCkTdQtoxCV2PGNOCDxJw9C
64iRsVfzZmTTd/5N2k6x/EjJ1Oel980ALlpMZVNgpP30LBlCv6w0HX9rfsj5KHA3rsQj8i2ObGmc1LMy4C468eZnbieza5gp
MccHFjybSs5M/CTpqfqrjCkTcZyuNMydCYkhEAcKyu6aIPR7WUFhOWzrDQhVaoBe55UOjabR3PhJ/p1Y0h18g7xGz1DKucjQ
Gzzs6xT5OQ==
`;

export const certificateUrl =
  'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem';

export const certificatePem = `-----BEGIN CERTIFICATE-----${certificate}-----END CERTIFICATE-----\n`;

const notification = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
const confirmation = ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];

/** Signs as SNS does; the fixture's variant is the signature's version. */
export const signer: Signer = {
  secrets: {},
  nextSecrets: {},
  headers: [],
  toleranceSeconds: { early: 300, late: 86_400 },
  covers: 'fields',
  variants: { '1': {} },
  published: { [certificateUrl]: certificatePem },
  sign: (fixture, _secrets, now) => ({
    method: 'POST',
    headers: { 'content-type': 'text/plain; charset=UTF-8' },
    body: JSON.stringify(signEnvelope(readBody(fixture), fixture.variant ?? '2', now)),
  }),
  fields: [
    'Type',
    'MessageId',
    'TopicArn',
    'Subject',
    'Message',
    'Timestamp',
    'Token',
    'SubscribeURL',
    'Signature',
    'SignatureVersion',
    'SigningCertURL',
    '__proto__',
  ],
};

/** The envelope with its time and signature. */
export function signEnvelope(unsigned: Record<string, string>, version: string, now: Date): Record<string, string> {
  const envelope = { ...unsigned, Timestamp: now.toISOString() };
  const names = unsigned['Type'] === 'Notification' ? notification : confirmation;
  const text = Object.entries(envelope)
    .filter(([name]) => names.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}\n${value}\n`)
    .join('');
  const algorithm = version === '1' ? 'RSA-SHA1' : 'RSA-SHA256';
  const signature = sign(algorithm, Buffer.from(text), createPrivateKey({ key, format: 'jwk' })).toString('base64');
  return { ...envelope, SignatureVersion: version, Signature: signature, SigningCertURL: certificateUrl };
}

/** In the fixtures a message that is JSON is written as JSON; SNS posts its text. */
function readBody(fixture: Fixture): Record<string, string> {
  const body = JSON.parse(new TextDecoder().decode(fixture.bytes)) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
