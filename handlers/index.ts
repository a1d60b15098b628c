import type { Handler } from '../src/handler.ts';
import { process } from './process.ts';

/** Every handler, by its kind. A new one is a file and a line here. */
export const handlers: ReadonlyMap<string, Handler> = new Map([process].map((handler) => [handler.kind, handler]));
