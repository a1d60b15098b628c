import { z } from 'zod';
import { listField, sizeField, textField } from '../kit/fields.ts';

/** A person as Postmark has taken the address apart. */
export const postmarkPerson = z.object({ Email: textField, Name: textField });
export type PostmarkPerson = z.infer<typeof postmarkPerson>;

export const postmarkHeader = z.object({ Name: z.string(), Value: z.string() });

export const postmarkFile = z.object({
  Name: textField,
  /** Base64. */
  Content: textField,
  /** Instead of `Content` in the test that the Check button sends. */
  Data: textField,
  ContentType: textField,
  ContentLength: sizeField,
  ContentID: textField,
});
export type PostmarkFile = z.infer<typeof postmarkFile>;

/** The fields that we read of an inbound mail. */
export const postmarkMail = z.object({
  RecordType: textField,
  MessageStream: textField,
  /** Postmark's own id, and not the Message-ID, which is among the headers. */
  MessageID: textField,
  From: textField,
  FromFull: postmarkPerson.optional().catch(undefined),
  ToFull: listField,
  CcFull: listField,
  OriginalRecipient: textField,
  ReplyTo: textField,
  Subject: textField,
  Date: textField,
  MailboxHash: textField,
  Tag: textField,
  TextBody: textField,
  HtmlBody: textField,
  StrippedTextReply: textField,
  Headers: listField,
  Attachments: listField,
});
export type PostmarkMail = z.infer<typeof postmarkMail>;
