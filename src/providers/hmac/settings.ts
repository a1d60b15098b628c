import { z } from 'zod';
import { ownBodySettings } from '../kit/json-message/settings.ts';
import { publicUrlSetting } from '../kit/verify/public-url.ts';
import { boundsOfId, countPlaceholder, parseTemplate } from './template.ts';

const headerName = z
  .string()
  .trim()
  .toLowerCase()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'the name of a header, such as x-signature');

const shape = z.strictObject({
  ...ownBodySettings.shape,
  header: headerName.describe('The header with the signature, such as X-Signature.'),
  algorithm: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).default('sha256').describe('The hash of the HMAC.'),
  encoding: z.enum(['hex', 'base64', 'base64url']).default('hex').describe('How the signature is written.'),
  prefix: z
    .string()
    .regex(/^(?:[\x21-\x7e][\x20-\x7e]{0,63})?$/, 'up to 64 visible characters, the first no space')
    .default('')
    .describe('What stands before each signature, such as sha256= or v1=.'),
  separator: z
    .enum([',', ' ', ';'])
    .optional()
    .describe(
      'What stands between several signatures in the header. One that matches is enough; those without the prefix are skipped.',
    ),
  secretEncoding: z
    .enum(['text', 'base64', 'hex'])
    .default('text')
    .describe('Whether the secret is the key as it stands, or the base64 or hex of the key.'),
  template: z
    .string()
    .max(256)
    .default('{body}')
    .describe('What is signed, made of {body}, {timestamp}, {id}, {method} and {url}: such as v0:{timestamp}:{body}.'),
  timestampHeader: headerName.optional().describe('The header with the time of {timestamp}.'),
  timestampUnit: z
    .enum(['s', 'ms', 'iso'])
    .default('s')
    .describe('Seconds or milliseconds since 1970, or ISO 8601 with its zone.'),
  toleranceSeconds: z.int().min(1).max(86_400).default(300).describe('How far the time may be from ours, either way.'),
  idHeader: headerName
    .optional()
    .describe("The header with the delivery's id. It is what a message is recognised by only where {id} is signed."),
  publicUrl: publicUrlSetting,
});

/** Refuses what could never verify, and what would verify less than it seems to. */
export const hmacSettings = shape.superRefine((settings, context) => {
  const report = (path: keyof typeof settings, message: string) => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  const parts = parseTemplate(settings.template);
  if (!parts) {
    report('template', 'braces hold one of {body}, {timestamp}, {id}, {method} and {url}');
    return;
  }
  const has = (name: Parameters<typeof countPlaceholder>[1]) => countPlaceholder(parts, name) > 0;
  if (parts.some((part) => 'placeholder' in part && countPlaceholder(parts, part.placeholder) > 1)) {
    report('template', 'each placeholder may stand in it once');
  }
  if (!has('body')) report('template', 'it must contain {body}: otherwise anybody could change the body');
  if (has('timestamp') && !settings.timestampHeader) report('timestampHeader', '{timestamp} needs it');
  if (!has('timestamp') && settings.timestampHeader) {
    report('template', 'it must contain {timestamp}: a time that is not signed proves nothing');
  }
  if (has('id') && !settings.idHeader) report('idHeader', '{id} needs it');
  if (boundsOfId(parts) === undefined) report('template', 'some text must set {id} off from what is next to it');
  if (settings.publicUrl !== undefined && !has('url')) report('publicUrl', 'the template has no {url}');
  if (settings.separator && settings.prefix.includes(settings.separator)) {
    report('prefix', 'the separator must not be in it');
  }
  // A header that is sent twice arrives so joined, and is refused as such.
  if (settings.prefix.includes(', ')) report('prefix', 'a comma must not be followed by a space');
  const { header, timestampHeader, idHeader } = settings;
  if (timestampHeader === header) report('timestampHeader', 'it is the header of the signature');
  if (idHeader === header) report('idHeader', 'it is the header of the signature');
  if (idHeader !== undefined && idHeader === timestampHeader) report('idHeader', 'it is the header of the time');
});
export type HmacSettings = z.output<typeof hmacSettings>;
