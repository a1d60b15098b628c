import {
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { codeOf } from './errors.ts';

/**
 * Traces, as the rooms see them. A parent is handed on as text, the W3C header `traceparent`: so it
 * goes through the database to another process, and to a target. Nothing depends on an ambient
 * context. Attributes are ids, states and counts, never texts, addresses or URLs.
 */
export interface Tracing {
  start(name: string, options?: SpanOptions): TracedSpan;
}

export interface SpanOptions {
  readonly kind?: 'server' | 'client' | 'internal';
  /** Ours, as it was handed on. Without one the span begins a trace. */
  readonly parent?: string | null | undefined;
  /** Somebody else's: noted as a link, and otherwise not believed. */
  readonly link?: string | null | undefined;
  readonly startedAt?: Date;
  readonly attributes?: SpanAttributes;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface TracedSpan {
  /** To hand on to children; null where nothing is traced. */
  readonly traceparent: string | null;
  set(attributes: SpanAttributes): void;
  /** Ends the span, as failed where there is an error; of that only the code is kept. The first call counts. */
  end(options?: { readonly error?: unknown; readonly at?: Date }): void;
}

const noSpan: TracedSpan = { traceparent: null, set() {}, end() {} };

/** Traces nothing, and hands on what another process has begun. */
export const noTracing: Tracing = {
  start: (_name, { parent } = {}) => (parent ? { ...noSpan, traceparent: parent } : noSpan),
};

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

export function createTracing(tracer: Tracer): Tracing {
  return {
    start(name, { kind = 'internal', parent, link, startedAt, attributes = {} } = {}) {
      const parentContext = readTraceparent(parent);
      const linked = readTraceparent(link);
      const span = tracer.startSpan(
        name,
        {
          kind: kinds[kind],
          attributes: present(attributes),
          ...(linked ? { links: [{ context: linked }] } : {}),
          ...(startedAt ? { startTime: startedAt } : {}),
        },
        parentContext ? trace.setSpanContext(ROOT_CONTEXT, parentContext) : ROOT_CONTEXT,
      );
      let ended = false;
      return {
        traceparent: writeTraceparent(span.spanContext()),
        set: (more) => void span.setAttributes(present(more)),
        end({ error, at } = {}) {
          if (ended) return;
          ended = true;
          if (error !== undefined) {
            const code = errorCode(error);
            span.setAttribute('error.type', code);
            span.setStatus({ code: SpanStatusCode.ERROR, message: code });
          }
          span.end(at);
        },
      };
    },
  };
}

/** The id of the trace that a `traceparent` belongs to, for log lines. */
export function traceIdOf(traceparent: string | null | undefined): string | undefined {
  return readTraceparent(traceparent)?.traceId;
}

/** W3C Trace Context, level 1. What cannot be read counts as absent, as the standard wants it. */
function readTraceparent(text: string | null | undefined): SpanContext | undefined {
  const parts = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|-)/.exec(text ?? '');
  if (!parts) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = parts;
  const context = { traceId, spanId, traceFlags: parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

function writeTraceparent(context: SpanContext): string | null {
  if (!isSpanContextValid(context)) return null;
  return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}`;
}

function present(attributes: SpanAttributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined));
}

/** A stable word for an error: its text may hold what somebody wrote. */
function errorCode(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.name : 'unknown');
}
