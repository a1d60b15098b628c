/** A place as a person would read it: its name and address, or else where it is, `52.37,4.89`. */
export function readPlace(
  words: readonly (string | null | undefined)[],
  where: { readonly latitude?: number | undefined; readonly longitude?: number | undefined } = {},
): string | null {
  const named = words.filter(Boolean).join(', ');
  if (named !== '') return named;
  const { latitude, longitude } = where;
  return latitude === undefined || longitude === undefined ? null : `${latitude},${longitude}`;
}
