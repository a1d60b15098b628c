/** Events of business systems, which bring no text of their own. */

/** `invoice.payment_failed` and `in_1` are "Invoice payment failed: in_1". */
export function sentenceFrom(type: string, about: string | null | undefined): string {
  const words = type.replaceAll(/[._/]+/g, ' ').trim() || type;
  const sentence = `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
  return about ? `${sentence}: ${about}` : sentence;
}
