import { z } from 'zod';

/** For schemes that sign the URL: it must be the one that was entered at the provider, character by character. */

/** The setting for those whose proxy rewrites the URL. */
export const publicUrlSetting = z
  .url({ protocol: /^https?$/ })
  .optional()
  .describe(
    'The URL exactly as entered at the provider, where it differs from the ingest URL (a proxy that rewrites it): it is signed.',
  );

/**
 * The URL as the provider has it. `publicUrl` replaces scheme, host and path; the query stays the
 * request's, because providers add to it. A fragment is never sent.
 */
export function urlAsSigned(received: string, publicUrl: string | undefined): string {
  const bare = withoutFragment(received);
  if (publicUrl === undefined) return bare;
  const queryStart = bare.indexOf('?');
  const configured = withoutFragment(publicUrl);
  return queryStart === -1 ? configured : `${configured.split('?', 1)[0] ?? ''}${bare.slice(queryStart)}`;
}

function withoutFragment(url: string): string {
  return url.split('#', 1)[0] ?? url;
}
