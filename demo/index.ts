import { ApiError, createClient, type Client } from './client.ts';
import { DemoError, readOptions } from './options.ts';
import { invitePeople } from './people.ts';
import { bold, say, type Check } from './print.ts';
import { buildScenery } from './scenery.ts';
import { startServer, type DemoServer } from './server.ts';
import { playStory } from './story.ts';
import { startTarget } from './targets.ts';

/**
 * `npm run demo`: plays the whole story with real requests against a real server, prints what became
 * of each message, and exits with 1 where anything is not as the story says.
 */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  say(bold('Postroom demo'));
  const server: DemoServer = options.server
    ? { ...options.server, about: `the server on ${options.server.url}`, stop: async () => {} }
    : await startServer();
  const desk = await startTarget(0);
  const workflow = await startTarget(2);
  try {
    say(
      `Plays on ${server.about}.`,
      `Two targets listen here: Desk (${desk.url}) answers, Picture workflow (${workflow.url}) fails twice first.`,
    );
    const client = createClient(server.url, server.token);
    await knock(server.url, client);
    const scenery = await buildScenery(client, invitePeople(), { desk, workflow });
    say(
      `Four channels, three addresses, seven routes and three identity links are set up through ${server.url}/api/v1.`,
    );
    summarise(await playStory({ url: server.url, client, scenery }));
    if (options.server) say(`All of it is still there: ${server.url}/docs/ shows how to look at it.`);
  } finally {
    await Promise.all([desk.stop(), workflow.stop()]);
    await server.stop();
  }
}

/** Says early and plainly what would otherwise fail somewhere in the middle. */
async function knock(url: string, client: Client): Promise<void> {
  try {
    await client.get('/providers');
  } catch (error) {
    if (error instanceof ApiError) throw new DemoError(`The server does not let the demo in: ${error.message}`);
    throw new DemoError(`No Postroom answers on ${url}; is it started?`);
  }
}

function summarise(checks: readonly Check[]): void {
  const failed = checks.filter(({ holds }) => !holds);
  say('', bold(`Summary: ${checks.length - failed.length} of ${checks.length} checks hold.`));
  if (failed.length === 0) {
    say('Everything is as the story says.');
    return;
  }
  say('Not as the story says:', ...failed.map(({ says }) => `  ${says}`));
  process.exitCode = 1;
}

main().catch((error: unknown) => {
  const text = error instanceof DemoError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`\n${text}\n`);
  process.exitCode = 1;
});
// A child and a folder must not outlive the demo.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
