import type { Attachment } from '../../provider.ts';
import { present, textOrNull, type Json } from '../kit/fields.ts';
import {
  discordAttachment,
  discordComponent,
  discordOption,
  discordTarget,
  type DiscordComponent,
  type DiscordData,
  type DiscordOption,
} from './schema.ts';

/** Kinds of option and component that stand for a file, by its id. */
const attachmentOption = 11;
const fileUpload = 19;

/** A command of Discord's has at most 25 options, a modal fewer inputs. */
const maxEntries = 100;

/** A slash command taken apart: `/ticket create title: …` has the name `ticket create`. */
export interface Command {
  readonly name: string;
  readonly options: readonly DiscordOption[];
}

/** A group holds subcommands, and a subcommand holds options: no deeper. */
export function readCommand(data: DiscordData): Command {
  const names = [data.name ?? ''];
  let options = readOptions(data.options);
  for (let depth = 0; depth < 2; depth += 1) {
    const [only] = options;
    if (!only?.options && !isSubcommand(only)) break;
    names.push(only?.name ?? '');
    options = readOptions(only?.options);
  }
  return { name: names.join(' ').trim(), options };
}

function isSubcommand(option: DiscordOption | undefined): boolean {
  return option?.type === 1 || option?.type === 2;
}

function readOptions(entries: readonly unknown[] | undefined): DiscordOption[] {
  return (entries ?? []).slice(0, maxEntries).flatMap((entry) => discordOption.safeParse(entry).data ?? []);
}

/** The command as Discord shows it to the person who writes it. */
export function textOfCommand({ name, options }: Command, data: DiscordData): string | null {
  // A command from the menu of a user or of a message has a name alone, and it may have spaces.
  if (data.type === 2 || data.type === 3) return textOrNull(name);
  const words = options.flatMap((option) =>
    option.name === undefined || option.value === undefined
      ? []
      : [`${option.name}: ${option.type === attachmentOption ? fileName(option.value, data) : option.value}`],
  );
  return textOrNull([`/${name}`, ...words].join(' '));
}

function fileName(id: string | number | boolean, data: DiscordData): string {
  return readAttachments(data).find((file) => file.providerId === String(id))?.name ?? String(id);
}

export function describeOptions(options: readonly DiscordOption[]): Json[] {
  return options.map(({ name, type, value }) => present<Json>({ name, type, value }));
}

/** The inputs of a modal, out of their rows and labels. */
export function readInputs(data: DiscordData): DiscordComponent[] {
  return readComponents(data.components).flatMap((outer) => {
    if (outer.component !== undefined) return readComponents([outer.component]);
    return outer.components ? readComponents(outer.components) : [outer];
  });
}

function readComponents(entries: readonly unknown[] | undefined): DiscordComponent[] {
  return (entries ?? []).slice(0, maxEntries).flatMap((entry) => discordComponent.safeParse(entry).data ?? []);
}

/** What was filled in or picked, one input to a line; files are attachments. */
export function textOfInputs(inputs: readonly DiscordComponent[]): string | null {
  const lines = inputs.filter(({ type }) => type !== fileUpload).map((input) => valuesOf(input).join(', '));
  return textOrNull(lines.filter((line) => line !== '').join('\n'));
}

export function valuesOf({ value, values }: Pick<DiscordComponent, 'value' | 'values'>): string[] {
  const own = value === undefined || value === '' ? [] : [String(value)];
  return [...own, ...(values ?? []).filter((entry) => typeof entry === 'string')];
}

export function describeInputs(inputs: readonly DiscordComponent[]): Json[] {
  return inputs
    .filter(({ custom_id: id }) => id !== undefined)
    .map((input) => present<Json>({ customId: input.custom_id, type: input.type, values: valuesOf(input) }));
}

/** Files that were given with a command or a modal. */
export function readAttachments(data: DiscordData): Attachment[] {
  return listFiles(Object.values(recordOf(data.resolved?.attachments)));
}

/** Discord's file server asks for no credentials; its URLs carry a signature and end after a day or so. */
export function listFiles(entries: readonly unknown[] | undefined): Attachment[] {
  return (entries ?? []).flatMap((entry) => {
    const file = discordAttachment.safeParse(entry).data;
    if (!file?.url) return [];
    const { filename, content_type: contentType, size, url, id } = file;
    return [{ name: filename ?? null, contentType: contentType ?? null, size, url, providerId: id ?? null }];
  });
}

/** The message that a command from a message's menu was used on. */
export function describeTarget(data: DiscordData): Record<string, string | undefined> {
  const id = data.target_id;
  if (id === undefined) return {};
  const messages = recordOf(data.resolved?.messages);
  const target = Object.hasOwn(messages, id) ? discordTarget.safeParse(messages[id]).data : undefined;
  return { targetId: id, targetText: target?.content, targetAuthorId: target?.author?.id };
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
