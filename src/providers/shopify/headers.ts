/**
 * Shopify names its headers `X-Shopify-…` for webhooks and `Shopify-…` for Events. One set is used
 * as a whole, never mixed.
 * Source: https://shopify.dev/docs/apps/build/events/delivery-structure
 */
export function headerName(headers: Headers, name: string): string {
  return `${headers.has('shopify-hmac-sha256') ? '' : 'x-'}shopify-${name}`;
}

/** A header beside the signature. None of them is signed. */
export function unsignedHeader(headers: Headers, name: string): string | undefined {
  return headers.get(headerName(headers, name)) || undefined;
}
