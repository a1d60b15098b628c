/**
 * What the rooms log with: fields first, then a sentence. pino fits it as it is. Never log secrets,
 * tokens, headers or message texts: ids, reasons, counts and durations are enough.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
