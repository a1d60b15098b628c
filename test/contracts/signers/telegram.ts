import { type Signer } from '../signer.ts';

export const signer: Signer = {
  secrets: { secret: 'Zk3_c0ntract-Telegram-0ne_aB9' },
  nextSecrets: { secret: 'Yj4_c0ntract-Telegram-Tw0_aB9' },
  headers: ['x-telegram-bot-api-secret-token'],
  covers: 'none',
  sign: (fixture, secrets) => ({
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': secrets['secret'] ?? '',
    },
    body: fixture.bytes,
  }),
  fields: [
    'update_id',
    'message',
    'callback_query',
    'message_id',
    'message_thread_id',
    'from',
    'id',
    'is_bot',
    'chat',
    'date',
    'text',
    'caption',
    'photo',
    'document',
    'file_id',
    'file_size',
    'contact',
    'location',
    'venue',
    'latitude',
    'data',
  ],
};
