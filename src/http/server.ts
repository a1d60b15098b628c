import { bodyLimit } from 'hono/body-limit';
import { OpenAPIHono } from '@hono/zod-openapi';
import { PostroomError } from '../lib/errors.ts';
import { callbackRoutes } from './callbacks.ts';
import { channelRoutes } from './channels.ts';
import { deliveryRoutes } from './deliveries.ts';
import { deliveryJobRoutes } from './delivery-jobs.ts';
import { docsRoutes } from './docs.ts';
import { answerError, errorBody } from './errors.ts';
import { endpointRoutes } from './endpoints.ts';
import { erasureRoutes } from './erasures.ts';
import { eventRoutes } from './events.ts';
import { healthRoutes } from './health.ts';
import { identityLinkRoutes } from './identity-links.ts';
import { ingestRoutes } from './ingest.ts';
import { jobRoutes } from './jobs.ts';
import { messageRoutes } from './messages.ts';
import { metricsRoutes } from './metrics.ts';
import { authenticate } from './middleware/authenticate.ts';
import { boundedJson } from './middleware/bounded-json.ts';
import { providerRoutes } from './providers.ts';
import { routeRoutes } from './routes.ts';
import type { ApiEnv, Services } from './services.ts';
import { targetRoutes } from './targets.ts';
import { timeTravelRoutes } from './time-travel.ts';
import { tokenRoutes } from './tokens.ts';

/** What a process serves: a pure worker has no ingest and no API. */
export interface Serves {
  readonly ingest: boolean;
  readonly api: boolean;
}

/** Every route of the service, and what happens to errors. */
export function createServer(services: Services, serves: Serves): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>();
  app.onError((error, c) => answerError(error, c, services.logger));
  app.notFound((c) => c.json(errorBody(['path'], 'there is nothing here', 'not_found'), 404));
  if (serves.ingest) app.route('/', ingestRoutes(services)).route('/', callbackRoutes(services));
  app.route('/', healthRoutes(services)).route('/', metricsRoutes(services));
  if (!serves.api) return app;

  app.get('/', (c) => c.redirect('/docs/'));
  app.route('/', docsRoutes(services));
  app.use(
    '/api/*',
    bodyLimit({
      maxSize: 1024 * 1024,
      onError: () => {
        throw new PostroomError('too_large', 'the body is larger than 1 MiB', { loc: ['body'] });
      },
    }),
  );
  app.use('/api/*', authenticate(services.authenticator));
  app.use('/api/*', boundedJson);
  for (const part of [
    messageRoutes,
    identityLinkRoutes,
    routeRoutes,
    channelRoutes,
    endpointRoutes,
    targetRoutes,
    eventRoutes,
    deliveryRoutes,
    deliveryJobRoutes,
    timeTravelRoutes,
    jobRoutes,
    erasureRoutes,
    tokenRoutes,
    providerRoutes,
  ]) {
    app.route('/api/v1', part(services));
  }
  describe(app);
  return app;
}

/** `/openapi.json`, made from the very schemas that do the validating. */
function describe(app: OpenAPIHono<ApiEnv>): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'apiKey', { type: 'apiKey', in: 'header', name: 'X-API-Key' });
  registry.registerComponent('securitySchemes', 'cookie', { type: 'apiKey', in: 'cookie', name: 'vai_token' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Postroom',
      version: '1',
      description:
        'The post room of a product that people write to. Channels take webhooks in at `POST /in/{channelId}`; this API sets everything up and shows what became of it.',
    },
  });
}
