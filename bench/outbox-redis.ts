import { connect } from 'node:net';

/** The server that BullMQ works on: BENCH_REDIS_URL, else the usual local one. */
const url = new URL(process.env['BENCH_REDIS_URL'] || 'redis://127.0.0.1:6379');
export const redisAddress = { host: url.hostname, port: Number(url.port || 6379) };

/** Version and durability of the Redis server, in words; undefined where none answers. */
export async function describeRedis(): Promise<string | undefined> {
  const answer = await ask('INFO server\r\nCONFIG GET appendonly\r\nCONFIG GET appendfsync\r\nCONFIG GET save\r\n');
  if (answer === undefined) return undefined;
  const version = /redis_version:(\S+)/.exec(answer)?.[1] ?? '?';
  const setting = (name: string): string => new RegExp(`\r\n${name}\r\n\\$\\d+\r\n([^\r]*)`).exec(answer)?.[1] ?? '';
  const log =
    setting('appendonly') === 'yes' ? `append-only file, fsync ${setting('appendfsync')}` : 'no append-only file';
  const save = setting('save');
  return `Redis ${version}, ${log}, ${save === '' ? 'no snapshots' : `snapshots ${save}`}`;
}

/** Sends commands over a plain socket and reads until the server has been quiet for a moment. */
function ask(commands: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(redisAddress, () => socket.write(commands));
    const end = (): void => {
      socket.destroy();
      resolve(answer === '' ? undefined : answer);
    };
    socket.setTimeout(500, end);
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.on('error', end);
  });
}
