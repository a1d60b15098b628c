import type { Reply, WebhookRequest } from '../../provider.ts';
import { isForm, readForm } from '../kit/body/form.ts';
import { interactionType } from './interaction.ts';

/**
 * Nothing but the status: what stands in the answer to a slash command is shown to the person, and
 * what stands in the answer to a modal is taken for an instruction. Empty, it closes the modal.
 * A menu that loads its options from the app gets none.
 */
export function acknowledgeSlack(request: WebhookRequest): Reply {
  const isMenu = isForm(request.headers) && interactionType(readForm(request.body)) === 'block_suggestion';
  if (!isMenu) return { status: 200 };
  return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"options":[]}' };
}
