import { z } from 'zod';
import { publicUrlSetting } from '../kit/verify/public-url.ts';

/** A header that carries a signature or what goes with it; never one that carries a token itself. */
const headerName = z
  .string()
  .regex(/^[\w-]{1,64}$/, 'a header name')
  .transform((name) => name.toLowerCase())
  .refine((name) => !['authorization', 'x-vapi-secret', 'cookie'].includes(name), 'a header for tokens');

/** How the custom credential of type HMAC is configured at Vapi; the defaults are Vapi's. */
export const vapiSettings = z.strictObject({
  algorithm: z.enum(['sha256', 'sha512', 'sha1']).default('sha256').describe('HMAC: the algorithm.'),
  signatureEncoding: z.enum(['hex', 'base64']).default('hex').describe('HMAC: how the signature is written.'),
  signatureHeader: headerName.default('x-signature').describe('HMAC: the header with the signature.'),
  signaturePrefix: z.string().max(64).default('').describe('HMAC: what stands before the signature, such as sha256=.'),
  timestampHeader: headerName.default('x-timestamp').describe('HMAC: the header with the time that is signed.'),
  messageIdHeader: headerName.default('svix-id').describe('HMAC: the header with {svix-id}, where that is signed.'),
  payloadFormat: z
    .string()
    .max(256)
    .refine((format) => format.split('{body}').length === 2, 'the format must contain {body}, once')
    .default('{timestamp}.{body}')
    .describe(
      'HMAC: what is signed, of {body}, {timestamp}, {method}, {url} and {svix-id}. Without {timestamp} old requests are taken as well.',
    ),
  secretIsBase64: z.boolean().default(false).describe('HMAC: whether the secret key is base64 and decoded before use.'),
  publicUrl: publicUrlSetting,
  trustCallerId: z
    .boolean()
    .default(false)
    .describe(
      'Vouch for the number of a caller. Callers can choose what number is shown, so leave it off where the number alone decides what somebody may do.',
    ),
});
export type VapiSettings = z.output<typeof vapiSettings>;
