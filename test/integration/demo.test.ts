import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Runs the demo as a user does, in a process of its own. */
function runDemo(): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, NO_COLOR: '1' };
  return new Promise((resolve) => {
    const done = (error: unknown, stdout: string, stderr: string): void => {
      const code = error === null ? 0 : Number((error as { code?: unknown }).code ?? 1);
      resolve({ code, stdout, stderr });
    };
    execFile(process.execPath, ['demo/index.ts'], { cwd: new URL('../..', import.meta.url), env }, done);
  });
}

test('the demo plays its story to the end, and everything is as the story says', { timeout: 90_000 }, async () => {
  const { code, stdout, stderr } = await runDemo();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^Summary: (\d+) of \1 checks hold\.$/m);
  expect(stdout).toContain('Everything is as the story says.');
  expect(stdout).not.toContain('\u001B');
  const folder = /data in (\S+)\.$/m.exec(stdout)?.[1];
  expect(folder).toBeDefined();
  expect(existsSync(String(folder))).toBe(false);
});
