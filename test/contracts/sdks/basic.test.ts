import { expect, test } from 'vitest';
import { providers } from '../../../src/providers/index.ts';
import { verifyContext } from '../../support/provider-context.ts';

/** Source: https://www.rfc-editor.org/rfc/rfc7617, sections 2 and 2.1. */
test('Basic: the examples of RFC 7617 are accepted', async () => {
  const provider = providers.get('basic');
  const verify = async (credentials: string, authorization: string) => {
    const headers = new Headers({ authorization });
    const request = { method: 'POST', url: 'https://post.example/in/1', headers, body: new Uint8Array() };
    const channel = { secrets: provider?.secrets.parse({ credentials }) ?? {}, settings: {} };
    return await provider?.verify(request, channel, verifyContext(new Date()));
  };
  expect(await verify('Aladdin:open sesame', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')).toEqual({ ok: true });
  expect(await verify('test:123£', 'Basic dGVzdDoxMjPCow==')).toEqual({ ok: true });
  expect(await verify('test:123', 'Basic dGVzdDoxMjPCow==')).toEqual({ ok: false, reason: 'bad_credentials' });
});
