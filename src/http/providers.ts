import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { channelKinds } from '../lib/channel-kinds.ts';
import type { Provider } from '../provider.ts';
import { createPart, errors, freeObject, json, security } from './openapi.ts';
import type { ApiEnv, Services } from './services.ts';

const providerView = z
  .object({
    name: z.string(),
    kind: z.enum(channelKinds),
    title: z.string(),
    secrets: freeObject.openapi({ description: 'JSON schema of what to give as `secrets`.' }),
    settings: freeObject.openapi({ description: 'JSON schema of what to give as `settings`.' }),
    madeByPostroom: z.boolean().openapi({ description: 'The secret is ours to make; it may be left out.' }),
    setup: z.object({
      steps: z
        .array(z.string())
        .openapi({ description: 'What to enter at the provider; {ingestUrl} stands for the channel’s URL.' }),
      address: z.string().openapi({ description: "What an endpoint's address is on this provider." }),
    }),
  })
  .openapi('Provider');

function showProvider(provider: Provider) {
  return {
    name: provider.name,
    kind: provider.kind,
    title: provider.title,
    secrets: z.toJSONSchema(provider.secrets, { io: 'input' }) as Record<string, unknown>,
    settings: z.toJSONSchema(provider.settings, { io: 'input' }) as Record<string, unknown>,
    madeByPostroom: provider.newSecret !== undefined,
    setup: { steps: [...provider.setup.steps], address: provider.setup.address },
  };
}

/** `/api/v1/providers`: what can be connected, and what each needs. */
export function providerRoutes({ providers }: Services): OpenAPIHono<ApiEnv> {
  return createPart().openapi(
    createRoute({
      method: 'get',
      path: '/providers',
      tags: ['providers'],
      security,
      summary: 'List providers',
      responses: { 200: json(z.object({ items: z.array(providerView) }), 'Every provider'), ...errors },
    }),
    (c) => c.json({ items: [...providers.values()].map(showProvider) }, 200),
  );
}
