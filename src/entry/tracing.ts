import { diag, DiagLogLevel } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
} from '@opentelemetry/sdk-trace';
import type { Config } from '../config.ts';
import type { Logger } from '../lib/logger.ts';
import { createTracing, type Tracing } from '../lib/tracing.ts';

/** How long a stop waits for the last spans to be sent: a collector that is gone must not hold it up. */
const flushMs = 3_000;

/**
 * Sends traces by OTLP over HTTP, as JSON. Loaded only where an endpoint is configured. The exporter
 * reads the standard variables by itself (endpoint, headers, timeout, certificates), the resource
 * `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
 */
export function startTracing(
  config: Pick<Config, 'tracesSampler' | 'tracesSamplerArg'>,
  logger: Logger,
): { readonly tracing: Tracing; readonly stop: () => Promise<void> } {
  reportTo(logger);
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'postroom' }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(config),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  return {
    tracing: createTracing(provider.getTracer('postroom')),
    async stop() {
      const waited = new Promise<void>((resolve) => setTimeout(resolve, flushMs).unref());
      await Promise.race([provider.shutdown().catch(() => {}), waited]);
    },
  };
}

/** The SDK's own complaints, such as a collector that does not answer, into our log. */
function reportTo(logger: Logger): void {
  const warn = (message: string): void => logger.warn({ error: message.slice(0, 500) }, 'traces could not be sent');
  diag.setLogger(
    { error: warn, warn, info() {}, debug() {}, verbose() {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

/** The samplers that the standard names. A child always follows its parent in those that say so. */
function samplerOf({ tracesSampler, tracesSamplerArg }: Pick<Config, 'tracesSampler' | 'tracesSamplerArg'>): Sampler {
  const samplers = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(tracesSamplerArg),
  };
  const root = samplers[tracesSampler.replace('parentbased_', '') as keyof typeof samplers]();
  return tracesSampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}
