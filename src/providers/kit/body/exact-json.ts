import { decodeText, readJson, type Json } from '../fields.ts';

/** An escape, a quote, or a number with its fraction and exponent. Repeats no group: bodies are large. */
const tokens = /\\.|"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/**
 * The body as JSON in which integers that a JavaScript number cannot hold are text, digit by digit:
 * `JSON.parse` makes 9007199254740993 into 9007199254740992, which is somebody else's id.
 *
 * @throws Error "the body is not JSON".
 */
export function readExactJson(body: Uint8Array): Json {
  const text = decodeText(body);
  const value = readJson(text);
  // Most bodies are done: what is shorter than 9007199254740991, of 16 digits, is safe.
  if (!/\d{16}/.test(text)) return value;
  let isInString = false;
  const exact = text.replace(tokens, (token) => {
    if (token === '"') isInString = !isInString;
    if (isInString || token.length < 16 || !/^-?\d+$/.test(token)) return token;
    return Number.isSafeInteger(Number(token)) ? token : `"${token}"`;
  });
  return readJson(exact);
}
