import { expect, test } from 'vitest';
import { providers } from '../../../src/providers/index.ts';
import { verifyContext } from '../../support/provider-context.ts';

/** Source: https://www.rfc-editor.org/rfc/rfc6750, section 2.1. */
test('Bearer: the example of RFC 6750 is accepted', async () => {
  const provider = providers.get('bearer');
  const verify = async (authorization: string) => {
    const headers = new Headers({ authorization });
    const request = { method: 'POST', url: 'https://post.example/in/1', headers, body: new Uint8Array() };
    const secrets = provider?.secrets.parse({ token: 'mF_9.B5f-4.1JqM' }) ?? {};
    const channel = { secrets, settings: provider?.settings.parse({}) ?? {} };
    return await provider?.verify(request, channel, verifyContext(new Date()));
  };
  expect(await verify('Bearer mF_9.B5f-4.1JqM')).toEqual({ ok: true });
  expect(await verify('bEARER mF_9.B5f-4.1JqM')).toEqual({ ok: true });
  expect(await verify('Bearer mF_9.B5f-4.1Jqm')).toEqual({ ok: false, reason: 'bad_credentials' });
  expect(await verify('mF_9.B5f-4.1JqM')).toEqual({ ok: false, reason: 'bad_credentials' });
});
