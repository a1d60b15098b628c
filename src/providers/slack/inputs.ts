import type { Attachment } from '../../provider.ts';
import { present, textOrNull } from '../kit/fields.ts';
import { readFile } from './files.ts';
import { slackInput, slackOption, type SlackInput, type SlackInteraction } from './interaction-schema.ts';

/** A modal has at most 100 blocks; more are not what Slack sends. */
const maxInputs = 200;

/** What was pressed, picked or filled in, with the names that the app gave it. */
export interface Input {
  readonly input: SlackInput;
  readonly values: readonly string[];
}

/** The actions of a message, or the inputs of a modal, in order. */
export function readInputs(interaction: SlackInteraction): Input[] {
  const entries =
    interaction.type === 'view_submission'
      ? fieldsOf(interaction.view?.state?.values).flatMap(([blockId, block]) =>
          fieldsOf(block).map(([actionId, state]) => ({ state, names: { block_id: blockId, action_id: actionId } })),
        )
      : (interaction.actions ?? []).map((state) => ({ state, names: {} }));
  return entries.slice(0, maxInputs).flatMap(({ state, names }) => {
    const input = slackInput.safeParse(state).data;
    return input ? [{ input: { ...input, ...names }, values: valuesOf(input) }] : [];
  });
}

function fieldsOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Each kind of element has a field of its own for what was chosen. */
function valuesOf(input: SlackInput): string[] {
  const { selected_option: option, selected_options: options = [] } = input;
  const single = [
    input.value,
    option?.value,
    input.selected_user,
    input.selected_channel,
    input.selected_conversation,
    input.selected_date,
    input.selected_time,
    input.selected_date_time?.toString(),
  ];
  const several = [input.selected_users, input.selected_channels, input.selected_conversations].flatMap(
    (list) => list ?? [],
  );
  const picked = options.map((entry) => slackOption.parse(entry)?.value);
  return [...single, ...picked, ...several].filter(
    (value): value is string => typeof value === 'string' && value !== '',
  );
}

/** What the person says with it: what was filled in, or what the button stands for. */
export function textOfInputs(inputs: readonly Input[]): string | null {
  const lines = inputs.map(({ input, values }) =>
    values.length > 0 ? values.join(', ') : isAction(input) ? (input.text?.text ?? input.action_id ?? '') : '',
  );
  return textOrNull(lines.filter((line) => line !== '').join('\n'));
}

/** An action has the time of its own; an input of a modal that was left empty says nothing. */
function isAction(input: SlackInput): boolean {
  return input.action_ts !== undefined;
}

export function describeInput({ input, values }: Input): Record<string, string | string[]> {
  return present<string | string[]>({
    type: input.type,
    blockId: input.block_id,
    actionId: input.action_id,
    values: [...values],
  });
}

export function filesOfInputs(inputs: readonly Input[]): Attachment[] {
  return inputs.flatMap(({ input }) => (input.files ?? []).flatMap(readFile));
}
