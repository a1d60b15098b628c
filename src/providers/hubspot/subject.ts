import type { HubspotEvent } from './schema.ts';

/** A record at HubSpot: `contact` and its number. */
export interface Subject {
  readonly type: string;
  readonly id: string;
}

/** Source: https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids */
const objectTypes: Readonly<Record<string, string>> = {
  '0-1': 'contact',
  '0-2': 'company',
  '0-3': 'deal',
  '0-5': 'ticket',
  '0-7': 'product',
  '0-8': 'line_item',
};

/** What the event is about: `contact` of `contact.creation`, or of `object.creation` with its `0-1`. */
export function subjectOf(event: HubspotEvent): Subject | undefined {
  const [word = ''] = (event.subscriptionType ?? '').split('.', 1);
  const type = word === 'object' ? typeOf(event.objectTypeId ?? event.fromObjectTypeId) : word;
  const id = event.objectId ?? event.primaryObjectId ?? event.fromObjectId;
  return type && id ? { type, id } : undefined;
}

/** The contact, or else the company, that the event is about or that it ties to something. */
export function customerOf(event: HubspotEvent): Subject | undefined {
  const [from, to] = (event.associationType ?? '').toLowerCase().split('_to_');
  const ends = [
    subjectOf(event),
    subject(typeOf(event.fromObjectTypeId) ?? from, event.fromObjectId),
    subject(typeOf(event.toObjectTypeId) ?? to, event.toObjectId),
  ];
  const first = (type: string): Subject | undefined => ends.find((end) => end?.type === type);
  return first('contact') ?? first('company');
}

function subject(type: string | undefined, id: string | undefined): Subject | undefined {
  return type && id ? { type, id } : undefined;
}

/** Custom objects keep their number, `2-3465404`. */
function typeOf(objectTypeId: string | undefined): string | undefined {
  if (objectTypeId === undefined) return undefined;
  return Object.hasOwn(objectTypes, objectTypeId) ? objectTypes[objectTypeId] : objectTypeId;
}
