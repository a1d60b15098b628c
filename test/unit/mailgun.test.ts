import { expect, test } from 'vitest';
import { providers } from '../../src/providers/index.ts';
import { readFields, soleText } from '../../src/providers/mailgun/form.ts';

const provider = providers.get('mailgun');
if (!provider) throw new Error('no provider');

type Pair = [string, string];

async function parse(fields: Pair[], settings: Record<string, unknown> = {}) {
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded' });
  const body = new TextEncoder().encode(new URLSearchParams(fields).toString());
  const request = { method: 'POST', url: 'https://post.example/in/1', headers, body };
  return await provider?.parse(request, { secrets: {}, settings: provider.settings.parse(settings) });
}

const result: Pair = ['X-Mailgun-Dkim-Check-Result', 'Pass'];
const incoming: Pair = ['X-Mailgun-Incoming', 'Yes'];
const received: Pair = ['Received', 'from mail.example.com by mxa.mailgun.org with ESMTP id 1'];
const signed = (domain: string): Pair => ['Dkim-Signature', `v=1; d=${domain}; s=s1; b=Zm9v`];
const from: Pair = ['From', 'alice@example.com'];

async function isVouched(headers: Pair[], more: Pair[] = [], settings = { spamFilterMarks: true }) {
  const fields: Pair[] = [['message-headers', JSON.stringify(headers)], ['body-plain', 'hi'], ...more];
  return (await parse(fields, settings))?.messages[0]?.vouched;
}

test('vouched: Mailgun’s own result, and every signature of the sender’s domain', async () => {
  const headers = [result, incoming, received, signed('example.com'), from];
  expect(await isVouched(headers)).toBe(true);
  expect(await isVouched([...headers, signed('example.com')])).toBe(true);
  expect(await isVouched(headers, [], { spamFilterMarks: false })).toBe(false);
});

test.each<[string, Pair[]]>([
  ['a result below Received', [incoming, received, result, signed('example.com'), from]],
  ['a result below X-Mailgun-Incoming', [incoming, result, received, signed('example.com'), from]],
  ['no Received', [result, incoming, signed('example.com'), from]],
  ['no X-Mailgun-Incoming', [result, received, signed('example.com'), from]],
  ['no signature', [result, incoming, received, from]],
  ['one signature of a stranger', [result, incoming, received, signed('example.com'), signed('evil.example'), from]],
  [
    'another result first',
    [['X-Mailgun-Dkim-Check-Result', 'Fail'], result, incoming, received, signed('example.com'), from],
  ],
  ['two senders', [result, incoming, received, signed('example.com'), from, from]],
])('not vouched: %s', async (_name, headers) => {
  expect(await isVouched(headers)).toBe(false);
});

test('not vouched: the order of the headers is not known', async () => {
  const headers = [result, incoming, received, signed('example.com'), from];
  expect(await isVouched(headers, [['message-headers', '[]']])).toBe(false);
  expect((await parse([...headers, ['body-plain', 'hi']], { spamFilterMarks: true }))?.messages[0]?.vouched).toBe(
    false,
  );
});

test('an urlencoded form is read as the platform reads it', () => {
  const texts = ['a=1&b=x+y%21', 'a=%zz%4&a=&=b&&c', 'n%61me=%F0%9F%98%80%2B', '?a=1'];
  for (const text of texts) {
    const fields = readFields('application/x-www-form-urlencoded', new TextEncoder().encode(text));
    const expected = [...new URLSearchParams(`&${text}`)].filter(([name]) => name !== '');
    expect(fields.map(({ name, bytes }) => [name, new TextDecoder().decode(bytes)])).toEqual(expected);
  }
});

test('bytes that are not UTF-8 stay as they are', () => {
  const fields = readFields(null, new TextEncoder().encode('body-mime=%FF%00%e9&x=%C3%A4'));
  expect(fields[0]?.bytes).toEqual(Uint8Array.of(0xff, 0x00, 0xe9));
  expect(soleText(fields, 'x')).toBe('ä');
});

test('several HTML parts are one text', async () => {
  const parsed = await parse([from, ['body-html', '<p>one</p>'], ['body-html', '<p>two</p>']]);
  expect(parsed?.messages[0]?.text).toBe('one\n\ntwo');
});

test('a mail that is stored at Mailgun twice is one message', async () => {
  const stored = (url: string): Pair[] => [from, ['attachments', JSON.stringify([{ url, name: 'a.pdf', size: 7 }])]];
  const [first, second] = await Promise.all(
    ['https://a.api.mailgun.net/v3/1', 'https://b.api.mailgun.net/v3/2'].map((url) => parse(stored(url))),
  );
  expect(first?.messages[0]?.attachments[0]?.url).not.toBe(second?.messages[0]?.attachments[0]?.url);
  expect(first?.messages[0]?.dedupeKey).toBe(second?.messages[0]?.dedupeKey);
});
